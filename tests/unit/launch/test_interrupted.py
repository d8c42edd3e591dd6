"""A run whose launcher is gone does not read as running for ever; one that is taken up again does."""

import pytest

from lading.config.pipeline import Pipeline
from lading.launch.cancel import cancel
from lading.launch.context import Context
from lading.launch.record import PlanRecord, RunProgress, RunRecord
from lading.launch.status import status
from lading.ledger.runs import runs
from lading.names import RunPlaces
from support.memory_store import MemoryStore

OLD, NEW = "digits-1-aaaaaaaa", "digits-1-bbbbbbbb"


class World:
    """A store with a clock, and two runs: the second took the first one's place."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.store = MemoryStore(clock=lambda: self.now)
        for run in (OLD, NEW):
            plan = PlanRecord(run=run, started="", pipeline=Pipeline(pipeline="p", stages={}), backend="kubernetes", stages={})
            self.store.write(RunPlaces(run).plan, plan.to_bytes())
            self.beat(run)

    def beat(self, run: str) -> None:
        self.store.write(RunPlaces(run).progress, RunProgress(run=run, beat=int(self.now), who="pod:1@1", stages={}).to_bytes())

    def states(self) -> dict[str, str]:
        listed = {one.run: one.state for one in runs(self.store)}
        assert listed == {run: status(self.store, run).state for run in (OLD, NEW)}
        return listed


def test_a_launcher_that_is_not_heard_of_is_told_so() -> None:
    """The list and the status say it, with how long, and what to do; the run that took its place goes on."""
    world = World()
    assert world.states() == {OLD: "running", NEW: "running"}
    world.now += 3 * 3600
    world.beat(NEW)
    assert world.states() == {OLD: "interrupted", NEW: "running"}
    reason = status(world.store, OLD).reason
    assert "3 h" in reason
    assert f"lading cancel {OLD}" in reason


def test_a_run_that_is_taken_up_again_runs_again() -> None:
    """A rollback starts the old run's launcher anew: nothing was written that would stop it."""
    world = World()
    world.now += 3600
    before = set(world.store.objects)
    assert world.states()[OLD] == "interrupted"
    assert set(world.store.objects) == before, "looking writes nothing"
    world.beat(OLD)
    assert world.states()[OLD] == "running"


@pytest.mark.parametrize("silence_s", [0.0, 3600.0])
def test_it_can_be_cancelled(silence_s: float) -> None:
    """Then it has an end, which says no more of launchers."""
    world = World()
    world.now += silence_s

    def sleep(seconds: float) -> None:
        world.now += seconds

    ended = cancel(world.store, OLD, context=Context(now=lambda: world.now), sleep=sleep)
    assert (ended.state, ended.reason) == ("cancelled", "")
    assert RunRecord.model_validate_json(world.store.read(RunPlaces(OLD).end)).state == "cancelled"
