"""Processes that have imported what others need, and fork them in milliseconds. They do nothing else, and start no threads.

`python -m lading.backends.forkserver listen LISTENER LIFELINE` serves a listening socket until its launcher is gone. Each connection
begins with one JSON line: `{"what": "supervise", "kind": ...}` forks a supervisor that then waits for its job on that connection;
`{"what": "child", "kind": ...}`, with the stage's output as a descriptor, imports what the kind needs and forks the stage's own process.
`python -m lading.backends.forkserver one SOCKET` is a supervisor without a server.
"""

import contextlib
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from lading import names
from lading.backends.identity import lives, started
from lading.frozen import build_all

SUPERVISOR = "lading.stages.supervisor"
"""Named, not imported: the launcher's side knows no stages."""

WARM = {
    "numpy": ("numpy",),
    "torch": ("torch",),
    "safetensors": ("safetensors.torch",),
    "lightning": ("lightning.fabric",),
    "scikit-learn": ("sklearn.datasets", "sklearn.metrics"),
    "scipy": ("scipy.optimize", "scipy.stats"),
    "onnx": ("onnx",),
    "onnxscript": ("onnxscript",),
    "coremltools": ("coremltools",),
}
"""What is imported once for a library of a kind. Not here: onnxruntime, whose import starts a thread; each child imports it itself."""
FIRST_LINE = 256
"""Bytes of the line that begins a connection, padded with spaces."""


def work_root(environ: dict[str, str]) -> Path:
    """Where the working folders of this user's local attempts lie."""
    return names.work_place(environ) / f"lading-{os.getuid()}"


def sweep(root: Path) -> None:
    """Removes the working folders of supervisors that were killed."""
    for place in root.glob("*.*") if root.is_dir() else ():
        pid, _, began = place.name.partition(".")
        if pid.isdigit() and not lives(int(pid), began):
            shutil.rmtree(place, ignore_errors=True)


def listen(listener: socket.socket, lifeline: int) -> NoReturn:
    """Forks what is asked for, until the lifeline closes."""
    import_module(SUPERVISOR)
    import_module("lading.stages.worker")
    for name in ("lading.store.directory", "lading.plan.fingerprint"):
        _try_import(name)
    build_all()
    import_module("lading.stages.machine").versions(())  # what it imports on the way
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # the pages stay shared
    while True:
        watched: list[Any] = [listener, lifeline]
        ready, _, _ = select.select(watched, [], [])
        if lifeline in ready:
            with contextlib.suppress(OSError):
                Path(listener.getsockname()).unlink()
                Path(listener.getsockname()).parent.rmdir()
            os._exit(0)
        connection, _ = listener.accept()
        connection.settimeout(5)
        try:
            # Only the first line, which has a fixed length: what follows is for the forked process to read.
            data, fds, _, _ = socket.recv_fds(connection, FIRST_LINE, 1, socket.MSG_WAITALL)
            request = json.loads(data)
        except (OSError, ValueError):
            connection.close()
            continue
        connection.settimeout(None)
        _serve(request, connection, fds, listener, lifeline)
        connection.close()
        for descriptor in fds:
            os.close(descriptor)


def _serve(request: dict[str, Any], connection: socket.socket, fds: list[int], listener: socket.socket, lifeline: int) -> None:
    kind = str(request.get("kind", ""))
    if request["what"] == "child" and not _prepare(kind):
        return  # closed: whoever asked starts a new interpreter
    _fingerprint(kind)
    if os.fork():
        return
    try:
        listener.close()
        os.close(lifeline)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if request["what"] == "child":
            worker = import_module("lading.stages.worker")
            import_module("lading.stages.guard").serve(connection, fds[0], lambda work: worker.main(Path(work)))
        supervise(connection)
    finally:
        os._exit(1)


def _prepare(kind: str) -> bool:
    """Imports what a kind uses, as far as it can be forked from; False where this process is of no use for it."""
    from lading.config.kinds import KINDS

    if kind not in KINDS:
        return False
    libraries = KINDS[kind].libraries
    for library in libraries:
        for module in WARM.get(library, ()):
            _try_import(module)
    if all(library in WARM for library in libraries):
        _try_import(KINDS[kind].function.partition(":")[0])
    _try_import(KINDS[kind].settings.partition(":")[0])
    build_all()
    return _single()


def _try_import(module: str) -> bool:
    try:
        import_module(module)
    except Exception:  # noqa: BLE001 (the stage's own process meets it again, and says so)
        return False
    return True


def _single() -> bool:
    """Whether this process has one thread still: an import that starts some can't be forked from."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def _fingerprint(kind: str) -> None:
    """Computed here, once, where it is remembered by all that are forked later."""
    module = sys.modules.get("lading.plan.fingerprint")
    if module is not None and kind:
        try:
            module.fingerprint(kind)
        except Exception:  # noqa: BLE001 (the supervisor meets it again, and says so)
            return


def supervise(connection: socket.socket) -> NoReturn:
    """A supervisor that tells who it is, waits for its job, and runs it; if its launcher goes before that, it ends."""
    guard: Any = import_module("lading.stages.guard")
    if os.getsid(0) != os.getpid():
        os.setsid()
    guard.send_line(connection, {"pid": os.getpid(), "started": started(os.getpid())})
    message = guard.read_line(connection)
    if message is None:
        os._exit(0)
    os.environ.clear()
    os.environ.update(message["env"])
    os.chdir(message["cwd"])
    code = 70
    try:
        code = _supervise(message, connection)
    finally:
        os._exit(code)


def _supervise(message: dict[str, Any], connection: socket.socket) -> int:
    from lading.logs import configure
    from lading.plan.job import JobSpec
    from lading.store.opening import open_store

    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    configure(level="critical")  # nobody hears it, and to import structlog takes longer than an empty stage
    supervisor: Any = import_module(SUPERVISOR)
    asked: Any = import_module("lading.stages.asked").Asked()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked.signal)
    import_module("lading.stages.machine").keep_private()
    job = JobSpec.model_validate(message["job"])
    root = work_root(message["env"])
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    work = root / f"{os.getpid()}.{started(os.getpid())}"

    def permit() -> None:
        """Until the launcher says that there are cores, or is gone, or the attempt was asked to stop."""
        watched: list[Any] = [connection, asked]
        select.select(watched, [], [])

    around = supervisor.Surroundings(environ=message["env"], server=message["server"], console=None, permit=permit, asked=asked)
    try:
        return int(supervisor.supervise(job, store=open_store(job.store), work=work, around=around))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1] == "one":
        supervise(socket.socket(fileno=int(sys.argv[2])))
    sweep(work_root(dict(os.environ)))
    listen(socket.socket(fileno=int(sys.argv[2])), int(sys.argv[3]))
