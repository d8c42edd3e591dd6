"""A world in one thread: launchers, attempts, a store and a clock, with crashes, pauses, lost answers and damage drawn from a seed.

The launchers are the real ones (`begin`, `Walk`, `finish`), and attempts use the real look, commit and standing. Before each operation of
the store other actors may run a whole step of theirs, so that whatever was read may be old when it is acted upon.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lading.attempt.progress import Look
from lading.attempt.records import Cause, Claim, Holder, Outcome, Progress
from lading.backends.base import Sight
from lading.codes import Code
from lading.config.loader import from_data
from lading.config.pipeline import Pipeline
from lading.errors import LadingError, MissingObjectError, StoreError
from lading.launch.context import Context
from lading.launch.record import RunRecord
from lading.launch.run import begin, finish, read_end
from lading.launch.walk import Walk
from lading.manifest import handoff
from lading.manifest.model import Artifact, Manifest, Provenance, Void, result_of
from lading.manifest.reading import parse
from lading.names import AttemptId
from lading.plan.build import ready
from lading.plan.fingerprint import Fingerprint
from lading.plan.job import JobSpec
from support.memory_store import MemoryStore

HORIZON_S = 4 * 3600.0
MOST_STEPS = 40_000
NEEDS: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
UNEVEN = {"a", "b"}
"""Stages that give other bytes each time, as training does."""


def fingerprints(kind: str) -> Fingerprint:
    """The same for all."""
    return Fingerprint("code", {})


def pipeline() -> Pipeline:
    """A diamond of scripts; they may fail more often than anything goes wrong."""
    stages = {
        name: {"kind": "script", "needs": needs, "settings": {"command": ["run", name]}, "retries": 5, "deadline_s": 600}
        for name, needs in NEEDS.items()
    }
    from pathlib import Path

    return from_data({"pipeline": "sim", "stages": stages}, folder=Path()).but(folder="")


PIPELINE = pipeline()


class ViolationError(AssertionError):
    """A promise of the protocol that does not hold."""


class Crash(BaseException):
    """The actor's process is gone, at this very operation."""


@dataclass(slots=True)
class Actor:
    """Something that takes steps: a launcher or an attempt."""

    name: str
    advance: Callable[[], float | None]
    """One step; seconds until the next, None at the end."""
    wake: float = 0.0
    over: bool = False
    busy: bool = False
    crashed: Callable[[], None] = lambda: None


