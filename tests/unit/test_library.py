"""lading as a library: what a notebook's user meets when a name is wrong, and what an artifact is on this machine."""

from pathlib import Path

import pytest

import lading
from lading.errors import ConfigError, LadingError, NotFoundError, UserError
from lading.store.directory import DirectoryStore
from support.finished_runs import commit_result, make_run

RUN = "20261125T100000Z-bbbb"
HELLO = {"pipeline": "p", "stages": {"hello": {"kind": "script", "settings": {"command": ["true"]}}}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> lading.Run:
    """A finished run, opened by a path that is a Path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_run(DirectoryStore(tmp_path / "store"), RUN)
    return lading.Run.open(store=tmp_path / "store")


def test_a_stage_that_is_not_there(run: lading.Run) -> None:
    """The error names the nearest and all stages; and a run stays a mapping: `in` and `get` work."""
    with pytest.raises(LadingError) as caught:
        run["trian"]
    assert str(caught.value).startswith(f"run {RUN} has no stage 'trian'\n  did you mean 'train'? it has: data, train")
    with pytest.raises(KeyError, match="it has: data, train"):
        run["zzz"]
    assert "zzz" not in run
    assert run.get("zzz") is None
    assert "train" in run


def test_an_artifact_that_is_not_there(run: lading.Run) -> None:
    """The nearest name, or all names."""
    with pytest.raises(NotFoundError, match=r"made no artifact 'model.bim'\n  did you mean 'model.bin'\?"):
        run["train"].artifact("model.bim")
    with pytest.raises(NotFoundError, match=r"it has: .*model\.bin"):
        run["train"].artifact("nosuch")


def test_a_folder_of_artifacts_is_a_folder_here(tmp_path: Path, run: lading.Run) -> None:
    """A package of several files is fetched as one folder, not as the first of its files."""
    files = {"model.mlpackage/Manifest.json": {"a": 1}, "model.mlpackage/Data/model.mlmodel": {"b": 2}, "report.json": {}}
    store = DirectoryStore(tmp_path / "store")
    made = commit_result(store, "convert", "seed", run=RUN, inputs={}, files=files, measured={})
    run.record["stages"]["convert"] = {"kind": "convert", "key": made.key, "state": "succeeded", "attempt": 1}

    package = run["convert"].artifact("model.mlpackage")
    place = package.path()

    assert place.name == "model.mlpackage"
    assert sorted(one.name for one in place.rglob("*") if one.is_file()) == ["Manifest.json", "model.mlmodel"]
    assert run["convert"].artifact("mlpackage").name == "model.mlpackage"
    assert package.size == sum(one.stat().st_size for one in place.rglob("*") if one.is_file())
    assert run["convert"].artifact("model.mlpackage").path(tmp_path / "here") == tmp_path / "here" / "model.mlpackage"


def test_an_artifact_goes_into_a_folder_that_is_there(tmp_path: Path, run: lading.Run) -> None:
    """As with `cp`."""
    assert run["train"].artifact("model.bin").path(tmp_path) == tmp_path / "model.bin"


def test_a_store_that_can_be_none(tmp_path: Path) -> None:
    """A file, or a folder below one, is refused as on the command line; planning on it as well as opening a run."""
    (tmp_path / "afile").write_text("mine")
    with pytest.raises(UserError, match="afile is a file, and a store is a folder"):
        lading.Pipeline.from_data(HELLO).run(store=tmp_path / "afile")
    with pytest.raises(UserError, match=r"can't be there: .*afile is a file"):
        lading.Run.open(store=tmp_path / "afile" / "store")
    assert (tmp_path / "afile").read_text() == "mine"


def test_one_name_may_stand_for_a_list_of_one(tmp_path: Path) -> None:
    """`only="nosuch"` is told as that name, not as its letters; so is an override."""
    with pytest.raises(NotFoundError, match="the pipeline has no stage 'nosuch'"):
        lading.Pipeline.from_data(HELLO).plan(store=tmp_path, only="nosuch")
    (tmp_path / "p.yaml").write_text("pipeline: p\nstages: {hello: {kind: script, settings: {command: [x]}}}\n")
    assert lading.load(tmp_path / "p.yaml", overrides="defaults.cpu=3").file.stages["hello"].resources.cpu == 3


def test_what_is_no_pipeline() -> None:
    """Data of another form than a file's ends in a sentence."""
    with pytest.raises(ConfigError, match="it should be a map with `pipeline` and `stages`, and it is a list"):
        lading.Pipeline.from_data([1])  # type: ignore[arg-type]
