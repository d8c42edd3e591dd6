"""Whole runs in a cluster: from a laptop, by a launcher Job, by kubectl; what pods may and may not see."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from support.kube import Kube, python, sh

FIRST = sh('echo "{\\"x\\": 1}" >$LADING_OUTPUT/measurements.json; echo apples >$LADING_OUTPUT/a.txt', gates={"x": ">= 1"})
SECOND = sh("cat $LADING_INPUTS/one/a.txt; echo b >$LADING_OUTPUT/b.txt", needs=["one"])
TWO = {"one": FIRST, "two": SECOND}


def test_a_run_from_a_laptop(kube: Kube) -> None:
    """A pipeline runs as Jobs, its stages hand on by the store, and the same command again is all hits and no new Job."""
    file = kube.pipeline(TWO)
    record = kube.run(file, "--json").json()
    assert record["state"] == "succeeded"
    assert {name: stage["state"] for name, stage in record["stages"].items()} == {"one": "succeeded", "two": "succeeded"}
    assert "apples" in kube.logs()
    made = [kube.read(key)["provenance"]["image"] for key in kube.everything("manifests/")]
    assert made == [kube.images["launch"]] * 2  # where the pipeline names images by digest, that is recorded
    assert "@sha256:" in made[0]
    before = {job.metadata.uid for job in kube.jobs()}
    assert len(before) == 2
    again = kube.run(file, "--json").json()
    assert {stage["state"] for stage in again["stages"].values()} == {"hit"}
    assert {job.metadata.uid for job in kube.jobs()} == before


def test_a_launcher_job(kube: Kube) -> None:
    """`lading submit` leaves a launcher in the cluster that brings the run to its end; status and logs work from outside."""
    said = kube.lading("submit", kube.pipeline(TWO), "--store", kube.uri, "--json").json()
    assert said["namespace"] == kube.namespace
    record = kube.ended(said["run"])
    assert record["state"] == "succeeded"
    assert kube.lading("status", said["run"], "--store", kube.uri, "--json").json()["state"] == "succeeded"
    assert "apples" in kube.lading("logs", said["run"], "two", "--store", kube.uri).out
    job = kube.wait("the launcher's Job to be complete", lambda: [one for one in kube.jobs("launcher") if one.status.succeeded])[0]
    assert all(owner.kind == "ConfigMap" for stage in kube.jobs() for owner in stage.metadata.owner_references)
    again = kube.lading("submit", kube.pipeline(TWO), "--store", kube.uri, "--run", said["run"]).out
    assert f"job/{job.metadata.name} is there" in again, "submitting the same run twice must start nothing"
    status, logs = (shlex.split(line)[1:] for line in again.splitlines() if line.startswith("lading "))
    assert "succeeded" in kube.lading(*status).out
    assert (logs[:3], kube.lading(*logs).code) == (["logs", said["run"], "one"], 0)


def test_a_role_of_another_lading_is_brought_up_to_date(kube: Kube) -> None:
    """Where an older lading left its launcher's Role, `submit` gives it the rules of this one, and the run goes through."""
    labels = {"app.kubernetes.io/managed-by": "lading"}
    kube.rbac.create_namespaced_role(kube.namespace, {"metadata": {"name": "lading-launcher", "labels": labels}, "rules": []})
    file = kube.pipeline({"one": FIRST})
    first, second = (kube.lading("submit", file, "--store", kube.uri, "--run", run).out for run in ("r1", "r2"))
    assert "role/lading-launcher configured" in first
    assert "role/lading-launcher is there" in second
    assert kube.ended("r1")["state"] == "succeeded"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_rendered_for_kubectl(kube: Kube) -> None:
    """What `lading render` prints, `kubectl apply` takes, and applying it twice changes nothing."""
    text = kube.lading("render", kube.pipeline(TWO), "--store", kube.uri, "--run", "20260101T000000Z-abc123").out
    for _ in range(2):
        line = ["kubectl", "apply", "-f", "-"]
        applied = subprocess.run(line, input=text, capture_output=True, text=True, env=kube.env, check=False)
        assert applied.returncode == 0, applied.stderr
    assert kube.ended("20260101T000000Z-abc123")["state"] == "succeeded"
    assert len(kube.jobs("launcher")) == 1


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_submit_and_kubectl_after_each_other(kube: Kube) -> None:
    """Of what `submit` made, `kubectl apply` changes nothing and warns of nothing, and the other way round; what the pipeline no longer
    says is taken away, as of objects that kubectl made itself."""

    def by_kubectl(file: Path, run: str) -> list[str]:
        text = kube.lading("render", file, "--store", kube.uri, "--run", run).out
        line = ["kubectl", "apply", "-f", "-"]
        done = subprocess.run(line, input=text, capture_output=True, text=True, env=kube.env, check=True)
        assert done.stderr == ""
        return done.stdout.splitlines()

    account = {"service_account": "trainer", "service_account_annotations": {"role": "one", "more": "two"}}
    file = kube.pipeline({**TWO, "one": {**FIRST, "env": {"SIGNS": "<a & ü>"}}}, **account)
    kube.lading("submit", file, "--store", kube.uri, "--run", "r1")
    assert [line for line in by_kubectl(file, "r1") if not line.endswith(" unchanged")] == []
    by_kubectl(file, "r2")
    said = kube.lading("submit", file, "--store", kube.uri, "--run", "r2").out
    assert [line for line in said.splitlines() if " created" in line or " configured" in line] == []

    fewer = kube.pipeline(TWO, service_account="trainer", service_account_annotations={"role": "three"})
    assert "serviceaccount/trainer configured" in by_kubectl(fewer, "r3")
    notes = kube.core.read_namespaced_service_account("trainer", kube.namespace).metadata.annotations
    assert {name: value for name, value in notes.items() if "kubectl" not in name} == {"role": "three"}
    assert {kube.ended(run)["state"] for run in ("r1", "r2", "r3")} == {"succeeded"}


