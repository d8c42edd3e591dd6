"""lading promote and lading champion: what is in use, and the way back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.cli.app import main
from lading.store.opening import open_store
from support.finished_runs import make_run

FIRST, SECOND = "20261125T100000Z-aaaa", "20261126T100000Z-bbbb"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line over a store with two runs."""
    monkeypatch.setenv("LADING_STORE", str(tmp_path))
    store = open_store(str(tmp_path))
    make_run(store, FIRST)
    make_run(store, SECOND, accuracy=0.98)
    make_run(store, "20261127T100000Z-cccc", accuracy=0.5, state="failed")

    def called(*line: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(line)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return called


def test_a_run_is_promoted_and_the_way_back_is_told(call: Call) -> None:
    """The newest entry is in use; rollback is a new entry; all of it is history."""
    assert call("promote", FIRST)[0] == 0
    code, out, err = call("promote", SECOND, "--reason", "better")
    assert code == 0, err
    assert "lading champion digits --rollback" in out
    shown = json.loads(call("champion", "digits", "--json")[1])
    assert (shown["current"]["run"], shown["current"]["n"], shown["current"]["reason"]) == (SECOND, 2, "better")

    code, out, err = call("champion", "digits", "--rollback")

    assert code == 0, err
    shown = json.loads(call("champion", "digits", "--json")[1])
    assert [one["act"] for one in shown["history"]] == ["rollback", "promote", "promote"]
    assert shown["current"]["bundle"] == shown["history"][-1]["bundle"]
    assert shown["current"]["n"] == 3


def test_gc_keeps_the_champion_and_says_so_before_it_does_anything(call: Call, tmp_path: Path) -> None:
    """The run and the results of the model in use stay; a dry run says what would go and how much it frees, and touches nothing."""
    assert call("promote", FIRST)[0] == 0
    before = {place: place.stat().st_mtime_ns for place in tmp_path.rglob("*") if place.is_file()}
    line = ("gc", "--older-than", "0s", "--keep-last", "0")

    code, out, err = call(*line, "--dry-run")
    assert code == 0, err
    assert f"drop run {SECOND} (digits)" in out
    assert FIRST not in out
    assert "acts that free " in out
    assert "nothing was deleted (--dry-run)" in out
    assert {place: place.stat().st_mtime_ns for place in tmp_path.rglob("*") if place.is_file()} == before
    told = json.loads(call(*line, "--dry-run", "--json")[1])
    assert told["acts"] == out.splitlines()[:-1]
    assert told["bytes"] > 0

    assert call(*line)[0] == 0
    assert [one["run"] for one in json.loads(call("runs", "--json")[1])] == [FIRST]
    assert call("verify", FIRST, "--deep")[0] == 0
    assert call("champion", "digits")[0] == 0


def test_a_pinned_run_is_kept(call: Call) -> None:
    """By its id or the beginning of one, until it is unpinned."""
    assert call("gc", "--pin", SECOND[:10])[1] == f"{SECOND} is pinned\n"
    assert SECOND not in call("gc", "--older-than", "0s", "--keep-last", "0", "--dry-run")[1]
    assert call("gc", "--unpin", SECOND)[0] == 0
    assert SECOND in call("gc", "--older-than", "0s", "--keep-last", "0", "--dry-run")[1]
    assert call("gc", "--pin", "nosuch")[0] == 2


def test_aliases_are_apart(call: Call) -> None:
    """Staging says nothing about production."""
    assert call("promote", FIRST, "--as", "staging")[0] == 0
    assert call("champion", "digits")[0] == 2
    assert call("champion", "digits", "--as", "staging")[0] == 0


def test_what_did_not_succeed_is_not_promoted(call: Call) -> None:
    """Nor what has no bundle of that name; each is a sentence with what to do."""
    code, _, err = call("promote", "20261127T100000Z-cccc")
    assert code == 2
    assert "only a run that succeeded is promoted" in err
    code, _, err = call("promote", FIRST, "--stage", "bundel")
    assert code == 2
    assert "did you mean 'bundle'?" in err


def test_without_a_champion_before_there_is_no_way_back(call: Call) -> None:
    """The first entry can't be rolled back."""
    assert call("promote", FIRST)[0] == 0
    code, _, err = call("champion", "digits", "--rollback")
    assert code == 2, err
