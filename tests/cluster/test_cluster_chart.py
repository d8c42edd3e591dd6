"""A release of the chart from install to uninstall, with real launchers and stages."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.helm import CHART, RefusedError, names
from support.helm import sh as command
from support.kube import STORE_SECRET, Kube, sh

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("helm") is None, reason="there is no helm here")]
KINDS = "configmaps,serviceaccounts,roles,rolebindings,services,jobs,cronjobs,networkpolicies,pods,secrets"
STAGES = {
    "hello": sh("echo hello >$LADING_OUTPUT/x.txt"),
    "again": sh("cat $LADING_INPUTS/hello/x.txt; cp $LADING_INPUTS/hello/x.txt $LADING_OUTPUT/y.txt", needs=["hello"]),
}


class Release:
    """One release of the chart in a namespace of the test's own."""

    def __init__(self, kube: Kube) -> None:
        self.kube, self.values = kube, kube.folder / "values.yaml"
        image = kube.images["launch"]
        store = {"uri": kube.uri, "secret": STORE_SECRET}
        small = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
        images = {"launch": image, "train": image, "export": image}
        self.base: dict[str, Any] = {"store": store, "images": images, "launcher": {"resources": small}}

    def helm(self, verb: str, *more: str) -> str:
        """`helm VERB digits-1 ...`."""
        return command("helm", verb, "digits-1", *more, "--namespace", self.kube.namespace, timeout=300)

    def put(self, verb: str, pipeline: Path, **values: Any) -> str:
        """Installs or upgrades; the run that NOTES names."""
        self.values.write_text(yaml.safe_dump({**self.base, **values}))
        text = self.helm(verb, str(CHART), "--values", str(self.values), "--set-file", f"pipeline={pipeline}")
        return text.partition(" runs as ")[2].partition(".")[0]

    def log(self, job: str) -> str:
        """What a Job's pod printed."""
        return command("kubectl", "logs", f"job/{job}", "-n", self.kube.namespace)

    def done(self, job: str, *, within_s: float = 300) -> None:
        """Waits until a Job is complete; a failed one is told with its log."""

        def look() -> bool:
            status = json.loads(command("kubectl", "get", "job", job, "-n", self.kube.namespace, "-o", "json")).get("status", {})
            ends = {one["type"] for one in status.get("conditions", ()) if one["status"] == "True"}
            assert "Failed" not in ends, f"{job} failed\n{self.log(job)}\n{self.kube.explain()}"
            return "Complete" in ends

        self.kube.wait(f"the end of Job {job}", look, within_s=within_s)


def claims(kube: Kube) -> int:
    """How many attempts there were."""
    return sum(key.endswith("/claim.json") for key in kube.everything("attempts/"))


def test_a_release_from_install_to_uninstall(kube: Kube) -> None:
    """Install runs the pipeline; `helm test` is content; what is not changed runs nothing again, also when its Job is gone; a new pipeline
    runs what is new; uninstall leaves the store and nothing else."""
    before = names(KINDS, kube.namespace)
    release = Release(kube)
    file = release.kube.pipeline(STAGES)
    run = release.put("install", file)
    release.done(run)
    assert kube.read(f"runs/{run}/run.json")["state"] == "succeeded"
    assert claims(kube) == 2
    owners = {one.metadata.owner_references[0].name for one in kube.jobs()}
    assert owners == {"digits-1"}

    assert "Phase:          Succeeded" in release.helm("test", "--timeout", "180s")

    assert run == release.put("upgrade", file, gc={"enabled": True})
    command("kubectl", "delete", "job", run, "-n", kube.namespace)
    assert run == release.put("upgrade", file, gc={"enabled": True})
    release.done(run)
    assert "again  ✓ succeeded" in release.log(run)
    assert claims(kube) == 2

    command("kubectl", "create", "job", "--from=cronjob/digits-1-gc", "gc-now", "-n", kube.namespace)
    release.done("gc-now")

    more = {**STAGES, "last": sh("echo last >$LADING_OUTPUT/z.txt", needs=["again"])}
    second = release.put("upgrade", kube.pipeline(more))
    assert second != run
    release.done(second)
    stages = kube.read(f"runs/{second}/run.json")["stages"]
    assert {name: one["state"] for name, one in stages.items()} == {"hello": "hit", "again": "hit", "last": "succeeded"}
    assert claims(kube) == 3
    third = release.put("upgrade", kube.pipeline(more), again=3)
    release.done(third)
    assert {one["state"] for one in kube.read(f"runs/{third}/run.json")["stages"].values()} == {"hit"}
    assert f"runs/{third}/report.html" in kube.everything("runs/")

    kept = [key for key in kube.everything() if not key.endswith("progress.json")]
    release.helm("uninstall", "--wait")
    kube.wait("nothing left of the release", lambda: not names(KINDS, kube.namespace) - before)
    assert kept == [key for key in kube.everything() if not key.endswith("progress.json")]


def test_the_retraining_check_of_a_release(kube: Kube) -> None:
    """A firing decides once, by its Job's name as the tick, and is the launcher of what it decided: the data is taken anew."""
    release = Release(kube)
    retrain = {"time": {"every": "1s", "stage": "hello"}, "schedule": "17 3 * * *"}
    file = kube.folder / "retrain.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(kube.pipeline(STAGES).read_text()), "retrain": retrain}, sort_keys=False))
    release.done(release.put("install", file, retrain={"enabled": True}))
    command("kubectl", "create", "job", "--from=cronjob/digits-1-retrain", "first", "-n", kube.namespace)
    release.done("first")
    decision = kube.read("retrain/tiny/first.json")
    assert (decision["tick"], decision["act"]) == ("first", "launch")
    record = kube.read(f"runs/{decision['run']}/run.json")
    assert (record["state"], record["stages"]["hello"]["state"]) == ("succeeded", "succeeded")
    assert {one.metadata.owner_references[0].name for one in kube.jobs()} == {"digits-1"}


def test_a_release_that_can_not_reach_its_store_fails_its_test(kube: Kube) -> None:
    """`helm test` of a release whose Secret is wrong fails, and the doctor's log says what is wrong."""
    kube.secret(
        "wrong", {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_ENDPOINT_URL": kube.env["AWS_ENDPOINT_URL"]}
    )
    release = Release(kube)
    release.base["store"]["secret"] = "wrong"
    file = kube.folder / "plain.yaml"
    file.write_text(yaml.safe_dump({"pipeline": "tiny", "stages": STAGES}, sort_keys=False))
    release.put("install", file)
    with pytest.raises(RefusedError):
        release.helm("test", "--timeout", "120s")
    assert "store" in release.log("digits-1-doctor")
    release.helm("uninstall")
