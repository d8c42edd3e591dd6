"""A runner's own heartbeat: what it takes, does and refuses, rewritten under runners/ from a thread and a client of its own."""

import contextlib
import os
import platform
import re
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lading import names
from lading.attempt.presence import EVERY_S, LIVE_S, Presence, presences
from lading.backends.identity import host, lives, started
from lading.errors import LadingError
from lading.logs import get_logger
from lading.runner.rules import Rules
from lading.store.base import Store

MAX_REFUSALS = 50
log = get_logger()


def default_name() -> str:
    """This machine's name and this process's number."""
    node = re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()).strip(".-")[:60] or "runner"
    return f"{node}-{os.getpid()}"


class Announcement:
    """Says under runners/ how this runner is, while the block lasts; then takes its word away.

    Args:
        store: for the thread alone.
        name: of the runner.
        rules: what it takes.
        every_s: between two beats.
    """

    def __init__(self, store: Store, name: str, rules: Rules, *, every_s: float = EVERY_S) -> None:
        self._store, self._every_s = store, every_s
        self._now = Presence(
            name=name,
            host=host(),
            pid=os.getpid(),
            pid_started=started(os.getpid()),
            platforms=rules.platforms,
            kinds=rules.kinds,
            version=_version(),
        )
        self._lock = threading.Lock()
        self._wake, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="announce", daemon=True)

    def says(self, **changes: Any) -> None:
        """Changes what is said; it is written at once."""
        if "refuses" in changes:
            changes["refuses"] = dict(list(changes["refuses"].items())[:MAX_REFUSALS])
        with self._lock:
            new = self._now.but(**changes)
            if new == self._now:
                return
            self._now = new
        self._wake.set()

    def __enter__(self) -> "Announcement":
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._wake.set()
        self._thread.join(timeout=10)
        with contextlib.suppress(LadingError):
            self._store.delete([names.runner(self._now.name)])

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.wait(self._every_s)
            self._wake.clear()
            if not self._over.is_set():
                self._beat()

    def _beat(self) -> None:
        with self._lock:
            self._now = self._now.but(beat=self._now.beat + 1)
            said = self._now.to_bytes()
        try:
            self._store.write(names.runner(self._now.name), said)
        except LadingError as error:
            log.warning("runner.unheard", problem=error.message)


def predecessors(store: Store, *, wait: Callable[[float], bool], say: Callable[[str], None]) -> None:
    """Clears away what runners of this machine left that are gone; where one was killed and its stage goes on, waits for that.

    Args:
        store: where.
        wait: sleeps so long; True: this runner was asked to end.
        say: hears what is waited for.
    """
    node = host().split("/")[0]
    for seen in list(presences(store, by_newest=True)):
        one = seen.presence
        if one.host.split("/")[0] != node or one.pid == os.getpid():
            continue
        if one.host != host():
            if seen.alive:
                continue  # another container or machine of this name
        elif lives(one.pid, one.pid_started):
            continue
        elif lives(one.worker, one.worker_started):
            say(f"a runner before this one was killed; what it had begun goes on ({one.stage} of run {one.run}), and is waited for")
            while lives(one.worker, one.worker_started):
                if wait(1.0):
                    return
        elif seen.age_s < LIVE_S and one.state == "working":
            log.info("runner.gone", name=one.name, attempt=one.attempt)
        store.delete([names.runner(one.name)])


def _version() -> str:
    try:
        return version("lading")
    except PackageNotFoundError:
        return ""
