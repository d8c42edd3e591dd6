"""A launcher that can't start is seen: by `submit` at once, by `status` also before the run wrote anything."""

import time
from typing import Any

import pytest

from lading.backends.kubernetes.standing import LOOK_S
from support.kube import Kube, sh

RUN = "20260101T000000Z-abc123"
ONE = {"one": sh("echo apples >$LADING_OUTPUT/a.txt")}
QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "0"}}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": {"launch": "localhost:1/lading-launch:absent"}}, ["the image localhost:1/lading-launch:absent can't be pulled"]),
        ({"env_from_secrets": ["absent"]}, ['secret "absent" not found', "kubectl get secrets"]),
        ({"node_selector": {"no": "such-node"}}, ["Pending: 0/", "it waits for room"]),
        ({"service_account": "absent"}, ['serviceaccount "absent" not found', "mend what the message names"]),
        ({}, ["the namespace's quota is used up: few"]),
    ],
    ids=["image", "secret", "room", "account", "quota"],
)
def test_why_a_launcher_does_not_start(kube: Kube, change: dict[str, Any], words: list[str]) -> None:
    """By the sentences of stages, in seconds; the run is pending, and what to type next is said."""
    if not change:
        kube.apply(QUOTA)
        kube.wait("the quota to count", lambda: kube.core.read_namespaced_resource_quota("few", kube.namespace).status.hard)
    began = time.monotonic()
    said = kube.lading("submit", kube.pipeline(ONE, **change), "--store", kube.uri, "--run", RUN).text
    if "its launcher has not started: " in said:
        full = "Insufficient cpu" in said  # other tests take the room for a while, and that is what is said first
        assert full or not [word for word in words if word not in said], said
        assert f"lading status {RUN} --namespace {kube.namespace} --store {kube.uri}" in said
    else:
        assert time.monotonic() - began > LOOK_S, "it looks no longer where a cluster takes longer to say so"

    def told() -> str:
        text = kube.lading("status", RUN[:-2], "--store", kube.uri, "--namespace", kube.namespace).text
        return "" if [word for word in words if word not in text] else text

    shown = kube.wait(f"{words} from status", told)
    assert f"kubectl -n {kube.namespace} describe pods -l job-name=lading-" in shown
    record = kube.lading("status", RUN, "--store", kube.uri, "--namespace", kube.namespace, "--json").json()
    assert (record["run"], record["pipeline"], record["state"], record["launcher"]["state"]) == (RUN, "tiny", "pending", "waiting")
    assert not kube.everything()

    said = kube.lading("cancel", RUN, "--store", kube.uri, "--namespace", kube.namespace).text
    assert f"{RUN} will not begin: job/lading-" in said
    kube.wait(
        "the launcher's Job and pods to be gone",
        lambda: not kube.pods("launcher") and not kube.batch.list_namespaced_job(kube.namespace).items,
    )
    assert not kube.everything()


def test_a_launcher_that_ends_before_it_writes(kube: Kube) -> None:
    """Its last words are told, and `status --wait` ends as a failed run does."""
    file = kube.pipeline(ONE)
    kube.lading("submit", file, "--store", "s3://no-such-bucket-here/p", "--run", RUN)
    line = ("status", RUN, "--store", kube.uri, "--namespace", kube.namespace)
    shown = kube.lading(*line, "--wait", code=1, timeout_s=120).text
    assert "its launcher ended before it wrote anything" in shown
    assert "no-such-bucket-here" in shown


def test_a_launcher_that_starts(kube: Kube) -> None:
    """Nothing is said, nothing is waited for beyond its start; what no cluster knows is an unknown run as ever."""
    file = kube.pipeline(ONE)
    began = time.monotonic()
    kube.lading("render", file, "--store", kube.uri)
    beside = time.monotonic() - began
    done = kube.lading("submit", file, "--store", kube.uri, "--run", RUN, "--json").json()
    took = time.monotonic() - began - beside
    assert done["launcher"]["state"] in {"running", "complete"}, done
    assert not done["launcher"]["note"]
    assert kube.ended(RUN)["state"] == "succeeded"
    job = kube.jobs("launcher")[0]
    begun = (kube.pods("launcher")[0].status.start_time - job.metadata.creation_timestamp).total_seconds()
    print(f"submit took {took:.1f} s, of which {beside:.1f} s are not the cluster's; its pod was placed after {begun:.0f} s")
    assert kube.lading("submit", file, "--store", kube.uri, "--run", RUN, "--json").json()["launcher"]["state"] in {"running", "complete"}
    said = kube.lading("status", "20260101T000000Z-dead", "--store", kube.uri, "--namespace", kube.namespace, code=2).text
    assert "no run '20260101T000000Z-dead'" in said
    gone = kube.lading("status", "zzz", "--store", kube.uri, "--namespace", "x", code=2, env={"KUBECONFIG": str(kube.folder / "none")}).text
    assert "no run 'zzz'" in gone
    assert "the cluster could not be asked" in gone
