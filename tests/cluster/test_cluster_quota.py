"""A quota on the number of Jobs, and images of another lading than the launcher's: what a user is told of each."""

import ast
import shutil
from pathlib import Path

import lading
from support.kube import Kube, sh

RUN = "20260101T000000Z-abc123"


def test_a_quota_on_the_number_of_jobs(kube: Kube) -> None:
    """Stages for whose Jobs there is no room wait, say so, and go on once there is; a launcher that finds no room is refused."""
    hard = {"count/jobs.batch": "1"}
    kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": hard}})
    kube.wait("the quota to count", lambda: kube.core.read_namespaced_resource_quota("few", kube.namespace).status.hard)
    file = kube.pipeline({"one": sh("sleep 5; : one"), "two": sh(": two")})
    process = kube.begin(file, "--run", RUN)

    def noted() -> list[str]:
        stages = (kube.read(f"runs/{RUN}/progress.json") or {"stages": {}})["stages"]
        return [str(stage["reason"]) for stage in stages.values() if "quota" in str(stage["reason"])]

    (said,) = kube.wait("the quota's name", noted, within_s=120)
    assert "few" in said
    assert "count/jobs.batch=1" in said
    refused = kube.lading("submit", file, "--store", kube.uri, code=2).text
    assert "quota is used up: few" in refused
    assert f"kubectl describe quota -n {kube.namespace}" in refused
    kube.wait("the first to end", lambda: len(kube.everything("manifests/")) == 1, within_s=120)
    (first,) = kube.jobs()
    kube.batch.delete_namespaced_job(first.metadata.name, kube.namespace, propagation_policy="Background")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, f"{out}\n{err}\n{kube.explain()}"
    assert not kube.documents("verdict.json"), "waiting for room is no attempt that failed"
    assert sorted(key.rpartition("/")[2] for key in kube.everything("manifests/")) == ["1.json", "1.json"]


def test_a_launcher_whose_code_is_not_the_images(kube: Kube, tmp_path: Path) -> None:
    """A stage refuses to make a result under the key of other code than its own, is not retried, and says what to build."""
    place = tmp_path / "src" / "lading"
    shutil.copytree(Path(lading.__file__).parent, place, ignore=shutil.ignore_patterns("__pycache__"))
    script = place / "stages" / "script.py"
    changed = script.read_text() + "\nNEWER = True\n"
    ast.parse(changed)
    script.write_text(changed)
    file = kube.pipeline({"one": sh("true")})
    record = kube.run(file, "--json", code=1, env={"PYTHONPATH": str(place.parent)}).json()["stages"]["one"]
    assert (record["state"], record["code"], record["tries"]) == ("failed", 64, 1)
    assert "the code here" in record["message"]
    assert "make images" in record["message"]
    assert not kube.everything("manifests/")
    shown = kube.lading("status", "last", "--store", kube.uri, code=None).text
    assert "make images" in shown
