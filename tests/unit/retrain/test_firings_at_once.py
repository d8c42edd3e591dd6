"""Firings of one check, by one tick and by several, at any interleaving of their reads and writes, with deaths in between."""

import json
import random
import threading
from typing import Any

import pytest

from lading import names
from lading.config.pipeline import Pipeline, Stage
from lading.config.settings.data import DataSettings
from lading.retrain.check import check
from lading.retrain.history import Decision, decisions
from support.memory_store import MemoryStore

HOUR = 3600.0
PIPELINE = Pipeline(
    pipeline="digits",
    stages={"data": Stage(name="data", kind="data", settings=DataSettings())},
    retrain={"time": {"every": "1h"}, "cooldown": "1s"},
)


class Death(BaseException):
    """The pod is gone."""


class World:
    """Firings in threads of which one at a time does one operation of the store; the seed says which, and who dies."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 1_700_000_000.0
        self.store = MemoryStore(clock=lambda: self.now, before=self.before)
        self.turn = threading.Condition()
        self.waiting: set[int] = set()
        self.living: set[int] = set()
        self.chosen: int | None = None
        self.said: dict[str, list[Decision]] = {}
        self.began: list[str] = []
        self.errors: list[BaseException] = []

    def before(self, act: str, key: str) -> None:
        """Waits for one's turn; the clock runs, by a second or by two hours; some die."""
        me = threading.get_ident()
        if me not in self.living:
            return
        with self.turn:
            self.waiting.add(me)
            self.choose()
            assert self.turn.wait_for(lambda: self.chosen == me, 30)
            self.chosen = None
            self.waiting.discard(me)
            self.now += self.random.choice([1.0] * 40 + [2 * HOUR])
            if self.random.random() < 0.05:
                raise Death

    def choose(self) -> None:
        """Once all wait, one of them goes on."""
        if self.chosen is None and self.waiting and self.waiting == self.living:
            self.chosen = self.random.choice(sorted(self.waiting))
            self.turn.notify_all()

    def launch(self, pipeline: Pipeline, run: str) -> None:
        """A run begins while no other goes on; it may end at once."""
        if run not in self.began:
            live = [one for one in self.began if names.RunPlaces(one).end not in self.store.objects]
            assert not live, f"{run} is launched while {live} go on"
            self.began.append(run)
            self.store.objects[names.RunPlaces(run).plan] = (b"{}", self.now, run)
            if self.random.random() < 0.5:
                self.store.objects[names.RunPlaces(run).end] = (json.dumps({"state": "succeeded"}).encode(), self.now, run)

    def fire(self, tick: str) -> None:
        """A pod, and after its death another one for the same tick."""
        try:
            while True:
                try:
                    self.said.setdefault(tick, []).append(check(self.store, PIPELINE, tick, self.launch).decision)
                    return
                except Death:
                    continue
        except BaseException as error:
            self.errors.append(error)
        finally:
            with self.turn:
                self.living.discard(threading.get_ident())
                self.choose()

    def all(self, *ticks: str) -> None:
        """Fires them all at once, and waits."""
        gate = threading.Barrier(len(ticks))

        def go(tick: str) -> None:
            self.living.add(threading.get_ident())
            gate.wait()
            self.fire(tick)

        threads = [threading.Thread(target=go, args=(tick,)) for tick in ticks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        if self.errors:
            raise self.errors[0]


@pytest.mark.parametrize("seed", range(150))
def test_no_second_run_while_one_goes_on(seed: int) -> None:
    """Three ticks, two firings each: a tick has one decision, what is decided is launched, and never beside a run that goes on."""
    world = World(seed)

    world.all("a", "a", "b", "b", "c", "c")

    told: dict[str, Any] = {tick: {decision.nonce for decision in said} for tick, said in world.said.items()}
    assert [len(nonces) for nonces in told.values()] == [1, 1, 1]
    launched = [decision.run for decision in decisions(world.store, "digits") if decision.act == "launch"]
    assert launched
    assert sorted(launched) == sorted(world.began)


def test_a_launch_whose_tick_never_fires_again_is_made_good() -> None:
    """A pod died with just a number taken: another tick writes that tick's decision, waits for its run, and launches it."""
    store, launched = MemoryStore(clock=lambda: 1_700_000_000.0), []

    def dies(act: str, key: str) -> None:
        if (act, key) == ("write", "retrain/digits/lost.json"):
            raise Death

    store.before = dies
    with pytest.raises(Death):
        check(store, PIPELINE, "lost", lambda pipeline, run: None)
    store.before = lambda act, key: None
    assert "retrain/digits/launches/1.json" in store.objects

    decision = check(
        store, PIPELINE, "next", lambda pipeline, run: launched.append((run, pipeline.stages["data"].settings.to_data()["tick"]))
    ).decision

    assert (decision.act, launched) == ("wait", [(decision.run, "lost")])
    assert json.loads(store.read("retrain/digits/lost.json"))["run"] == decision.run
