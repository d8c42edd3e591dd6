"""Whole runs on this machine: the command's own launcher, the local backend, real stages, kills."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from entry_jobs import eventually
from lading.backends.local import LocalBackend
from lading.config.loader import from_data
from lading.config.pipeline import Pipeline
from lading.launch.cancel import cancel
from lading.launch.record import RunRecord
from lading.launch.run import launch
from lading.launch.status import status
from lading.plan.selection import Selection
from lading.store.opening import open_store

LAUNCH = """
import json, sys
from pathlib import Path
from lading.backends.local import LocalBackend
from lading.config.loader import from_data
from lading.launch.run import launch
from lading.launch.status import status
from lading.store.opening import open_store
store = open_store(sys.argv[1])
backend = LocalBackend(store.uri)
record = launch(from_data(json.loads(sys.argv[3]), folder=Path(sys.argv[1]).parent), store, backend, run=sys.argv[2])
backend.close()
print(record.state)
"""


def python(code: str) -> list[str]:
    """A command."""
    return ["python", "-c", code]


def stage(code: str = "pass", needs: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    """A script stage that notes each of its runs."""
    return {"kind": "script", "needs": list(needs), "settings": {"command": python(code)}, **fields}


def noting(place: Path, name: str) -> str:
    """Code that leaves a line, so that work done twice shows."""
    return f"import time; time.sleep(0.2); open({str(place / 'notes')!r}, 'a').write({name!r} + '\\n')"


def chain(place: Path, length: int) -> dict[str, Any]:
    """Stages one after another."""
    stages = {f"s{i}": stage(noting(place, f"s{i}"), (f"s{i - 1}",) if i else ()) for i in range(length)}
    return {"pipeline": "chain", "stages": stages}


def loaded(place: Path, stages: dict[str, Any]) -> Pipeline:
    """A pipeline of these."""
    return from_data({"pipeline": "p", "stages": stages}, folder=place)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder; heartbeats are fast."""
    monkeypatch.setenv("LADING_HEARTBEAT_S", "0.2")
    return tmp_path


def run(place: Path, stages: dict[str, Any], **asked: Any) -> RunRecord:
    """A run to its end."""
    store = open_store(str(place / "store"))
    backend = LocalBackend(store.uri)
    try:
        return launch(loaded(place, stages), store, backend, **asked)
    finally:
        backend.close()


def test_two_failures_are_both_shown_and_stop_only_what_needs_them(place: Path) -> None:
    """Each failed stage has its message and code; what depends on it is skipped, the rest is made."""
    bad = stage("import sys; print('oops'); sys.exit(3)")
    record = run(place, {"a": bad, "b": stage("raise SystemExit(4)"), "c": stage(needs=("a",)), "d": stage()})
    states = {name: one.state for name, one in record.stages.items()}
    assert (record.state, states) == ("failed", {"a": "failed", "b": "failed", "c": "skipped", "d": "succeeded"})
    assert "3" in record.stages["a"].message
    assert "4" in record.stages["b"].message
    assert record.stages["a"].code == 70


def test_a_gate_stops_what_follows_and_moving_it_runs_nothing(place: Path) -> None:
    """A `must` that does not hold ends as gate_failed; with another bound the same result is a hit."""
    measure = "import json, os; json.dump({'acc': 0.5}, open(os.environ['LADING_OUTPUT'] + '/measurements.json', 'w'))"
    stages = {"m": stage(measure, gates={"acc": ">= 0.9"}), "after": stage(needs=("m",))}
    record = run(place, stages)
    assert (record.state, record.stages["m"].state, record.stages["after"].state) == ("gate_failed", "gate_failed", "skipped")
    assert record.stages["m"].gates[0].value == 0.5
    again = run(place, {**stages, "m": {**stages["m"], "gates": {"acc": ">= 0.4"}}})
    assert (again.state, again.stages["m"].state, again.stages["m"].attempt) == ("succeeded", "hit", 1)


def test_a_launcher_that_is_killed_again_and_again_loses_and_doubles_nothing(place: Path) -> None:
    """SIGKILL at twenty random moments, each time the same run id again: every stage was made exactly once."""
    rng = random.Random(5)
    data = json.dumps(chain(place, 6))
    command = [sys.executable, "-c", LAUNCH, str(place / "store"), "r1", data]
    for _ in range(20):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": "src"})
        try:
            process.wait(timeout=0.3 + rng.random())
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    end = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert end.stdout.strip() == "succeeded", end.stderr[-2000:]
    assert sorted((place / "notes").read_text().split()) == [f"s{i}" for i in range(6)]


def test_two_launchers_share_the_work_of_one_store(place: Path) -> None:
    """Two runs of one pipeline at the same time: both succeed, nothing is made twice."""
    data = chain(place, 4)
    ends: list[RunRecord] = []
    threads = [threading.Thread(target=lambda: ends.append(run(place, data["stages"]))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [record.state for record in ends] == ["succeeded", "succeeded"]
    assert sorted((place / "notes").read_text().split()) == [f"s{i}" for i in range(4)]


def test_cancelling_stops_what_runs_and_ends_the_run(place: Path) -> None:
    """cancel.json is heeded: the stage is stopped, the one behind it is cancelled."""
    stages = {"long": stage("import time; time.sleep(600)", grace_s=3), "after": stage(needs=("long",))}
    ends: list[RunRecord] = []
    thread = threading.Thread(target=lambda: ends.append(run(place, stages, run="r1")))
    thread.start()
    store = open_store(str(place / "store"))
    deadline = time.monotonic() + 60
    while not any("progress" in stat.key for stat in store.list("attempts/")) and time.monotonic() < deadline:
        time.sleep(0.05)
    cancel(store, "r1")
    thread.join(timeout=60)
    assert ends[0].state == "cancelled"
    assert {name: one.state for name, one in ends[0].stages.items()} == {"long": "cancelled", "after": "cancelled"}


def test_a_run_whose_launcher_was_killed_is_cancelled_at_once(place: Path) -> None:
    """Its last word names a process of this machine that has ended, so nobody is waited for; what it had begun is stopped."""
    data = json.dumps({"pipeline": "p", "stages": {"long": stage("import time; time.sleep(600)", grace_s=3)}})
    command = [sys.executable, "-c", LAUNCH, str(place / "store"), "r1", data]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": "src"})
    store = open_store(str(place / "store"))
    eventually(lambda: [stat for stat in store.list("attempts/") if "progress" in stat.key] and status(store, "r1").stages["long"].attempt)
    process.kill()
    process.wait()
    backend, waited = LocalBackend(store.uri), []

    record = cancel(store, "r1", backend=backend, sleep=waited.append)

    assert (record.state, record.stages["long"].state, waited) == ("cancelled", "cancelled", [])
    eventually(lambda: [stat for stat in store.list("attempts/") if "outcome" in stat.key])
    backend.close()


def test_force_makes_a_result_again_once_a_run(place: Path) -> None:
    """--force overrules the result that stands; the same run started again does not do so twice."""
    stages = chain(place, 2)["stages"]
    run(place, stages)
    for _ in range(2):
        record = run(place, stages, run="forced", selection=Selection.of(force=["s0"]))
        assert (record.stages["s0"].state, record.stages["s0"].attempt) == ("succeeded", 2)
    assert (place / "notes").read_text().split().count("s0") == 2
