"""The supervisor of one attempt: it receives, runs the stage in a process of its own, stores what it made, and says how it ended."""

import json
import os
import select
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lading import names
from lading.attempt import checkpoints
from lading.attempt.progress import Heart, heartbeat_s
from lading.attempt.records import Cause, Outcome
from lading.codes import Code
from lading.config.kinds import KINDS
from lading.errors import LadingError, StoreError, WrongInputError
from lading.logs import get_logger, prepare
from lading.manifest import handoff
from lading.manifest.model import Artifact
from lading.plan.fingerprint import fingerprint
from lading.plan.job import JobSpec
from lading.stages import ending, machine, topology, workspace
from lading.stages.asked import Asked
from lading.stages.child import Child, End
from lading.stages.guard import children
from lading.stages.peers import Peers
from lading.stages.provenance import manifest_of
from lading.stages.secrets import Masker, secrets_of
from lading.stages.states import States
from lading.stages.tee import Tee
from lading.stages.threads import child_environment
from lading.store.base import Digest, Store
from lading.store.opening import open_store

UPLOADS = 4
"""Artifacts that are uploaded at a time."""
GRACE_SHARE = 0.8
"""Of the grace, for the stage; the rest is for storing what it saved and for saying how it ended."""
PATIENCE_S = 3600.0
"""How long a stage that has done its work waits for a store that is out of reach: what took hours is not thrown away for an outage."""
PAUSE_S = 5.0
log = get_logger()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the supervisor is given by whoever starts it; the defaults are those of a container."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    server: str | None = None
    """The socket of a fork server for this kind."""
    console: int | None = 1
    permit: Callable[[], object] = lambda: None
    """Returns when there are cores for the stage; inputs are received before."""
    asked: Asked = field(default_factory=Asked)
    open_store: Callable[[str], Store] = open_store
    patience_s: float = PATIENCE_S


def supervise(job: JobSpec, *, store: Store, work: Path, pod: str = "0", around: Surroundings | None = None) -> Code:
    """Runs one attempt to its end, whatever that is, and leaves its outcome in the store.

    Args:
        job: the attempt; its claim is written already.
        store: for this thread.
        work: an empty folder of this attempt alone.
        pod: which of the attempt's pods this is.
        around: what differs between a laptop and a container.
    """
    return _Attempt(job, store, work, pod, around or Surroundings()).run()


