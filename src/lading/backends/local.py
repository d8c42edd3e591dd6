"""Stages as processes of this machine: each attempt has a supervisor of its own, which goes on when its launcher is killed."""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lading.attempt.records import Claim, Holder
from lading.backends.base import Sight
from lading.backends.forkserver import FIRST_LINE
from lading.backends.identity import host, lives, send
from lading.config.kinds import KINDS
from lading.errors import LadingError
from lading.logs import get_logger
from lading.names import AttemptId
from lading.plan.job import JobSpec

log = get_logger()
_SERVER_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR", "LADING_WORK", "HF_HOME")
"""A fork server holds no secret: whatever is forked from it could read its first environment."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
_SILENT: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
"""Whoever reads the launcher's output to its end must not wait for what outlives the launcher."""
_MODULE = (sys.executable, "-m", "lading.backends.forkserver")


class _Server:
    """A fork server that this launcher started; it ends with it."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="lading-", dir="/tmp" if len(tempfile.gettempdir()) > 60 else None))  # noqa: S108 (0700)
        self.path = str(folder / "fork")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(512)
            read, self._lifeline = os.pipe()
            environment = {name: os.environ[name] for name in _SERVER_ENVIRONMENT if name in os.environ} | _ONE_THREAD
            self.process = subprocess.Popen(
                [*_MODULE, "listen", str(listener.fileno()), str(read)],
                pass_fds=(listener.fileno(), read),
                env=environment,
                start_new_session=True,
                **_SILENT,
            )
            os.close(read)

    def connect(self, kind: str) -> socket.socket:
        """A connection that a supervisor will own."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)
        connection.sendall(json.dumps({"what": "supervise", "kind": kind}).encode().ljust(FIRST_LINE - 1) + b"\n")
        return connection

    def close(self) -> None:
        """Ends the server; what it forked goes on."""
        os.close(self._lifeline)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)


@dataclass(slots=True)
class _Process:
    """One supervisor: waiting for its job, for cores, or at work."""

    attempt: AttemptId
    connection: socket.socket
    pid: int
    started: str
    job: JobSpec | None = None
    permitted: bool = False


