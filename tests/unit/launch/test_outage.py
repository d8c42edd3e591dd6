"""An hour without a store or a cluster, with the clock as an argument: the real launcher over a store that is away."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.attempt.records import Claim, Holder, Outcome
from lading.backends.base import Sight
from lading.codes import Code
from lading.config.loader import from_data
from lading.errors import ClusterError, StoreError
from lading.launch.context import Context
from lading.launch.record import RunRecord
from lading.launch.run import PATIENCE_S, launch
from lading.manifest import handoff
from lading.manifest.model import Artifact, Manifest, Provenance, result_of
from lading.plan.fingerprint import Fingerprint
from lading.plan.job import JobSpec
from support.memory_store import MemoryStore

WORK_S = 30.0
HOUR_S = 3600.0


class World:
    """A clock that moves while the launcher waits, stages that take half a minute, and an outage of either."""

    name, completes = "kubernetes", True

    def __init__(
        self, *, store_away: tuple[float, float] = (0, 0), cluster_away: tuple[float, float] = (0, 0), work_s: float = WORK_S
    ) -> None:
        self.work_s, self.waits = work_s, 0
        self.now, self.store_away, self.cluster_away = 0.0, store_away, cluster_away
        self.store = MemoryStore(clock=lambda: self.now, before=self.before)
        self.jobs: dict[str, tuple[JobSpec, float]] = {}
        self.done: set[str] = set()
        self.submits: list[str] = []

    def before(self, act: str, key: str) -> None:
        if self.store_away[0] <= self.now < self.store_away[1]:
            raise StoreError("the store is out of reach")

    def reach(self) -> None:
        if self.cluster_away[0] <= self.now < self.cluster_away[1]:
            raise ClusterError("the cluster does not answer")

    def holder(self, job: JobSpec) -> Holder:
        return Holder(backend="kubernetes", job=job.stage)

    def submit(self, job: JobSpec) -> None:
        self.reach()
        self.submits.append(job.stage)
        self.jobs.setdefault(f"{job.stage}-{job.attempt}", (job, self.now))

    def look(self, claim: Claim) -> Sight:
        name = f"{claim.stage}-{claim.n}"
        return Sight(alive=name in self.jobs and name not in self.done)

    def stop(self, claim: Claim, *, grace_s: float) -> None: ...

    def wait(self, timeout_s: float) -> None:
        self.now += timeout_s
        self.waits += 1
        for name, (job, began) in list(self.jobs.items()):
            if name not in self.done and self.now - began >= self.work_s:
                self.end(name, job)

    def leave(self) -> None: ...

    def close(self) -> None: ...

    def end(self, name: str, job: JobSpec) -> None:
        """What the supervisor does at the end of a stage: it waits for the store, as the pod's own process would."""
        artifacts = {"out": Artifact(path="out", size=1, sha256="0" * 64)}
        made: dict[str, Any] = {"kind": job.kind, "key": job.key, "attempt": job.attempt, "nonce": job.nonce, "inputs": job.inputs}
        try:
            handoff.commit(
                self.store, Manifest(**made, artifacts=artifacts, result=result_of(artifacts), provenance=Provenance(run=job.run)), after=0
            )
            self.store.write(job.id.outcome(), Outcome(code=Code.DONE).to_bytes())
        except StoreError:
            return
        self.done.add(name)

    def launch(self, cancel: threading.Event | None = None) -> RunRecord:
        stages = {
            name: {"kind": "script", "needs": needs, "settings": {"command": ["run", name]}}
            for name, needs in {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}.items()
        }
        pipeline = from_data({"pipeline": "p", "stages": stages}, folder=Path()).but(folder="")
        tokens = iter(range(10**6))
        context = Context(now=lambda: self.now, token=lambda: f"{next(tokens):032x}", jitter=lambda: 0.5, who="me")
        alike = lambda kind: Fingerprint("code", {})  # noqa: E731
        return launch(pipeline, self.store, self, run="r", context=context, fingerprints=alike, cancel=cancel)


@pytest.fixture(autouse=True)
def honest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe's threads know nothing of this world's clock."""
    monkeypatch.setattr("lading.launch.run.ensure_honest", lambda store: None)


AWAY: list[Callable[[float], dict[str, tuple[float, float]]]] = [
    lambda began: {"store_away": (began, began + HOUR_S - 10)},
    lambda began: {"cluster_away": (began, began + HOUR_S - 10)},
    lambda began: {"store_away": (began, began + HOUR_S - 10), "cluster_away": (began + 5, began + HOUR_S - 60)},
]


@pytest.mark.parametrize("away", AWAY, ids=["store", "cluster", "both"])
@pytest.mark.parametrize("began", [0.5, 15.0, 30.5, 45.0, 62.0])
def test_an_hour_of_outage_loses_and_doubles_nothing(away: Callable[[float], dict[str, tuple[float, float]]], began: float) -> None:
    """Whenever it comes, the run ends well, every stage was attempted once, and nobody was judged for it."""
    world = World(**away(began))
    record = world.launch()
    assert record.state == "succeeded"
    assert world.now >= (HOUR_S - 60 if began < 60 else 3 * WORK_S), "with every Job created, nobody needs the API any more"
    keys = list(world.store.objects)
    assert sum(key.endswith("/claim.json") for key in keys) == 4
    assert sum(key.startswith("manifests/") for key in keys) == 4
    assert not [key for key in keys if key.endswith("/verdict.json")]
    assert len(world.jobs) == 4


@pytest.mark.parametrize(("which", "error"), [("store_away", StoreError), ("cluster_away", ClusterError)])
def test_patience_has_an_end(which: str, error: type[Exception]) -> None:
    """After more than an hour the launcher ends with the outage as its reason; started again later, it goes on with the same run."""
    world = World(**{which: (15.0, 15.0 + 3 * PATIENCE_S)})
    with pytest.raises(error):
        world.launch()
    assert PATIENCE_S <= world.now - 15.0 <= PATIENCE_S + 120
    world.now = 15.0 + 3 * PATIENCE_S
    assert world.launch().state == "succeeded"
    assert sum(key.endswith("/claim.json") for key in world.store.objects) == 4


def test_a_short_stage_is_not_waited_for_longer_than_it_takes() -> None:
    """A young stage is looked at more often than later: an end that nothing tells of is seen soon, and a long stage costs little."""
    short, long = World(work_s=1.1), World(work_s=600.0)
    assert short.launch().state == "succeeded"
    assert short.now <= 3 * 1.5
    assert long.launch().state == "succeeded"
    assert long.waits <= 3 * (600 + 10 * 4)
