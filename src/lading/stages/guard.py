"""The process between a supervisor and a stage's own: it starts the stage, and makes sure that nothing of it outlives the supervisor.

It imports nothing of lading, so that it starts in milliseconds: `python -S guard.py FD` execs the command that it is sent;
the fork server calls `serve` with a function to run instead. It speaks JSON lines over one socket: the supervisor sends
`{"argv": ..., "env": ..., "cwd": ...}` and then signals as numbers; it answers `{"guard": pid, "child": pid}` and, at the end,
`{"status": ..., "peak": bytes}`. If the socket closes, the supervisor is dead, and everything below is killed.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

LINUX = sys.platform == "linux"
_PDEATHSIG, _SUBREAPER = 1, 36
_LIBC: Any = ctypes.CDLL(None) if LINUX else None


def prctl(option: int, value: int) -> None:
    """Linux's prctl with one argument; elsewhere nothing."""
    if LINUX:
        _LIBC.prctl(option, value, 0, 0, 0)


def read_line(control: socket.socket, *, most: int = 4 << 20) -> dict[str, Any] | None:
    """The next JSON line, or None at the end of the stream."""
    data = bytearray()
    while not data.endswith(b"\n"):
        try:
            byte = control.recv(min(4096, most), socket.MSG_PEEK)
        except ConnectionError:
            return None
        if not byte:
            return None
        end = byte.find(b"\n") + 1
        data += control.recv(end or len(byte))
        if len(data) > most:
            return None
    value = json.loads(data)
    return value if isinstance(value, dict) else None


def send_line(control: socket.socket, value: Any) -> None:
    """One JSON line; a reader that is gone is no error."""
    try:
        control.sendall(json.dumps(value).encode() + b"\n")
    except OSError:
        return


def serve(control: socket.socket, out: int, run: Callable[[str], int] | None) -> NoReturn:
    """Starts what the supervisor asks for, waits for its end, and leaves nothing behind.

    Args:
        control: the supervisor's other end.
        out: where the stage's stdout and stderr go.
        run: what the child does with its working folder when no command is sent: the stage's function, in this very process.
    """
    request = read_line(control)
    if request is None:
        os._exit(0)
    if os.getsid(0) != os.getpid():
        os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the supervisor alone decides when this ends
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    prctl(_SUBREAPER, 1)
    me = os.getpid()
    child = os.fork()
    if child == 0:
        _become(request, control, out, run, me)
    os.close(out)
    send_line(control, {"guard": me, "child": child})
    status, peak = _watch(control, child)
    _kill_all(child)
    send_line(control, {"status": status, "peak": peak})
    os._exit(0)


def _become(request: dict[str, Any], control: socket.socket, out: int, run: Callable[[str], int] | None, guard: int) -> NoReturn:
    """The child's own first steps."""
    try:
        os.setsid()
        prctl(_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        control.close()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        os.chdir(request["cwd"])
        if run is None:
            os.execve(request["argv"][0], request["argv"], request["env"])  # noqa: S606 (no shell is meant)
        os.environ.clear()
        os.environ.update(request["env"])
        code = run(request["cwd"])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    except BaseException as error:  # noqa: BLE001 (a forked process never returns to its parent's code)
        os.write(2, f"lading: the stage's process could not be started: {error!r}\n".encode())
        os._exit(1)


def _watch(control: socket.socket, child: int) -> tuple[int, int]:
    """Passes signals on until the child ends; kills it when the supervisor is gone."""
    pidfd = os.pidfd_open(child) if LINUX and hasattr(os, "pidfd_open") else None
    while True:
        watched: list[Any] = [control] if pidfd is None else [control, pidfd]
        ready, _, _ = select.select(watched, [], [], 0.05 if pidfd is None else 1.0)
        if control in ready:
            message = read_line(control)
            if message is None:
                _kill_all(child)
                os._exit(1)
            os.kill(child, message["signal"])
        while True:  # also reaps what was orphaned below
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return 1, 0
            if pid == child:
                return os.waitstatus_to_exitcode(status), usage.ru_maxrss * (1024 if LINUX else 1)
            if pid == 0:
                break


def _kill_all(child: int) -> None:
    """Kills the child's group, and whatever below it left the group: orphans come to this process, and are killed in their turn."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    for _ in range(10_000):
        for pid in children(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children(pid: int) -> list[int]:
    """The direct children of a process, where the system tells (Linux)."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), None)
