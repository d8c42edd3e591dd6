"""The supervisor's hold on the stage's own process: forked from a warm server where there is one, else started anew."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lading.logs import get_logger
from lading.stages import guard
from lading.stages.asked import Asked

LOST_ALONE_S = 1.0
"""Whose peer is gone mostly ends by itself in a moment, or had ended before it and is about to say so: only then is it told to."""
LOST_GRACE_S = 2.0
"""Without its peer a stage can save nothing: it gets the time to say what it met."""
log = get_logger()
WORKER = (sys.executable, "-m", "lading.stages.worker")


@dataclass(frozen=True, slots=True)
class End:
    """How the stage's process ended."""

    status: int
    """Its exit code; below zero the signal that ended it, as subprocess says it."""
    peak: int | None
    """Bytes."""


class Child:
    """One process of a stage, with everything below it.

    Args:
        server: the socket of a fork server that has imported what the stage's kind needs; None to start a new interpreter.
        kind: of the stage.
    """

    def __init__(self, server: str | None, kind: str) -> None:
        self.guard: int | None = None
        self.output, self._out = os.pipe()
        """The pipe's reading end carries stdout and stderr."""
        self._control = self._ask(server, kind) if server else None

    def _ask(self, server: str, kind: str) -> socket.socket | None:
        """Asks the server early, so that it imports while the inputs are received."""
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            control.connect(server)
            socket.send_fds(control, [json.dumps({"what": "child", "kind": kind}).encode().ljust(255) + b"\n"], [self._out])
        except OSError as error:
            log.info("child.cold", why=str(error))
            control.close()
            return None
        return control

    def start(self, command: Sequence[str] | None, *, env: Mapping[str, str], cwd: Path) -> None:
        """Starts it: `command`, or (None) the worker on the folder `cwd`."""
        request = {"argv": command, "env": dict(env), "cwd": str(cwd)}
        if self._control is not None and command is None and self._start(self._control, request):
            os.close(self._out)
            return
        if self._control is not None:
            self._control.close()
        request["argv"] = command or [*WORKER, str(cwd)]
        self._control, theirs = socket.socketpair()
        fds = (theirs.fileno(), self._out)
        subprocess.Popen(
            [sys.executable, "-S", "-E", guard.__file__, *map(str, fds)], pass_fds=fds, env=dict(env), stdin=subprocess.DEVNULL, cwd="/"
        )
        theirs.close()
        os.close(self._out)
        if not self._start(self._control, request):
            raise OSError("the stage's process could not be started")

    def _start(self, control: socket.socket, request: object) -> bool:
        guard.send_line(control, request)
        answer = guard.read_line(control)
        self.guard = answer["guard"] if answer else None
        return answer is not None

    def signal(self, number: int) -> None:
        """Sends the process (not what it started itself) a signal."""
        if self._control is not None:
            guard.send_line(self._control, {"signal": int(number)})

    def wait(self, asked: Asked, *, grace_s: float, deadline_s: float | None) -> End:
        """Waits for its end; passes on that it should stop, and kills it when the grace is over."""
        assert self._control is not None
        began = time.monotonic()
        tell_at = kill_at = None
        while True:
            now = time.monotonic()
            if deadline_s is not None and now - began >= deadline_s:
                asked.deadline(f"it took longer than its deadline of {deadline_s:g} s")
            if asked and tell_at is None:
                tell_at = now + (LOST_ALONE_S if asked.why == "lost" else 0.0)
            if tell_at is not None and kill_at is None and now >= tell_at:
                self.signal(signal.SIGTERM)
                kill_at = now + (min(grace_s, LOST_GRACE_S) if asked.why == "lost" else grace_s)
            elif kill_at is not None and now >= kill_at:
                self.signal(signal.SIGKILL)
                kill_at = now + 10
            times = [t - now for t in (kill_at or tell_at, None if asked or deadline_s is None else began + deadline_s) if t is not None]
            watched: list[Any] = [self._control] if asked else [self._control, asked]
            ready, _, _ = select.select(watched, [], [], max(0.0, min(times)) if times else None)
            if self._control in ready:
                answer = guard.read_line(self._control)
                # A guard that was killed took the child with it.
                return End(answer["status"], answer["peak"]) if answer else End(-9, None)

    def close(self) -> None:
        """Lets go of it: whatever still runs is killed by its guard."""
        if self._control is not None:
            self._control.close()
