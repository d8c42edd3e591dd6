"""What the library says of a run that goes on, or whose launcher was killed: what is finished is there to be used."""

import time
from pathlib import Path

import pytest

import lading
from lading.errors import GateFailedError, LadingError, NotFoundError
from lading.ledger.compare import compare
from lading.names import RunPlaces
from lading.store.directory import DirectoryStore

PIPELINE = """
pipeline: two
stages:
  count:
    kind: script
    settings: {command: [sh, -c, 'echo WORD > $LADING_OUTPUT/x.txt; echo "{\\"n\\": 3}" > $LADING_OUTPUT/measurements.json']}
  after: {kind: script, needs: [count], settings: {command: [sh, -c, 'sleep 3; echo hi > $LADING_OUTPUT/y.txt']}}
  apart: {kind: script, settings: {command: [echo, hi]}}
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectoryStore:
    """A store with run r1, as its launcher left it when it was killed in the middle of `after`."""
    monkeypatch.setenv("LADING_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    launch(tmp_path, "r1")
    return DirectoryStore(tmp_path / "store")


def launch(folder: Path, run: str, *, word: str = "abc") -> None:
    """A run to its end, and without its end: plan.json and progress.json are what a launcher wrote until then."""
    (folder / "two.yaml").write_text(PIPELINE.replace("WORD", word))
    lading.load(folder / "two.yaml").run(run=run, until="after", progress=False)
    (folder / "store" / RunPlaces(run).end).unlink()


def test_what_is_finished_is_there(store: DirectoryStore) -> None:
    """Its states, its measurements and its artifacts, of the stages that the run was to make."""
    run = lading.Run.open("r1")

    assert run.state == "running"
    assert set(run) == {"count", "after"}
    assert run["count"].state == "succeeded"
    assert run["count"].measurements == {"n": 3}
    assert run["count"].artifact("x.txt").read() == b"abc\n"


def test_two_runs_are_compared(store: DirectoryStore, tmp_path: Path) -> None:
    """By the keys that are known, also before either has its end."""
    launch(tmp_path, "r2", word="other")

    assert "count" in {one.stage for one in compare(store, "r1", "r2").keys}
    assert not compare(store, "r1", "r1").keys


def test_before_the_first_heartbeat_the_plan_speaks(store: DirectoryStore, tmp_path: Path) -> None:
    """It has the keys that were known; a result that was voided is none."""
    store.delete([RunPlaces("r1").progress])
    assert lading.Run.open("r1")["count"].record["state"] == "pending"
    assert lading.Run.open("r1")["count"].measurements == {"n": 3}

    began = time.time()
    lading.load(tmp_path / "two.yaml").run(run="r2", only=["count"], force=["count"], progress=False)
    (void,) = [path for path in tmp_path.glob("store/manifests/script/*/2.json") if path.stat().st_mtime >= began - 5]
    (void.parent / "3.json").unlink()
    with pytest.raises(NotFoundError, match="no result"):
        lading.Run.open("r1")["count"].measurements  # noqa: B018


def test_a_run_without_an_end_has_not_succeeded(store: DirectoryStore) -> None:
    """check() says so; it does not give the run back as if all were well."""
    with pytest.raises(LadingError, match="run r1 has not ended: it is running") as refused:
        lading.Run.open("r1").check()
    assert "status r1 --wait" in refused.value.do


GATED = """
pipeline: gated
stages:
  count:
    kind: script
    settings: {command: [sh, -c, 'echo "{\\"n\\": 3}" > $LADING_OUTPUT/measurements.json']}
    gates: {n: {must: ">= 4", should: ">= 5", nice: ">= 6"}, m: {must: ">= 1"}}
"""


def test_a_failed_gate_names_what_must_hold_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that should or may hold are not said to be musts; what was not measured is said to be so."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    (tmp_path / "gated.yaml").write_text(GATED)

    with pytest.raises(GateFailedError) as failed:
        lading.load("gated.yaml").run(progress=False)
    assert "count: n 3 must be >= 4" in failed.value.message
    assert "m" in failed.value.message.partition("; ")[2]
    assert "None" not in failed.value.message
    assert ">= 5" not in failed.value.message
    assert ">= 6" not in failed.value.message
