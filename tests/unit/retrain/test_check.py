"""The check: one decision a tick, and a launch that is made sure of."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lading import names
from lading.config.pipeline import Pipeline, Stage
from lading.config.settings.data import DataSettings
from lading.errors import ConfigError, UserError
from lading.plan.resolve import named
from lading.retrain.check import check, markdown, tick_of
from support.memory_store import MemoryStore

DAY = 86400.0


class World:
    """A store with a clock that the test moves, and a launcher that notes what it was asked for."""

    def __init__(self, **retrain: Any) -> None:
        self.now = 1_700_000_000.0
        self.store = MemoryStore(clock=lambda: self.now)
        self.launched: list[tuple[str, str | None]] = []
        self.retrain = retrain or {"time": {"every": "24h"}, "cooldown": "2h"}

    def pipeline(self, **settings: Any) -> Pipeline:
        """A pipeline of a data stage."""
        stage = Stage(name="data", kind="data", settings=DataSettings(**settings))
        return Pipeline(pipeline="digits", stages={"data": stage}, retrain=self.retrain)

    def fire(self, tick: str, **settings: Any) -> Any:
        """One firing."""
        return check(self.store, self.pipeline(**settings), tick, self.launch).decision

    def launch(self, pipeline: Pipeline, run: str) -> None:
        """Notes the run and the tick that it was launched with; the run begins."""
        self.store.write(names.RunPlaces(run).plan, b"{}")
        self.launched.append((run, pipeline.stages["data"].settings.to_data()["tick"]))

    def end(self, run: str, state: str) -> None:
        """The run ends."""
        self.store.write(names.RunPlaces(run).end, json.dumps({"state": state}).encode())


def test_a_due_tick_launches_with_the_tick_in_the_data() -> None:
    """The data stage's settings get the tick, or everything would be a hit; decision and page are in the store."""
    w = World()

    decision = w.fire("job-1")

    assert decision.act == "launch"
    assert [(decision.run, "job-1")] == w.launched
    assert "job-1" in w.store.read("retrain/digits/job-1.md").decode()
    assert decision.run.startswith("20231114T221320Z-")


def test_a_tick_decides_once_and_every_firing_makes_sure_of_the_launch() -> None:
    """A pod that was replaced reads what was decided and launches the same run; after its end, no more."""
    w = World()
    first = w.fire("job-1")
    w.now += 5 * DAY

    assert first == w.fire("job-1")
    assert [(first.run, "job-1")] * 2 == w.launched
    w.end(first.run, "succeeded")
    assert first == w.fire("job-1")
    assert len(w.launched) == 2


