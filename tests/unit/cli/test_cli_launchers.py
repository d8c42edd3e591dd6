"""What a cluster knows of a run that wrote nothing: where none is asked, and where none answers."""

from pathlib import Path

import pytest

from lading.cli.launchers import interrupted, settled, unbegun
from lading.config.loader import from_data
from lading.config.pipeline import Pipeline
from lading.errors import UserError
from lading.launch.record import PlanRecord
from lading.store.opening import open_store
from support.memory_store import MemoryStore

PIPELINE = from_data({"pipeline": "p", "stages": {"one": {"kind": "script", "settings": {"command": ["true"]}}}}, folder="")


class Bucket(MemoryStore):
    """One that pods could write to."""

    @property
    def uri(self) -> str:
        """As of S3."""
        return "s3://bucket/prefix"


@pytest.fixture(autouse=True)
def _no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))


def test_a_launcher_that_may_not_be_looked_at() -> None:
    """The run is submitted all the same: why nothing is known of its launcher is all that is said."""
    seen = settled(PIPELINE, "lading-r1")
    assert seen.state == "unseen"
    assert "no cluster is known here" in seen.note


def test_no_cluster_is_asked_of_what_no_pod_can_write(tmp_path: Path) -> None:
    """A run that a folder does not have is no run; of a bucket's, a machine without a cluster says the same; unless one is named."""
    folder = open_store(str(tmp_path / "store"))
    assert unbegun(folder, "r1", None) is None
    with pytest.raises(UserError, match="no cluster is known here"):
        unbegun(folder, "r1", "ml")
    bucket = Bucket()
    assert unbegun(bucket, "r1", None) is None
    assert unbegun(bucket, "last", "ml") is None


def test_a_run_of_this_machine_is_not_looked_for_in_a_cluster() -> None:
    """Only a run that was launched in a cluster is, and what the store says stays where that does not answer."""
    record = {"run": "r1", "state": "interrupted", "reason": "silence", "stages": {}}
    store = MemoryStore()
    for backend in ("local", "kubernetes"):
        store.objects.clear()
        plan = PlanRecord(run="r1", started="", pipeline=Pipeline(pipeline="p", stages={}), backend=backend, stages={})
        store.write("runs/r1/plan.json", plan.to_bytes())
        assert interrupted(store, record) == record
