"""The heart of an attempt: a thread that writes its progress, and notices when the attempt is no longer wanted."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lading import names
from lading.attempt.records import Progress
from lading.errors import LadingError, ManifestError, MissingObjectError, UserError
from lading.logs import get_logger
from lading.manifest.handoff import highest, read_record
from lading.manifest.model import Manifest
from lading.manifest.reading import read_document
from lading.names import AttemptId
from lading.store.base import Store

DEFAULT_S = 5.0
FIRST_S = 1.0
"""From the first beat to the second; each pause is so much longer than the one before, up to the usual one."""
LONGEST_S = 10.0
"""Observers call a heart that does not beat for 60 s dead."""
log = get_logger()


def heartbeat_s(environ: Mapping[str, str]) -> float:
    """Seconds between two heartbeats, from LADING_HEARTBEAT_S or 5.

    Raises:
        UserError: the variable is no number from 0.05 to 10.
    """
    text = environ.get(names.ENV_HEARTBEAT_S, "").strip()
    if not text:
        return DEFAULT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.05 <= seconds <= LONGEST_S:
        raise UserError(
            f"{names.ENV_HEARTBEAT_S} is {text[:40]!r}, and it should be a number of seconds from 0.05 to {LONGEST_S:g}",
            do=f"unset {names.ENV_HEARTBEAT_S}, or set it to {DEFAULT_S:g}",
        )
    return seconds


def read_progress(store: Store, attempt: AttemptId, pod: str = "0") -> Progress | None:
    """The last heartbeat of a pod, for people; None where there is none that can be read."""
    try:
        return read_document(store, attempt.progress(pod), Progress, limit=64 << 10)
    except (MissingObjectError, ManifestError):
        return None


@dataclass(frozen=True, slots=True)
class Look:
    """Looks whether an attempt is still wanted."""

    store: Store
    attempt: AttemptId
    after: int
    """The highest record of the key that was seen when the attempt began: what is higher has come since."""

    def __call__(self) -> str:
        """Why the attempt should stop, in a sentence; empty while it is wanted."""
        here = self.attempt
        if self._is_there(here.verdict):
            return f"a launcher has judged attempt {here.number} already (verdict.json)"
        following = AttemptId(here.kind, here.key, here.number + 1)
        if self._is_there(following.claim):
            return f"attempt {following.number} has been claimed"
        n = highest(self.store, here.kind, here.key)
        if n > self.after and self._stands(n):
            return f"a manifest of this key stands already (number {n})"
        return ""

    def _is_there(self, key: str) -> bool:
        try:
            self.store.read(key, limit=1)
        except MissingObjectError:
            return False
        return True

    def _stands(self, n: int) -> bool:
        try:
            return isinstance(read_record(self.store, self.attempt.kind, self.attempt.key, n), Manifest)
        except (MissingObjectError, ManifestError):
            return False


class Heart:
    """Beats in a thread of its own, with a store (so a client) of its own: a slow upload never makes an attempt look dead.

    Args:
        store: for this thread alone.
        attempt: whose heart it is.
        read: the fields of the next `Progress` but `beat`; called in the thread. What it gives wrongly is left out.
        stop: called once, with a sentence, when the attempt is no longer wanted.
        after: the highest record of the key when the attempt began.
        pod: of this supervisor.
        every_s: between two beats.
    """

    def __init__(
        self,
        store: Store,
        attempt: AttemptId,
        *,
        read: Callable[[], Mapping[str, Any]],
        stop: Callable[[str], None],
        after: int,
        pod: str = "0",
        every_s: float = DEFAULT_S,
    ) -> None:
        self.look = Look(store, attempt, after)
        self._key = attempt.progress(pod)
        self._store = store
        self._read = read
        self._stop = stop
        self._every_s = every_s
        self._beat = 0
        self._told = False
        self._wake = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=f"heart-{pod}", daemon=True)

    def __enter__(self) -> "Heart":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._wake.set()
        self._thread.join(timeout=10)

    def now(self) -> None:
        """Asks for a beat at once: something changed that observers should see."""
        self._wake.set()

    def beat(self) -> None:
        """One beat: writes, then looks. A store that can't be reached is left for the next beat."""
        try:
            self._store.write(self._key, self._progress().to_bytes())
            reason = "" if self._told else self.look()
        except LadingError as error:
            log.warning("heart.skipped", problem=error.message)
            return
        if reason:
            self._told = True
            self._stop(reason)

    def _progress(self) -> Progress:
        self._beat += 1
        try:
            return Progress.model_validate({**self._read(), "beat": self._beat})
        except (ValidationError, ValueError, TypeError, OSError) as error:
            # A stage that writes nonsense into its progress still lives.
            log.warning("heart.unreadable", problem=str(error)[:200])
            return Progress(beat=self._beat, state="running")

    def _run(self) -> None:
        while not self._ending:
            self.beat()
            self._wake.wait(min(self._every_s, self._beat * FIRST_S))  # sooner at first: a short stage is seen moving, too
            self._wake.clear()