def test_a_firing_that_died_before_its_launch_is_made_good_by_the_next() -> None:
    """The decision is there, nobody launched: the next tick waits for that run, and makes sure of it, with that run's tick."""
    w = World()

    def dies(pipeline: Pipeline, run: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(w.store, w.pipeline(), "job-1", dies)
    w.now += 60
    decision = w.fire("job-2")

    assert ("wait", [(decision.run, "job-1")]) == (decision.act, w.launched)


def test_concurrent_firings_of_a_tick_agree() -> None:
    """Eight pods of one firing make one decision and ask for one run."""
    w, gate = World(), threading.Barrier(8)

    def one(_: int) -> Any:
        gate.wait()
        return w.fire("job-1")

    with ThreadPoolExecutor(8) as pool:
        assert len({decision.nonce for decision in pool.map(one, range(8))}) == 1
    assert len(set(w.launched)) == 1


def test_live_waits_success_rests_failure_cools_down() -> None:
    """The life of a check, tick by tick."""
    w = World()
    first = w.fire("t1")
    w.now += 2 * DAY
    assert ("wait", first.run) == ((second := w.fire("t2")).act, second.run)
    w.end(first.run, "succeeded")
    third = w.fire("t3")
    assert third.act == "launch"
    w.now += 3600
    w.end(third.run, "failed")
    w.now += 3600
    assert w.fire("t4").act == "wait"
    w.now += 3601
    fifth = w.fire("t5")
    assert fifth.act == "launch"
    w.end(fifth.run, "succeeded")
    w.now += 3600
    assert w.fire("t6").act == "nothing"


def test_many_idle_ticks_and_gc_forget_nothing() -> None:
    """Hundreds of decisions later, and with the run dropped by gc, the last success is still known."""
    w = World(time={"every": "100d"})
    first = w.fire("t0")
    w.end(first.run, "succeeded")
    for i in range(50):
        w.now += 3600
        assert w.fire(f"hour-{i}").act == "nothing"
    w.store.delete([names.RunPlaces(first.run).end])
    w.now += 40 * DAY
    reads: list[str] = []
    w.store.before = lambda act, key: reads.append(key) if act == "read" and "retrain/" in key else None

    assert w.fire("later").act == "nothing"
    assert len(reads) < 30
    w.now += 60 * DAY
    assert w.fire("much-later").act == "launch"


def test_a_launch_that_never_came_about_is_not_waited_for_for_ever() -> None:
    """A run of which nothing is in the store a day after is taken as failed."""
    w = World()
    check(w.store, w.pipeline(), "t1", lambda pipeline, run: None)
    w.now += 2 * DAY

    assert w.fire("t2").act == "launch"


def begin(w: World, run: str, pipeline: str) -> None:
    """Somebody's run begins."""
    w.store.write(names.RunPlaces(run).plan, json.dumps({"pipeline": {"pipeline": pipeline, "stages": {}}}).encode())


def test_a_run_beside_the_check_is_waited_for_and_never_launched() -> None:
    """A release's first training goes on: the tick waits. Other pipelines, and dead launchers, are not waited for."""
    w = World()
    begin(w, "20231114T221000Z-beef", "another")
    begin(w, "20231114T221001Z-cafe", "digits")

    decision = w.fire("t1")

    assert (decision.act, decision.run, w.launched) == ("wait", None, [])
    assert "20231114T221001Z-cafe" in decision.why
    w.now += 61
    assert w.fire("t2").act == "launch"


def test_growing_data_launches_without_a_tick_in_it(tmp_path: Path) -> None:
    """A volume trigger needs no tick: the data's own digest changes the key."""
    w = World(volume={"grows_by": 0.5})
    file = tmp_path / "data.npz"
    file.write_bytes(b"x" * 100)
    first = w.fire("t1", source="npz", path=str(file))
    w.end(first.run, "succeeded")
    file.write_bytes(b"x" * 149)
    assert w.fire("t2", source="npz", path=str(file)).act == "nothing"
    file.write_bytes(b"x" * 150)
    third = w.fire("t3", source="npz", path=str(file))

    assert (third.act, w.launched[-1][1]) == ("launch", None)
    assert third.volumes["data"].to_data() == {"files": 1, "bytes": 150}


def test_a_resolved_pipeline_sees_todays_data(tmp_path: Path) -> None:
    """What was resolved at installation names yesterday's data by digest: it is launched so that its data is listed anew."""
    w, launched = World(), []
    (tmp_path / "data.npz").write_bytes(b"old")
    resolved = named(w.pipeline(source="npz", path="data.npz").but(folder=str(tmp_path)))
    (tmp_path / "data.npz").write_bytes(b"new")

    check(w.store, resolved, "t1", lambda pipeline, run: launched.append(pipeline))
    again = named(launched[0])

    assert set(resolved.stages["data"].outside) == {"path"} == set(again.stages["data"].outside)
    assert resolved.stages["data"].outside != again.stages["data"].outside
    assert again.stages["data"].settings.to_data()["path"] == str(tmp_path / "data.npz")


def test_mistakes_are_found_before_anything_is_written() -> None:
    """Without `retrain:`, or with a tick that can't be a name, the store stays as it was."""
    w = World()
    with pytest.raises(ConfigError, match="has no `retrain:`"):
        check(w.store, w.pipeline().but(retrain={}), "t", w.launch)
    with pytest.raises(UserError, match="tick"):
        w.fire("../../x")
    assert w.store.objects == {}


def test_ticks_come_from_option_environment_or_nowhere() -> None:
    """--tick, then LADING_TICK, then a fresh one each time."""
    assert (tick_of("a", {"LADING_TICK": "b"}), tick_of(None, {"LADING_TICK": "b"})) == ("a", "b")
    assert tick_of(None, {}) != tick_of(None, {})


def test_the_page_says_what_and_why() -> None:
    """A person reads act, reason, triggers and where to look next."""
    decision = World().fire("t1")

    page = markdown(decision, "s3://b/p")

    assert page.startswith("# digits: launch\n")
    assert "| time | yes |" in page
    assert f"`lading status {decision.run} --store s3://b/p`" in page