class LocalBackend:
    """Runs attempts here.

    A supervisor is forked before its attempt is claimed, so that the claim names its process; it begins when it is given its job,
    and ends if the launcher goes before that. Afterwards it is on its own: a launcher that is killed leaves it working, and the next
    launcher sees it by its pid and start time.

    Args:
        store_uri: where launcher and stages meet, for the record.
        cpus: cores that stages may use at a time; by default those that this process may use.
    """

    name = "local"
    completes = False

    def __init__(self, store_uri: str, *, cpus: float | None = None) -> None:
        self.store_uri = store_uri
        self.cpus = cpus or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cpus or os.cpu_count() or 1
        self._lock = threading.RLock()
        self._processes: dict[AttemptId, _Process] = {}
        self._ended: set[AttemptId] = set()
        self._others: dict[tuple[int, str], int] = {}
        self._light: _Server | None = None
        self._warm: _Server | None = None

    def holder(self, job: JobSpec) -> Holder:
        """A supervisor of this machine, which waits for its job."""
        with self._lock:
            process = self._processes.get(job.id) or self._rebound(job.id)
            if process is None:
                process = self._processes[job.id] = self._new(job.id)
            if job.settings and KINDS[job.kind].libraries:
                self._server_for(job)  # imports meanwhile
            return Holder(backend="local", host=host(), pid=process.pid, pid_started=process.started)

    def _rebound(self, attempt: AttemptId) -> _Process | None:
        """One that waits for another attempt at the same key, whose claim someone else got."""
        for other, process in self._processes.items():
            if (other.kind, other.key) == (attempt.kind, attempt.key) and process.job is None:
                del self._processes[other]
                process.attempt = attempt
                self._processes[attempt] = process
                return process
        return None

    def _new(self, attempt: AttemptId) -> _Process:
        for begin in (self._forked, self._forked, lambda _kind: _plain()):
            connection = None
            try:
                connection = begin(attempt.kind)
                connection.settimeout(30)
                answer = json.loads(connection.makefile("rb").readline())
                connection.settimeout(None)
                return _Process(attempt, connection, answer["pid"], answer["started"])
            except (OSError, ValueError) as error:
                log.info("local.cold", why=str(error))
                if connection is not None:
                    connection.close()
                self._light = None
        raise LadingError("no process for the stage could be started on this machine", do="look at its memory and its limit of processes")

    def _forked(self, kind: str) -> socket.socket:
        if self._light is None:
            self._light = _Server()
        return self._light.connect(kind)

    def _server_for(self, job: JobSpec) -> str | None:
        """The fork server of a job's stage process; None: a new interpreter (GPUs and several processes want one)."""
        several = job.resources.nodes * job.resources.devices > 1 and KINDS[job.kind].distributed
        if sys.platform != "linux" or job.resources.gpus or several:
            return None
        if not KINDS[job.kind].libraries:
            return self._light.path if self._light else None
        if self._warm is None or self._warm.process.poll() is not None:
            self._warm = _Server()
        return self._warm.path

    def submit(self, job: JobSpec) -> None:
        """Gives the attempt's supervisor its job; it begins to receive at once, and to work when there are cores for it."""
        with self._lock:
            if job.id in self._ended:
                return
            self.holder(job)
            process = self._processes[job.id]
            if process.job is not None:
                return
            process.job = job = _on_one_machine(job)
            message = {"job": job.to_data(), "env": dict(os.environ), "cwd": str(Path.cwd()), "server": self._server_for(job)}
            with contextlib.suppress(OSError):  # it died: `look` says so
                process.connection.sendall(json.dumps(message).encode() + b"\n")
            self._permit()

    def _permit(self) -> None:
        """Lets those begin for which there are cores, in the order in which they came."""
        working = [p for p in self._processes.values() if p.permitted and lives(p.pid, p.started)]
        used = sum(p.job.resources.cpu for p in working if p.job)
        for process in self._processes.values():
            if process.job is None or process.permitted:
                continue
            cpu = process.job.resources.cpu
            if used and used + cpu > self.cpus:
                continue
            used += cpu
            process.permitted = True
            with contextlib.suppress(OSError):
                process.connection.sendall(b"{}\n")

    def look(self, claim: Claim) -> Sight:
        """Whether the very process of the claim lives; unknown for claims of other machines and backends."""
        holder = claim.holder
        if holder.backend != "local" or holder.host != host():
            return Sight(alive=None)
        alive = lives(holder.pid, holder.pid_started)
        with self._lock:
            process = self._processes.get(AttemptId(claim.kind, claim.key, claim.n))
            if alive and (process is None or process.pid != holder.pid):
                self._watch(holder)
            waits = process is not None and process.job is not None and not process.permitted
            return Sight(alive=alive, note=f"waits for cores ({self.cpus:g} are in use)" if waits else "")

    def _watch(self, holder: Holder) -> None:
        """Makes `wait` return when a process ends that another launcher started."""
        if sys.platform == "linux" and (holder.pid, holder.pid_started) not in self._others:
            with contextlib.suppress(OSError):
                self._others[holder.pid, holder.pid_started] = os.pidfd_open(holder.pid)

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after the grace; the supervisor's own end takes all of the stage with it."""
        holder = claim.holder
        if holder.backend != "local" or holder.host != host() or not send(holder.pid, holder.pid_started, signal.SIGTERM):
            return
        timer = threading.Timer(grace_s, send, (holder.pid, holder.pid_started, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    def leave(self) -> None:
        """Asks all that this launcher started to stop, and waits for nothing: no lock, no store. Each ends by itself, within its grace."""
        for process in list(self._processes.values()):
            if process.job is not None:
                send(process.pid, process.started, signal.SIGTERM)

    def wait(self, timeout_s: float) -> None:
        """Returns at once when a supervisor has ended since the last call."""
        with self._lock:
            watched: list[tuple[Any, Callable[[], None]]] = []
            watched += [(process.connection, partial(self._forget, process)) for process in self._processes.values()]
            watched += [(descriptor, partial(self._unwatch, who)) for who, descriptor in self._others.items()]
        if not watched:
            time.sleep(timeout_s)
            return
        with selectors.DefaultSelector() as selector:
            for file, act in watched:
                selector.register(file, selectors.EVENT_READ, act)
            ready = selector.select(timeout_s)
        with self._lock:
            for key, _ in ready:
                key.data()
            if ready:
                self._permit()

    def _forget(self, process: _Process) -> None:
        if self._processes.get(process.attempt) is process:
            del self._processes[process.attempt]
            if process.job is not None:
                self._ended.add(process.attempt)
        process.connection.close()
        deadline = time.monotonic() + 2
        while lives(process.pid, process.started) and time.monotonic() < deadline:
            time.sleep(0.001)  # its files close a moment before it has ended

    def _unwatch(self, who: tuple[int, str]) -> None:
        if (fd := self._others.pop(who, None)) is not None:
            os.close(fd)

    def close(self) -> None:
        """Ends the fork servers and the supervisors that wait for a job; those at work go on."""
        with self._lock:
            for process in self._processes.values():
                process.connection.close()
            self._processes.clear()
            for who in list(self._others):
                self._unwatch(who)
            for server in (self._light, self._warm):
                if server is not None:
                    server.close()
            self._light = self._warm = None


def _plain() -> socket.socket:
    """A supervisor in a new interpreter: what remains when fork servers die."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen([*_MODULE, "one", str(theirs.fileno())], pass_fds=(theirs.fileno(),), start_new_session=True, **_SILENT)
    return ours


def _on_one_machine(job: JobSpec) -> JobSpec:
    """The nodes of a training become processes of this one."""
    resources = job.resources
    if resources.nodes == 1:
        return job
    return job.but(resources=resources.but(nodes=1, devices=resources.devices * resources.nodes, cpu=resources.cpu * resources.nodes))
