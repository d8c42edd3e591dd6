"""How attempts end badly in a cluster, and what is said and done about each."""

import pytest

from support.kube import SMALL, Kube, python, sh

RUN = "20260101T000000Z-abc123"
BROKEN = """
def inner():
    raise ValueError("the apples are rotten")
inner()
"""
WAITS = sh("sleep 15; echo x >$LADING_OUTPUT/x.txt")


def test_a_failing_script_is_shown_and_not_retried(kube: Kube) -> None:
    """A user's exception ends the run with 1 after one attempt; status shows its last lines, and what needed it is skipped."""
    stages = {"one": python(BROKEN), "two": sh("true", needs=["one"])}
    record = kube.run(kube.pipeline(stages), "--json", code=1).json()
    one, two = record["stages"]["one"], record["stages"]["two"]
    assert (one["state"], one["cause"], one["code"], one["tries"], two["state"]) == ("failed", "failed", 70, 1, "skipped")
    assert "the apples are rotten" in one["message"] + one["traceback"]
    assert "the apples are rotten" in kube.lading("status", "last", "--store", kube.uri, code=None).text
    assert len(kube.jobs()) == 1


def test_retries_that_were_asked_for(kube: Kube) -> None:
    """`retries: 1` gives a second Job, and no third."""
    record = kube.run(kube.pipeline({"one": python(BROKEN, retries=1)}), "--json", code=1).json()
    assert record["stages"]["one"]["attempt"] == 2
    assert len(kube.jobs()) == 2


def test_a_deadline(kube: Kube) -> None:
    """A stage that takes longer than its deadline is stopped and has failed, with that sentence."""
    record = kube.run(kube.pipeline({"one": sh("sleep 300", deadline_s=3)}), "--json", code=1).json()
    assert record["stages"]["one"]["cause"] == "deadline"
    assert "deadline" in record["stages"]["one"]["message"]


@pytest.mark.parametrize("how", ["evicted", "deleted"])
def test_a_pod_that_is_taken_away(kube: Kube, how: str) -> None:
    """An evicted or deleted pod is a disruption: the next attempt starts by itself, and nothing is charged to the stage."""
    process = kube.begin(kube.pipeline({"one": WAITS}), "--run", RUN, "--json")
    (pod,) = kube.running(stage="one")
    name = pod.metadata.name
    if how == "evicted":
        kube.core.create_namespaced_pod_eviction(name, kube.namespace, {"metadata": {"name": name, "namespace": kube.namespace}})
    else:
        kube.core.delete_namespaced_pod(name, kube.namespace, grace_period_seconds=0)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, f"{out}\n{err}\n{kube.explain()}"
    (verdict,) = kube.documents("verdict.json")
    # A pod that somebody deleted may still say that it was stopped; an evicted one is known to have been.
    assert verdict["cause"] in ({"disrupted"} if how == "evicted" else {"disrupted", "stopped"})
    assert (verdict["charged"], verdict["retry"]) == (False, "at_once")
    manifest = next(kube.read(key) for key in kube.everything("manifests/"))
    assert manifest["attempt"] == 2


def note(kube: Kube, stage: str) -> str:
    """What the run says of a stage now."""
    pulse = kube.read(f"runs/{RUN}/progress.json") or {"stages": {}}
    return str(pulse["stages"].get(stage, {}).get("reason") or "")


@pytest.mark.slow
def test_what_waiting_does_not_mend(kube: Kube) -> None:
    """A missing image or Secret is named while it is waited for, and given up after a while; what may come is waited for."""
    stages = {  # three commands: the same one would be one result, made once
        "image": sh(": image", image=f"{kube.images['launch'].partition('/')[0]}/no-such-image:v1"),
        "secret": sh(": secret", deadline_s=600),
        "gpus": sh(": gpus", gpus=64),
    }
    own = {"secret": {"env_from_secrets": ["store", "not-there"]}}
    process = kube.begin(kube.pipeline(stages, stages=own), "--run", RUN)
    kube.wait("the image's name", lambda: "no-such-image:v1" in note(kube, "image"), within_s=120)
    kube.wait("the Secret's name", lambda: "not-there" in note(kube, "secret"), within_s=120)
    kube.wait("the scheduler's reason", lambda: "nvidia.com/gpu" in note(kube, "gpus"), within_s=120)
    for stage, word, next_step in (
        ("image", "no-such-image:v1", "`image_pull_secrets` may read it"),
        ("secret", "not-there", "kubectl get secrets"),
    ):
        kube.wait(
            f"{stage} to be given up", lambda stage=stage: kube.record(RUN)["stages"][stage]["state"] == "failed", within_s=150, every_s=2
        )
        record = kube.record(RUN)["stages"][stage]
        assert word in record["message"]
        assert record["do"]
        failed = kube.lading("status", RUN, "--store", kube.uri, code=None).out.partition(f"{stage} failed")[2].partition("log ")[0]
        assert next_step in failed
        assert "give the stage a machine" not in failed, "what is said of code 78 in general is no help here"
    assert kube.record(RUN)["stages"]["gpus"]["state"] == "running"
    kube.lading("cancel", RUN, "--store", kube.uri)
    process.communicate(timeout=60)


def test_a_quota_that_is_used_up(kube: Kube) -> None:
    """A stage whose pod the quota refuses says so, waits, and goes on once there is room."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    kube.apply(quota)
    kube.wait("the quota to count", lambda: kube.core.read_namespaced_resource_quota("none", kube.namespace).status.hard)
    process = kube.begin(kube.pipeline({"one": sh("true")}), "--run", RUN)
    kube.wait("the quota's name", lambda: "quota" in note(kube, "one"), within_s=120)
    kube.core.delete_namespaced_resource_quota("none", kube.namespace)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, f"{out}\n{err}\n{kube.explain()}"


@pytest.mark.slow
def test_a_store_that_pods_do_not_reach(kube: Kube) -> None:
    """A store that this machine reaches and pods don't ends attempts with 69, which says that the store is out of reach."""
    file = kube.pipeline({"one": sh("true")}, env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    process = kube.begin(file, "--run", RUN)
    kube.wait("a verdict", lambda: kube.documents("verdict.json"), within_s=150)
    verdict = kube.documents("verdict.json")[0]
    assert (verdict["code"], verdict["cause"], verdict["charged"]) == (69, "store", False)
    assert "at http://127.0.0.1:9 is out of reach" in verdict["message"], "what the supervisor said last, as its outcome can't be stored"
    process.kill()


def test_long_names(kube: Kube) -> None:
    """The longest names that a pipeline may hold fit every object of the cluster."""
    name = "n" * 40
    stage = {"s" * 40: {**sh("true"), **SMALL}}
    run = "20260101T000000Z-" + "r" * 40
    kube.lading("submit", kube.pipeline(stage, name=name), "--store", kube.uri, "--run", run)
    assert kube.ended(run)["state"] == "succeeded"