class SimStore(MemoryStore):
    """A store whose answers may be lost, and which checks what is written to it."""

    def __init__(self, world: "World") -> None:
        super().__init__(clock=lambda: world.now, before=world.before)
        self.world = world

    @property
    def uri(self) -> str:
        return "/simulated"

    def write(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        new = key not in self.objects
        done = super().write(key, data, if_absent=if_absent)
        if new and done:
            self.world.written(key, data)
        if self.world.lose_answer():
            raise StoreError(f"no answer came for {key}")
        return done


class SimBackend:
    """A host of a launcher's own, or a cluster that all share."""

    def __init__(self, world: "World", launcher: str, host: str, kind: str) -> None:
        self.world, self.launcher, self.host, self.name = world, launcher, host, kind
        self.completes = kind == "kubernetes"

    def holder(self, job: JobSpec) -> Holder:
        if self.name == "kubernetes":
            return Holder(backend="kubernetes", cluster="c", job=f"{job.key[:8]}-{job.attempt}")
        place = (self.launcher, job.id)
        if place not in self.world.waiting:
            self.world.pids += 1
            self.world.waiting[place] = self.world.pids
        return Holder(backend="local", host=self.host, pid=self.world.waiting[place], pid_started="x")

    def submit(self, job: JobSpec) -> None:
        if self.name == "kubernetes":
            self.world.start(("job", job.id), job)
            return
        pid = self.world.waiting.pop((self.launcher, job.id), None)
        if pid is not None:
            self.world.start(("pid", pid), job)

    def look(self, claim: Claim) -> Sight:
        place = self._place(claim)
        if place is None:
            return Sight(alive=None)
        worker = self.world.workers.get(place)
        if worker is None:
            return Sight(alive=place[0] == "pid" and place[1] in self.world.waiting.values())
        return Sight(alive=not worker.over, mark="runs" if self.world.marks and not worker.over else "")

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        place = self._place(claim)
        if place is not None and place in self.world.workers:
            self.world.workers[place].over = True

    def wait(self, timeout_s: float) -> None:
        raise AssertionError("the simulation is driven a step at a time")

    def leave(self) -> None: ...

    def close(self) -> None: ...

    def _place(self, claim: Claim) -> tuple[str, Any] | None:
        holder = claim.holder
        if holder.backend == "kubernetes":
            return ("job", AttemptId(claim.kind, claim.key, claim.n)) if self.name == "kubernetes" else None
        return ("pid", holder.pid) if holder.host == self.host and self.name == "local" else None


@dataclass(slots=True)
class World:
    """All of it, and what it draws from a seed."""

    seed: int
    marks: bool = False
    """Whether backends say that nothing changed, so that launchers with much to do ask the store more rarely."""
    rng: random.Random = field(init=False)
    now: float = 0.0
    depth: int = 0
    pids: int = 0
    troubles: int = 0
    """Disturbances that are still to come."""
    had: int = 0
    store: SimStore = field(init=False)
    actors: list[Actor] = field(default_factory=list)
    workers: dict[tuple[str, Any], Actor] = field(default_factory=dict)
    waiting: dict[tuple[str, AttemptId], int] = field(default_factory=dict)
    ends: dict[str, RunRecord] = field(default_factory=dict)
    stack: list[Actor] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.store = SimStore(self)
        self.troubles = self.rng.choice((0, 1, 2, 3, 4))
        kind = self.rng.choice(("local", "local", "kubernetes"))
        runs = self.rng.choice((("r1",), ("r1", "r2"), ("r1", "r1"), ("r1", "r2", "r3"), ("r1", "r1", "r2")))
        for number, run in enumerate(runs):
            host = self.rng.choice(("h0", f"h{number}", f"h{number}"))
            launcher = Launcher(self, f"L{number}", run, SimBackend(self, f"L{number}", host, kind))
            self.actors.append(launcher.actor)

    def run(self) -> None:
        """Until every run has its end."""
        while any(not actor.over for actor in self.actors if actor.name.startswith("L")):
            self.steps += 1
            ready_at = min(actor.wake for actor in self.actors if not actor.over)
            self.now = max(self.now, ready_at)
            if self.now > HORIZON_S or self.steps > MOST_STEPS:
                raise ViolationError(f"work is lost for ever: at {self.now:.0f} s the runs {self.unfinished()} have no end")
            due = [actor for actor in self.actors if not actor.over and actor.wake <= self.now]
            self.take(self.rng.choice(due))
        self.check_ends()

    def unfinished(self) -> list[str]:
        """Launchers without an end."""
        return [actor.name for actor in self.actors if actor.name.startswith("L") and not actor.over]

    def take(self, actor: Actor) -> None:
        """One step of an actor."""
        actor.busy = True
        self.stack.append(actor)
        try:
            pause = actor.advance()
            actor.over = actor.over or pause is None
            actor.wake = self.now + (pause or 0.0)
        except Crash:
            actor.crashed()
        finally:
            self.stack.pop()
            actor.busy = False

    def before(self, act: str, key: str) -> None:
        """Ahead of each operation: a crash here, or others first."""
        if self.stack and self.stack[-1].over and not self.stack[-1].name.startswith("L"):
            raise Crash
        if self.stack and self.disturb(0.004):
            raise Crash
        if self.depth < 2 and self.rng.random() < 0.06:
            others = [actor for actor in self.actors if not actor.over and not actor.busy]
            if others:
                self.depth += 1
                try:
                    self.take(self.rng.choice(others))
                finally:
                    self.depth -= 1

    def disturb(self, chance: float) -> bool:
        """Whether something goes wrong now; only so often in one world."""
        if self.troubles and self.rng.random() < chance:
            self.troubles -= 1
            self.had += 1
            return True
        return False

    def lose_answer(self) -> bool:
        """A write that was done and whose answer is lost, after all retries of the store."""
        return bool(self.stack) and self.disturb(0.004)

    def start(self, place: tuple[str, Any], job: JobSpec) -> None:
        """Begins an attempt; one that is there is adopted."""
        if place not in self.workers:
            life = attempt(self, job)
            actor = Actor(f"W{job.stage}{job.attempt}", lambda: next(life, None), wake=self.now)
            actor.crashed = lambda: setattr(actor, "over", True)
            self.workers[place] = actor
            self.actors.append(actor)

    def written(self, key: str, data: bytes) -> None:
        """Checks each record of a result when it is written."""
        parts = key.split("/")
        if parts[0] != "manifests":
            return
        n = int(parts[3].removesuffix(".json"))
        record = parse(data, Manifest, Void, where=key)
        before = self.store.objects.get(f"manifests/{parts[1]}/{parts[2]}/{n - 1}.json")
        if n > 1 and before is None:
            raise ViolationError(f"{key} leaves out a number")
        stood = before is not None and isinstance(parse(before[0], Manifest, Void, where=key), Manifest)
        if isinstance(record, Manifest):
            if stood:
                raise ViolationError(f"two manifests count for {parts[2][:8]}: {n - 1} and {n}")
            self.check_key(record)
        elif not stood:
            raise ViolationError(f"{key} voids what does not count anyway")

    def check_key(self, manifest: Manifest) -> None:
        """No result lies under another's key."""
        stage = next(name for name in NEEDS if manifest.measurements.get(name) == 1.0)
        results = {need: manifest.inputs[need] for need in NEEDS[stage]}
        if ready(PIPELINE, stage, results, fingerprints) != manifest.key:
            raise ViolationError(f"the result of {stage} lies under a wrong key")

    def check_ends(self) -> None:
        """Every run succeeded, with results of one lineage; undisturbed, everything was made once."""
        for run, record in self.ends.items():
            if record.state != "succeeded":
                told = {name: (stage.state, stage.reason) for name, stage in record.stages.items()}
                raise ViolationError(f"run {run} ended as {record.state}: {told}")
            made = {
                name: handoff.read_record(self.store, "script", str(stage.key), int(stage.n or 0)) for name, stage in record.stages.items()
            }
            for name, manifest in made.items():
                for need in NEEDS[name]:
                    assert isinstance(manifest, Manifest)
                    assert isinstance(made[need], Manifest)
                    if manifest.inputs[need].result != made[need].result:
                        raise ViolationError(f"run {run}: {name} was made from another {need} than the run's own")
        claims = [key for key in self.store.objects if key.endswith("/claim.json")]
        if not self.had and len(claims) != len(NEEDS):
            raise ViolationError(f"nothing went wrong, and {len(claims)} attempts were made at {len(NEEDS)} stages")


class Launcher:
    """A launcher that is started again after it was killed."""

    def __init__(self, world: World, name: str, run: str, backend: SimBackend) -> None:
        self.world, self.name, self.run, self.backend = world, name, run, backend
        self.walk: Walk | None = None
        self.context = Context(
            now=lambda: world.now,
            utc=lambda: "2026-11-25T10:00:00+00:00",
            token=lambda: f"{world.rng.getrandbits(128):032x}",
            jitter=world.rng.random,
            who=name,
        )
        self.actor = Actor(name, self.step, wake=world.rng.random() * 20, crashed=self.killed)

    def killed(self) -> None:
        """Its memory is gone, and the supervisors that waited for a job from it."""
        self.walk = None
        for place in [place for place in self.world.waiting if place[0] == self.name]:
            del self.world.waiting[place]
        self.actor.wake = self.world.now + self.world.rng.choice((0.1, 5.0, 90.0))

    def step(self) -> float | None:
        """One look."""
        store = self.world.store
        try:
            if self.walk is None:
                if (ended := read_end(store, self.run)) is not None:
                    return self._end(ended)
                plan = begin(PIPELINE, store, self.backend.name, run=self.run, context=self.context, fingerprints=fingerprints)
                self.walk = Walk(plan, store, self.backend, self.context, fingerprints=fingerprints)
            if self.walk.step():
                return self._end(finish(self.walk, cancelled=False))
        except StoreError:
            return 2.0
        return self.world.rng.choice((1.0, 3.0, 3.0))

    def _end(self, record: RunRecord) -> None:
        self.world.ends[self.run] = record


def attempt(world: World, job: JobSpec) -> Iterator[float]:
    """One attempt's life, as the supervisor lives it; every yield is a pause."""
    store, rng = world.store, world.rng
    try:
        yield from _life(world, job)
    except StoreError:
        outcome = Outcome(code=Code.STORE_UNREACHABLE, cause=Cause.STORE, message="no answer")
        if rng.random() < 0.8:
            _say(store, job, outcome)


def _life(world: World, job: JobSpec) -> Iterator[float]:
    store, rng = world.store, world.rng
    now = handoff.standing(store, job.kind, job.key)
    if now.manifest is not None:
        return _say(store, job, Outcome(code=Code.DONE))
    look = Look(store, job.id, now.n)
    yield 0.1
    for role, ref in job.inputs.items():
        if world.disturb(0.03):
            store.objects[AttemptId(ref.kind, ref.key, handoff.read_manifest(store, ref).attempt).artifacts + "out"] = (b"rotten", 0.0, "r")
        if (damaged := _receive(store, role, handoff.read_manifest(store, ref))) is not None:
            return _say(store, job, damaged)
    for beat in range(1, rng.choice((2, 3, 5))):
        store.write(job.id.progress(), Progress(beat=beat, state="running").to_bytes())
        if look():
            done = handoff.standing(store, job.kind, job.key).manifest is not None
            stopped = Outcome(code=Code.STOPPED, cause=Cause.STOPPED, message="unwanted")
            return _say(store, job, Outcome(code=Code.DONE) if done else stopped)
        yield 100.0 if world.disturb(0.05) else 5.0
    if world.disturb(0.05):
        return _say(store, job, Outcome(code=Code.FAILED, cause=Cause.FAILED, message="a bug"))
    data = f"{job.stage} {job.key} {job.nonce if job.stage in UNEVEN else ''}".encode()
    store.write(job.id.artifacts + "out", data)
    yield 100.0 if world.disturb(0.05) else 0.1
    if handoff.standing(store, job.kind, job.key).manifest is None and any(True for _ in store.list(job.id.verdict)):
        return _say(store, job, Outcome(code=Code.STOPPED, cause=Cause.STOPPED, message="judged"))
    if world.disturb(0.15):
        yield 100.0  # it sleeps between its last look and its commit
    handoff.commit(store, _manifest(job, data), after=now.n)
    if world.disturb(0.03):
        yield 100.0
    _say(store, job, Outcome(code=Code.DONE))
    return None


def _receive(store: MemoryStore, role: str, manifest: Manifest) -> Outcome | None:
    for name, artifact in manifest.artifacts.items():
        try:
            data = store.read(AttemptId(manifest.kind, manifest.key, manifest.attempt).artifacts + artifact.path)
        except MissingObjectError:
            data = b""
        if hashlib.sha256(data).hexdigest() != artifact.sha256:
            return Outcome(code=Code.DAMAGED_INPUT, cause=Cause.DAMAGED_INPUT, message=f"{name} of {role}", need=role, artifact=name)
    return None


def _manifest(job: JobSpec, data: bytes) -> Manifest:
    artifacts = {"out": Artifact(path="out", size=len(data), sha256=hashlib.sha256(data).hexdigest())}
    return Manifest(
        kind=job.kind,
        key=job.key,
        attempt=job.attempt,
        nonce=job.nonce,
        inputs=job.inputs,
        artifacts=artifacts,
        measurements={job.stage: 1.0},
        result=result_of(artifacts),
        provenance=Provenance(run=job.run),
    )


def _say(store: MemoryStore, job: JobSpec, outcome: Outcome) -> None:
    try:
        store.write(job.id.outcome(), outcome.to_bytes())
    except LadingError:
        return


def simulate(seed: int, *, marks: bool = False) -> World:
    """One world to its end.

    Raises:
        ViolationError: a promise does not hold in it.
    """
    world = World(seed, marks)
    world.run()
    return world
