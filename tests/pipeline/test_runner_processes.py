"""Stages that wait for a runner, and runners in real processes, over a folder store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from entry_jobs import eventually, gone
from lading.attempt import tickets
from lading.attempt.presence import presences
from lading.names import RunPlaces
from lading.store.base import Store
from lading.store.opening import open_store
from support.pulled import COMMAND, Launching, pipeline


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder."""
    return tmp_path / "store"


@pytest.fixture
def runner(store: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts runners; they end with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*more: str) -> subprocess.Popen[str]:
        line = [*COMMAND, "runner", "--store", str(store), "--platform", "any", "--allow-script", "--poll", "0.1", *more]
        env = os.environ | {"LADING_HEARTBEAT_S": "0.2", "LADING_WORK": str(tmp_path)}
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def manifests(store: Path) -> list[Path]:
    """Every record of a result."""
    return sorted(store.glob("manifests/script/*/*.json"))


def open_tickets(place: Store) -> list[Any]:
    """What is offered."""
    return list(tickets.offered(place, "any"))


def test_a_stage_waits_for_a_runner_is_taken_and_ends(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """The launcher says what it waits for; the runner runs the same stage entry, and its manifest ends the stage."""
    run = Launching(store, pipeline("one", command="echo pulled > $LADING_OUTPUT/x"))
    place = open_store(str(store))
    eventually(lambda: open_tickets(place))
    eventually(lambda: f"waits for a runner; none is alive (lading runner --platform any --store {store})" in run.reasons())
    said = subprocess.run([*COMMAND, "runners", "--store", str(store), "--json"], capture_output=True, text=True, check=True)
    assert [one["stage"] for one in json.loads(said.stdout)["waiting"]] == ["one"]

    process = runner("--once")
    record = run.end()

    assert record.state == "succeeded"
    assert record.stages["one"].attempt == 1
    assert process.wait(30) == 0
    assert not open_tickets(place)
    assert not list(presences(place))
    out, _ = process.communicate()
    assert "takes one (script, attempt 1" in out
    assert "its result stands" in out


def test_two_runners_share_and_nothing_is_done_twice(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """Four stages, two runners: each stage has one attempt, taken by one of them, and both had work."""
    run = Launching(store, pipeline("a", "b", "c", "d", command="sleep 0.6; echo $N > $LADING_OUTPUT/x"))
    runner("--name", "left")
    runner("--name", "right")

    assert run.end().state == "succeeded"
    taken = [json.loads(path.read_bytes())["host"] for path in store.glob("attempts/script/*/*/taken.json")]
    assert len(taken) == len(manifests(store)) == 4
    assert set(taken) == {"left", "right"}


def test_a_machine_that_dies_in_mid_stage_loses_it_to_the_next(
    store: Path, runner: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Runner and stage killed -9: the attempt is judged lost, offered again, and there is one manifest, of attempt 2."""
    block = tmp_path / "block"
    block.touch()
    run = Launching(store, pipeline("one", command=f"while [ -e {block} ]; do sleep 0.1; done; echo > $LADING_OUTPUT/x"), stale_s=2)
    first = runner()
    place = open_store(str(store))
    eventually(lambda: list(store.glob("attempts/script/*/1/progress-0.json")))
    worker = next(seen.presence.worker for seen in presences(place) if seen.presence.worker)
    for pid in (first.pid, worker):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: gone(worker))
    eventually(lambda: list(store.glob("attempts/script/*/1/verdict.json")))
    block.unlink()
    runner()

    record = run.end()

    assert record.state == "succeeded"
    assert record.stages["one"].attempt == 2
    verdict = json.loads(next(store.glob("attempts/script/*/1/verdict.json")).read_bytes())
    assert (verdict["cause"], verdict["message"]) == ("lost", "nothing was heard of it for a minute")
    assert len(manifests(store)) == 1


def test_a_stage_outlives_its_runner_and_the_next_runner_waits_for_it(
    store: Path, runner: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Only the runner is killed -9: what it had begun goes on to its manifest; the next runner begins nothing before that."""
    block = tmp_path / "block"
    block.touch()
    run = Launching(store, pipeline("a", "b", command=f"while [ -e {block} ]; do sleep 0.1; done; echo > $LADING_OUTPUT/x"))
    first = runner()
    eventually(lambda: list(store.glob("attempts/script/*/1/progress-0.json")))
    first.kill()
    first.wait()
    second = runner()
    assert second.stdout is not None
    assert "takes" in second.stdout.readline()
    assert "a runner before this one was killed" in second.stdout.readline()
    assert len(list(store.glob("attempts/script/*/1/taken.json"))) == 1
    block.unlink()

    assert run.end().state == "succeeded"
    assert all(stage.attempt == 1 for stage in run.end().stages.values())


def test_a_machine_that_sleeps_and_wakes_late_does_no_harm(
    store: Path, runner: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Suspended beyond the limit it loses the stage to another runner; awake again its attempt ends, and the one manifest stands."""
    block = tmp_path / "block"
    block.touch()
    code = f"while [ -e {block} ]; do sleep 0.1; done; echo > $LADING_OUTPUT/x"
    run = Launching(store, pipeline("one", command=code), stale_s=2)
    sleeper = runner("--name", "sleeper")
    place = open_store(str(store))
    eventually(lambda: list(store.glob("attempts/script/*/1/progress-0.json")))
    worker = next(seen.presence.worker for seen in presences(place) if seen.presence.worker)
    asleep = (sleeper.pid, worker)
    try:
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        eventually(lambda: list(store.glob("attempts/script/*/1/verdict.json")))
        block.unlink()
        runner("--name", "awake")
        record = run.end()
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)

    assert (record.state, record.stages["one"].attempt) == ("succeeded", 2)
    eventually(lambda: list(store.glob("attempts/script/*/1/outcome-0.json")))
    eventually(lambda: [one.presence.state for one in presences(place) if one.presence.name == "sleeper"] == ["idle"])
    assert len(manifests(store)) == 1
    assert json.loads(manifests(store)[0].read_bytes())["attempt"] == 2


def test_a_stage_that_fails_fails_the_run_and_not_the_runner(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """As often as `retries` allows; what it said is in the record, and the runner goes on to other work."""
    run = Launching(store, pipeline("one", command="echo no such class >&2; exit 3", retries=1))
    process = runner()

    record = run.end()

    assert (record.state, record.stages["one"].code, record.stages["one"].attempt) == ("failed", 70, 2)
    assert "no such class" in record.stages["one"].message
    assert Launching(store, pipeline("two", command="true")).end().state == "succeeded"
    assert process.poll() is None


def test_nobody_comes(store: Path) -> None:
    """Beyond runner_wait_s the stage has failed with code 78 and a sentence; the ticket is gone."""
    record = Launching(store, pipeline("one", command="true", runner_wait_s=1)).end()

    stage = record.stages["one"]
    assert (record.state, stage.state, stage.code) == ("failed", "failed", 78)
    assert "no runner for any took it within 1 s; none is alive; start one: lading runner --platform any --store" in stage.message
    assert not open_tickets(open_store(str(store)))


def test_a_cancelled_run_withdraws_what_it_offered(store: Path) -> None:
    """Nobody works for a run that has ended."""
    run = Launching(store, pipeline("one", command="true"))
    place = open_store(str(store))
    eventually(lambda: open_tickets(place))
    run.cancel.set()

    assert run.end().state == "cancelled"
    assert not open_tickets(place)


def test_a_cancelled_run_stops_what_a_runner_does_for_it(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """The runner's attempt sees its verdict at a heartbeat, stops, and the runner is free."""
    run = Launching(store, pipeline("one", command="sleep 600"))
    runner()
    eventually(lambda: list(store.glob("attempts/script/*/1/progress-0.json")))
    run.cancel.set()

    assert run.end().state == "cancelled"
    eventually(lambda: list(store.glob("attempts/script/*/1/outcome-0.json")))
    place = open_store(str(store))
    eventually(lambda: [seen.presence.state for seen in presences(place)] == ["idle"])


def test_another_run_that_waits_for_the_same_offers_it_again(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """The run that offered is gone and over, its ticket is void: the run that waits puts out its own, of the same attempt."""
    what = pipeline("one", command="echo > $LADING_OUTPUT/x")
    place = open_store(str(store))
    first = Launching(store, what)
    eventually(lambda: open_tickets(place))
    second = Launching(store, what)
    eventually(lambda: f"{second.run}" and any(state == "running" for _, state, _ in second.seen))
    first.cancel.set()
    first.end()
    offered = tickets.read_ticket(place, "any", open_tickets(place)[0].id)
    assert offered is not None
    eventually(lambda: (found := open_tickets(place)) and tickets.read_ticket(place, "any", found[0].id).job["run"] == second.run)  # type: ignore[union-attr]
    runner()

    assert second.end().state == "succeeded"
    assert second.end().stages["one"].attempt == 1


def test_sigterm_stops_in_order(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """The stage gets SIGTERM and ends with 75, the runner with 0; the next attempt is offered at once."""
    run = Launching(store, pipeline("one", command="sleep 600"))
    process = runner()
    eventually(lambda: list(store.glob("attempts/script/*/1/logs/0/*")) or list(store.glob("attempts/script/*/1/progress-0.json")))
    time.sleep(0.5)
    process.terminate()

    assert process.wait(20) == 0
    outcome = json.loads(next(store.glob("attempts/script/*/1/outcome-0.json")).read_bytes())
    assert outcome["code"] == 75
    eventually(lambda: [one.id.number for one in open_tickets(open_store(str(store)))] == [2])
    run.cancel.set()
    run.end()


def test_what_is_void_is_withdrawn_and_not_done(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """A ticket whose run has ended is taken away by the runner that finds it."""
    run = Launching(store, pipeline("one", command="true"))
    place = open_store(str(store))
    eventually(lambda: open_tickets(place))
    ticket = tickets.read_ticket(place, "any", open_tickets(place)[0].id)
    assert ticket is not None
    run.cancel.set()
    run.end()
    late = ticket.but(key="f" * 64, job={**ticket.job, "key": "f" * 64})  # no verdict, no manifest: the run's end alone speaks
    tickets.offer(place, late)

    assert runner("--once").wait(30) == 0
    assert not open_tickets(place)
    assert tickets.taken(place, late.id) is None
    assert (store / RunPlaces(run.run).end).is_file()


def test_a_runner_leaves_what_was_planned_with_other_code(store: Path, runner: Callable[..., subprocess.Popen[str]]) -> None:
    """The ticket stays for a runner with the same code; this one says why, and the launcher hears it."""
    run = Launching(store, pipeline("one", command="true"))
    place = open_store(str(store))
    eventually(lambda: open_tickets(place))
    ticket = tickets.read_ticket(place, "any", open_tickets(place)[0].id)
    assert ticket is not None
    tickets.withdraw(place, "any", ticket.id)
    tickets.offer(place, ticket.but(job={**ticket.job, "fingerprint": "0" * 64}))
    process = runner("--name", "old")

    eventually(lambda: any(seen.presence.refuses for seen in presences(place)))
    eventually(lambda: "old leaves it: the code here (" in run.reasons())
    assert tickets.taken(place, ticket.id) is None
    process.terminate()
    assert "install the same version of lading" in process.communicate(timeout=20)[0]
    run.cancel.set()
    run.end()


def test_a_macos_ticket_is_not_for_linux(store: Path) -> None:
    """lading runner --platform macos says the sentence and ends with 2, where this is no Mac."""
    if sys.platform == "darwin":
        pytest.skip("this is a Mac")
    line = [*COMMAND, "runner", "--store", str(store), "--platform", "macos"]
    said = subprocess.run(line, capture_output=True, text=True, check=False, timeout=30)
    assert said.returncode == 2
    assert "this machine runs linux, and what waits for a macos runner needs macOS (code 78)" in said.stderr
    assert f"here: lading runner --store {store} --platform any" in said.stderr