class _Attempt:
    """One attempt under way."""

    def __init__(self, job: JobSpec, store: Store, work: Path, pod: str, around: Surroundings) -> None:
        self.job, self.store, self.work, self.pod, self.around = job, store, work, pod, around
        self.kind = KINDS[job.kind]
        self.asked = around.asked
        self.secrets = secrets_of(around.environ)
        self.state = "receiving"
        self.started = machine.now()
        self.peak = 0
        self.checkpoint: int | None = None
        self.after = 0
        self.child: Child | None = None
        self.peers: Peers | None = None
        self.tee: Tee | None = None

    def run(self) -> Code:
        """The whole of it."""
        began = time.monotonic()
        try:
            with ExitStack() as stack:
                outcome = self._run(stack)
                if self.peers is not None and outcome.code in {Code.DONE, Code.STOPPED}:
                    self.peers.bye()
        except Exception as error:  # noqa: BLE001 (an attempt always says how it ended)
            outcome = ending.of_error(error)
        if self.child is not None:
            self.child.close()
        if self.tee is not None:
            self.tee.rest()
        return self._say(outcome.but(seconds=round(time.monotonic() - began, 3), peak_memory=self.peak or None))

    def _run(self, stack: ExitStack) -> Outcome:
        job = self.job
        now = handoff.standing(self.store, job.kind, job.key)
        if now.manifest is not None:
            return Outcome(code=Code.DONE, message=f"a manifest of this key stands already (number {now.n})")
        self.after = now.n
        every_s = heartbeat_s(self.around.environ)
        child = self.child = Child(self.around.server, job.kind)
        own = self.around.open_store(job.store)
        stack.enter_context(
            Heart(own, job.id, read=self._progress, stop=self.asked.unwanted, after=self.after, pod=self.pod, every_s=every_s)
        )
        self._check_fingerprint()
        workspace.make(self.work, job)
        workspace.receive(self.store, job, self.work)
        known = self._restore()
        self.around.permit()
        if self.asked:
            return self._unwanted() or ending.of_asked(self.asked, "before the stage began")
        if (master := self.around.environ.get(names.ENV_MASTER, "")) and topology.pods(job) > 1:
            self.peers = stack.enter_context(Peers(int(self.pod), master, job.nonce, self.asked.lost))
        end, killed = self._run_child(child, known)
        left = ending.left_by_child(self.work)
        if end.status != 0 or left is not None or not (self.work / names.WORK_RESULT).is_file():
            if end.status == 0 and left is None and int(self.pod) > 0:
                return Outcome(code=Code.DONE)  # pod 0 hands on
            if left is None and end.status > 0 and not self.asked and ending.is_full(self.work):
                return ending.no_space(str(self.work))
            memory = job.resources.memory
            return self._unwanted() or ending.of_child(end.status, left, self.asked, killed_for_memory=killed, memory=memory)
        return self._handed_on()

    def _check_fingerprint(self) -> None:
        if (own := fingerprint(self.job.kind)) != self.job.fingerprint:
            raise WrongInputError(
                f"the code here ({own[:12]}) is not the code that this {self.job.kind} was planned with ({self.job.fingerprint[:12]}): "
                "the launcher and the place where its stages run have different versions of lading or of its libraries; "
                "in a cluster, `make images` builds images of the launcher's, to be named under kubernetes.images",
                do="plan and run with the same version of lading and of its libraries (lading doctor compares them)",
            )

    def _restore(self) -> int | None:
        if not self.kind.distributed:
            return None
        state = checkpoints.restore(
            self.store, self.job.kind, self.job.key, lambda whole: self.work / names.WORK_CHECKPOINTS / str(whole.step)
        )
        return state.step if state else None

    def _run_child(self, child: Child, known: int | None) -> tuple[End, bool]:
        """The stage itself; also whether something of this cgroup was killed for memory meanwhile."""
        job, resources = self.job, self.job.resources
        kills = machine.oom_kills()
        self.state = "running"
        env = child_environment(self.around.environ, resources, scratch=self.work / names.WORK_SCRATCH)
        command = topology.command(job, self.work, pod=int(self.pod), master=self.around.environ.get(names.ENV_MASTER, ""))
        with ExitStack() as stack:
            self.tee = stack.enter_context(Tee(child.output, self._write_log, Masker(self.secrets), console=self.around.console))
            if self.kind.distributed:
                own = self.around.open_store(job.store)
                folder = self.work / names.WORK_CHECKPOINTS
                states = States(own, job.id, folder, pod=int(self.pod), pods=topology.pods(job), known=known, stored=self._stored)
                stack.enter_context(states)
            child.start(command, env=env, cwd=self.work)
            prepare()
            end = child.wait(self.asked, grace_s=resources.grace_s * GRACE_SHARE, deadline_s=resources.deadline_s)
        self.peak = max(self.peak, end.peak or 0)
        return end, machine.oom_kills() > kills

    def _stored(self, step: int) -> None:
        self.checkpoint = step

    def _write_log(self, number: int, data: bytes) -> None:
        self.store.write(f"{self.job.id.log(self.pod)}{number:06d}.log", data)

    def _progress(self) -> dict[str, Any]:
        """What the next heartbeat says; called in the heart's thread."""
        # Not the guard itself: forked from a warm server, it shares all its memory with the stage's process.
        pids = [os.getpid(), *(children(self.child.guard) if self.child and self.child.guard else [])]
        self.peak = max(self.peak, machine.memory_of(pids))
        said: dict[str, Any] = {}
        place = self.work / names.WORK_PROGRESS
        if self.state == "running" and place.is_file():
            value = json.loads(place.read_bytes()[: 1 << 16])
            said = {name: value.get(name) for name in ("percent", "eta_s", "step")} | {"metrics": value.get("metrics") or {}}
        return {**said, "state": self.state, "peak_memory": self.peak or None, "checkpoint": self.checkpoint}

    def _unwanted(self) -> Outcome | None:
        """Done, if what made this attempt unwanted is that its result stands."""
        if self.asked.why == "unwanted" and handoff.standing(self.store, self.job.kind, self.job.key).manifest is not None:
            return Outcome(code=Code.DONE, message=f"{self.asked.reason}: another attempt was faster")
        return None

    def _handed_on(self) -> Outcome:
        """Hands on what was made, after an outage too, unless this attempt is no longer wanted or has no more time."""
        until = time.monotonic() + self.around.patience_s
        while True:
            try:
                return self._hand_on()
            except StoreError as error:
                if type(error) is not StoreError or self.asked or time.monotonic() > until:
                    raise
                log.warning("store.out_of_reach", stage=self.job.stage, message=error.message)
            select.select([self.asked], [], [], PAUSE_S)

    def _hand_on(self) -> Outcome:
        """Uploads and commits."""
        result = json.loads((self.work / names.WORK_RESULT).read_bytes())
        self.state = "uploading"
        artifacts = self._upload(result)
        self.state = "committing"
        look = handoff.standing(self.store, self.job.kind, self.job.key)
        if look.manifest is None and (self.asked.why == "unwanted" or self._judged()):
            return (
                ending.of_asked(self.asked)
                if self.asked
                else Outcome(code=Code.STOPPED, cause=Cause.STOPPED, message="a launcher judged this attempt before it could commit")
            )
        manifest = manifest_of(self.job, artifacts, result, environ=self.around.environ, started=self.started, masker=Masker(self.secrets))
        n, standing = handoff.commit(self.store, manifest, after=self.after)
        if standing.nonce != manifest.nonce:
            return Outcome(code=Code.DONE, message=f"another attempt's manifest stands (number {n})")
        return Outcome(code=Code.DONE)

    def _judged(self) -> bool:
        return any(True for _ in self.store.list(self.job.id.verdict))

    def _upload(self, result: Mapping[str, Any]) -> dict[str, Artifact]:
        files = workspace.output_files(self.work / names.WORK_OUTPUT)
        kept, types = set(result["kept"]), result["media_types"]

        def one(name: str) -> Artifact:
            digest: Digest = self.store.upload(self.job.id.artifacts + name, files[name])
            media_type = types.get(name) or ("application/json" if name.endswith(".json") else "application/octet-stream")
            return Artifact(path=name, size=digest.size, sha256=digest.sha256, media_type=media_type, handed_on=name not in kept)

        if len(files) < 2:
            return {name: one(name) for name in files}
        with ThreadPoolExecutor(UPLOADS, thread_name_prefix="upload") as pool:
            return dict(zip(files, pool.map(one, files), strict=True))

    def _say(self, outcome: Outcome) -> Code:
        """Leaves the outcome in the store, masked; a store that can't be reached gets no more than its own retries."""
        masker = Masker(self.secrets)
        said = {name: masker.text(getattr(outcome, name)) for name in ("message", "traceback", "where")}
        outcome = outcome.but(**said)
        show = log.info if outcome.code is Code.DONE else log.error
        show(names.EVENT_ENDED, stage=self.job.stage, code=int(outcome.code), cause=outcome.cause, message=outcome.message)
        try:
            self.store.write(self.job.id.outcome(self.pod), outcome.to_bytes())
        except LadingError as error:
            log.error("outcome.not_stored", problem=error.message)
        return outcome.code
