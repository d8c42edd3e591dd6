"""Cancelling from outside: who is waited for, and for how long, by clocks that the test moves."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lading.attempt.records import Claim, Holder
from lading.config.pipeline import Pipeline
from lading.launch.cancel import REACTION_S, SILENT_S, cancel
from lading.launch.context import Context, is_gone, own_name
from lading.launch.halt import wanted_by_others
from lading.launch.record import PlanRecord, RunProgress, RunRecord, StageRecord
from lading.names import AttemptId, RunPlaces
from support.memory_store import MemoryStore

RUN = RunPlaces("r")


class World:
    """A store, a clock, and a run whose launcher was heard of a while ago."""

    def __init__(self, *, heard_s: float, who: str = "elsewhere:7@1", progress: bool = True) -> None:
        self.now = 1000.0
        self.store = MemoryStore(clock=lambda: self.now)
        plan = PlanRecord(run="r", started="", pipeline=Pipeline(pipeline="p", stages={}), backend="local", stages={})
        self.store.write(RUN.plan, plan.to_bytes())
        if progress:
            self.beat(1, who)
        self.now += heard_s

    def beat(self, number: int, who: str = "elsewhere:7@1") -> None:
        """The launcher is heard of."""
        self.store.write(RUN.progress, RunProgress(run="r", beat=number, who=who, stages={}).to_bytes())

    def cancel(self, *, meanwhile: Callable[[], Any] = lambda: None) -> tuple[RunRecord, float]:
        """How it ended, and how long that took."""
        began = self.now

        def sleep(seconds: float) -> None:
            self.now += seconds
            meanwhile()

        record = cancel(self.store, "r", context=Context(now=lambda: self.now), sleep=sleep)
        return record, self.now - began


@pytest.mark.parametrize(
    ("heard_s", "progress", "waits_s"),
    [(0.0, True, SILENT_S), (10.0, True, SILENT_S - 10), (9999.0, True, REACTION_S), (0.0, False, SILENT_S)],
)
def test_a_launcher_elsewhere_is_given_two_beats_since_it_was_heard(heard_s: float, progress: bool, waits_s: float) -> None:
    """By the store's clock: the longer it has been silent already, the sooner it is over, but it gets the time to react."""
    record, took = World(heard_s=heard_s, progress=progress).cancel()

    assert record.state == "cancelled"
    assert waits_s <= took < waits_s + 0.5


def test_a_launcher_that_lives_is_left_to_do_it() -> None:
    """It is waited for while it is heard, however long its stages take to stop, and its own word is what counts."""
    w, beats = World(heard_s=0.0), []

    def live() -> None:
        beats.append(w.now)
        w.beat(len(beats) + 1)
        if len(beats) == 200:
            w.store.write(RUN.end, RunRecord(run="r", pipeline="p", started="", state="cancelled", stages={}, reason="its own").to_bytes())

    record, took = w.cancel(meanwhile=live)

    assert record.reason == "its own"
    assert took > 2 * SILENT_S


def test_whether_a_launcher_is_gone_is_said_of_this_machine_alone() -> None:
    """This process is there; another one under its pid is not it; of another machine nothing is known."""
    machine, _, process = own_name().rpartition(":")

    assert not is_gone(own_name())
    assert is_gone(f"{machine}:{process}9")
    assert not is_gone(f"elsewhere:{process}9")
    assert not is_gone("laptop:4711")


def test_a_dead_run_wants_nothing() -> None:
    """Two launchers that died together don't keep each other's work: who is alive is said by the store's clock, not by pulses."""
    w, work = World(heard_s=0.0), AttemptId("script", "ab" * 32, 1)
    record = StageRecord(kind=work.kind, key=work.key, state="running", attempt=1)
    for run in ("r", "other"):
        progress = RunProgress(run=run, beat=2, who="elsewhere:7@1", waits=((work.kind, work.key),), stages={"s": record})
        w.store.write(RunPlaces(run).progress, progress.to_bytes())
    claim = Claim(kind=work.kind, key=work.key, n=1, nonce="n", run="r", stage="s", holder=Holder(backend="local"))
    w.store.write(work.claim, claim.to_bytes())

    assert wanted_by_others(w.store, but="r") == {(work.kind, work.key)}
    w.now += 9999

    w.cancel()

    assert json.loads(w.store.read(work.verdict))["cause"] == "cancelled"
