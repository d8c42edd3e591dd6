"""A walk over many stages: the store is asked about each of them rarely, and nothing that changes is overlooked for it."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.attempt.records import Claim, Holder, Outcome, Progress
from lading.backends.base import Sight
from lading.codes import Code
from lading.config.loader import from_data
from lading.launch.context import Context
from lading.launch.record import RunProgress
from lading.launch.run import begin
from lading.launch.walk import Walk
from lading.manifest import handoff
from lading.manifest.model import Artifact, Manifest, Provenance, result_of
from lading.names import RunPlaces
from lading.plan.fingerprint import Fingerprint
from lading.plan.job import JobSpec
from support.memory_store import MemoryStore

MANY = 100
LONGEST_S = 20


class Cluster:
    """A backend that is told of every change of an attempt."""

    name, completes = "kubernetes", True

    def __init__(self) -> None:
        self.jobs: dict[str, JobSpec] = {}
        self.marks: Counter[str] = Counter()
        self.submitted = lambda: None

    def holder(self, job: JobSpec) -> Holder:
        return Holder(backend="kubernetes", job=job.stage)

    def submit(self, job: JobSpec) -> None:
        self.jobs[job.stage] = job
        self.submitted()

    def look(self, claim: Claim) -> Sight:
        there = claim.stage in self.jobs
        return Sight(alive=there, mark=f"m{self.marks[claim.stage]}" if there else "")

    def stop(self, claim: Claim, *, grace_s: float) -> None: ...

    def wait(self, timeout_s: float) -> None: ...

    def leave(self) -> None: ...

    def close(self) -> None: ...


class World:
    """A launcher of many stages, with a clock and a count of what it asks of its store."""

    def __init__(self) -> None:
        self.now, self.asked = 0.0, Counter[str]()
        self.store = MemoryStore(before=lambda act, key: self.asked.update([act]))
        self.backend = Cluster()
        stages = {f"s{i}": {"kind": "script", "settings": {"command": ["run", str(i)]}} for i in range(MANY)}
        pipeline = from_data({"pipeline": "many", "stages": stages}, folder=Path()).but(folder="")
        self.context = Context(now=lambda: self.now, token=lambda: f"{random.getrandbits(64):x}", who="me")
        alike = lambda kind: Fingerprint("code", {})  # noqa: E731
        plan = begin(pipeline, self.store, "kubernetes", run="r", context=self.context, fingerprints=alike)
        self.walk = Walk(plan, self.store, self.backend, self.context, fingerprints=alike)

    def step(self, after_s: float = 1.0) -> bool:
        """A step of the walk, and what it asked of the store."""
        self.now += after_s
        self.asked.clear()
        return self.walk.step()

    def end(self, job: JobSpec) -> None:
        """What an attempt leaves when it has done its work."""
        artifacts = {"out": Artifact(path="out", size=1, sha256="0" * 64)}
        made = {"kind": job.kind, "key": job.key, "attempt": job.attempt, "nonce": job.nonce, "artifacts": artifacts}
        handoff.commit(self.store, Manifest(**made, result=result_of(artifacts), provenance=Provenance(run="r")), after=0)
        self.store.write(job.id.outcome(), Outcome(code=Code.DONE).to_bytes())


@pytest.fixture
def world() -> Iterator[World]:
    """With every stage in flight, each looked at once since it began."""
    made = World()
    made.step()
    made.step()
    made.step()
    return made


def test_what_runs_as_before_is_not_asked_about_each_second(world: World) -> None:
    """Of many stages of which the backend was told nothing, each is asked about once in a while, and never more rarely than promised."""
    lists = []
    for _ in range(20):
        world.step()
        lists.append(world.asked["list"])
    assert MANY * 20 / LONGEST_S <= sum(lists) <= MANY * 20 * 0.75


def test_what_the_backend_is_told_of_is_seen_at_once(world: World) -> None:
    """A stage whose pod ended is done with at the next step, whatever time its turn is."""
    for number in (3, 77, 98):
        world.end(world.backend.jobs[f"s{number}"])
        world.backend.marks[f"s{number}"] += 1
        world.step()
        assert world.walk.entries[f"s{number}"].record.state == "succeeded"


def test_what_the_backend_is_not_told_of_is_seen_in_time(world: World) -> None:
    """An end that only the store knows is seen when the stage's turn comes."""
    world.end(world.backend.jobs["s5"])
    for _ in range(LONGEST_S + 1):
        world.step()
    assert world.walk.entries["s5"].record.state == "succeeded"


def test_an_end_between_two_looks_at_backend_and_store_is_not_overlooked(world: World) -> None:
    """What happens after the backend was asked, and before the store is, is noticed at the next step: the mark is older than the list."""
    job = world.backend.jobs["s7"]
    world.walk.entries["s7"].looked = -1000.0
    plain = world.store.list

    def listed(prefix: str) -> Iterator[object]:
        found = list(plain(prefix))
        if prefix.startswith("attempts/") and job.key in prefix and not world.backend.marks["s7"]:
            world.end(job)  # the attempts have just been listed
            world.backend.marks["s7"] += 1
        return iter(found)

    world.store.list = listed  # type: ignore[method-assign,assignment]
    world.step()
    assert world.backend.marks["s7"] == 1
    world.step()
    assert world.walk.entries["s7"].record.state == "succeeded"


def test_heartbeats_are_shown_though_stages_are_asked_about_rarely(world: World) -> None:
    """How far a stage is gets into the run's progress within its turn."""
    job = world.backend.jobs["s9"]
    world.store.write(job.id.progress(), Progress(beat=1, percent=50.0).to_bytes())
    for _ in range(LONGEST_S + 1):
        world.step()
    assert world.walk.entries["s9"].record.percent == 50.0


def test_a_launcher_with_much_to_start_is_heard_of_while_it_starts() -> None:
    """Starting takes long: a step is left after a breath, the run's heartbeat is written, and the next step goes on where it stopped."""
    world = World()

    def slow() -> None:
        world.now += 0.5

    world.backend.submitted = slow
    steps = 0
    while len(world.backend.jobs) < MANY:
        before = world.now
        world.step(after_s=0.0)
        assert world.now - before <= 3.0
        steps += 1
        said = RunProgress.model_validate_json(world.store.read(RunPlaces("r").progress))
        assert len(said.waits) >= len(world.backend.jobs) - 20
    assert steps >= MANY * 0.5 / 3.0
    world.backend.submitted = lambda: None
    for job in world.backend.jobs.values():
        world.end(job)
    for _ in range(LONGEST_S + 10):
        if world.step():
            break
    assert world.walk.over