def test_a_failed_gate_ends_the_launcher(kube: Kube) -> None:
    """A launcher whose run fails a gate is not started again: another one would find the same."""
    stages = {"one": {**FIRST, "gates": {"x": {"must": ">= 2"}}}, "two": SECOND}
    run = kube.lading("submit", kube.pipeline(stages), "--store", kube.uri, "--json").json()["run"]
    record = kube.ended(run)
    assert (record["state"], record["stages"]["two"]["state"]) == ("gate_failed", "skipped")
    job = kube.wait("the launcher's Job to fail", lambda: [one for one in kube.jobs("launcher") if one.status.conditions])[0]
    assert "PodFailurePolicy" in {one.reason for one in job.status.conditions}
    assert len(kube.pods("launcher")) == 1


PROBE = """
import json, os, pathlib
print(json.dumps(dict(os.environ)))
print("token:", [str(p) for p in pathlib.Path("/var/run/secrets").rglob("*")])
print("uid:", os.getuid())
try:
    pathlib.Path("/opt/x").write_text("x")
except OSError as error:
    print("root:", error.strerror)
print("parent:", end=" ")
try:
    print(pathlib.Path(f"/proc/{os.getppid()}/environ").read_text())
    print(pathlib.Path("/proc/1/environ").read_text())
except OSError as error:
    print(error.strerror)
"""


def test_what_a_stage_can_see(kube: Kube) -> None:
    """A stage sees neither the store's credentials nor a token of the API nor a planted secret, and can't write to the image."""
    planted = "planted-7f3a9c51d2e8"
    kube.secret("extra", {"EXTRA_SECRET_KEY": planted})
    file = kube.pipeline({"look": python(PROBE)}, env_from_secrets=["store", "extra"])
    run = kube.run(file, "--json").json()["run"]
    logs = kube.logs()
    seen = json.loads(next(line for line in logs.splitlines() if line.startswith("{")))
    assert not [name for name in seen if name.startswith("AWS_") or "SECRET" in name]
    assert "token: []" in logs
    assert "uid: 0" not in logs
    assert "root: Read-only file system" in logs
    secret = kube.env["AWS_SECRET_ACCESS_KEY"]
    everywhere = {key: kube.store.read(key).decode(errors="replace") for key in kube.everything()}
    everywhere["pod logs"] = "".join(kube.core.read_namespaced_pod_log(pod.metadata.name, kube.namespace) for pod in kube.pods())
    everywhere["events"] = str(kube.core.list_namespaced_event(kube.namespace))
    everywhere["jobs"] = str(kube.jobs())
    everywhere["pods"] = str(kube.pods())
    everywhere["rendered"] = kube.lading("render", file, "--store", kube.uri).out
    for verb in ("status", "report"):
        everywhere[verb] = kube.lading(verb, run, "--store", kube.uri).text
    assert any(key.endswith("report.html") for key in everywhere)
    assert not [place for place, text in everywhere.items() if planted in text or secret in text]


def test_pods_meet_the_restricted_standard_and_hold_no_token(kube: Kube) -> None:
    """Stage pods mount no token of the API; the launcher's pod alone does."""
    run = kube.lading("submit", kube.pipeline({"one": FIRST}), "--store", kube.uri, "--json").json()["run"]
    kube.ended(run)
    mounts = {
        component: [m.mount_path for pod in kube.pods(component) for m in pod.spec.containers[0].volume_mounts]
        for component in ("stage", "launcher")
    }
    assert kube.pods(), "the stage's pod stays for a while"
    assert not [path for path in mounts["stage"] if "serviceaccount" in path]
    assert [path for path in mounts["launcher"] if "serviceaccount" in path]
