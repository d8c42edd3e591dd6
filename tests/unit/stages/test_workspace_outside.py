"""Outside data of a stage: still what its key was made of, or the stage does not begin."""

from pathlib import Path

import pytest

from lading import names
from lading.config.resources import Resources
from lading.errors import UserError
from lading.plan import outside
from lading.plan.job import JobSpec
from lading.stages import workspace
from support.memory_store import MemoryStore
from support.results import key_for


def test_data_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    """Its result would stand under the key of other data."""
    source, work = tmp_path / "data.npz", tmp_path / "work"
    source.write_bytes(b"as planned")
    job = JobSpec(
        run="r1",
        stage="data",
        kind="data",
        key=key_for("data"),
        attempt=1,
        nonce="n",
        store=str(tmp_path),
        settings={"path": str(source)},
        inputs={},
        fingerprint="f",
        resources=Resources(),
        outside={"path": outside.digest(outside.listing(str(source), tmp_path))},
    )
    workspace.make(work, job)
    workspace.fetch_outside(job, work)
    assert JobSpec.model_validate_json((work / names.WORK_JOB).read_bytes()) == job

    source.write_bytes(b"something else")
    with pytest.raises(UserError, match="changed since the plan"):
        workspace.fetch_outside(job, work)


def test_names_that_no_folder_can_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers keep an object `a` beside an object `a/b`: said in a sentence, as is a name that climbs out of its folder."""
    store = MemoryStore()
    monkeypatch.setattr(outside, "open_store", lambda uri: store)
    store.write("a", b"1")
    store.write("a/b", b"2")
    with pytest.raises(UserError, match="an object and a folder of one name"):
        outside.fetch("s3://bucket/data", tmp_path / "one")

    store.delete(["a"])
    store.objects["/climbs"] = (b"3", 0.0, "e")  # what no store of lading's would take
    with pytest.raises(UserError, match="climbs"):
        outside.fetch("s3://bucket/data", tmp_path / "two")
    assert [path.name for path in tmp_path.rglob("climbs")] == []
