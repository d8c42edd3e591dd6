"""What goes away in mid-run, and comes back or does not: the store for a minute, a node for good. Mostly waiting, and little work."""

import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from lading.attempt.records import Claim, Outcome
from lading.codes import Code
from lading.manifest import handoff
from lading.manifest.model import Artifact, Manifest, Provenance, result_of
from lading.names import AttemptId
from support.kube import Kube, sh, token
from support.toxiproxy import Way

pytestmark = pytest.mark.slow
RUN = "20260101T000000Z-abc123"
OUTAGE_S = 60.0
TAINT = "kwok.x-k8s.io/node"
STAYS = {"fake/hang": "1", "pod-complete.stage.kwok.x-k8s.io/delay": "2h"}
"""Annotations by which nodes that run nothing let a pod run on."""


@pytest.mark.skipif(not os.environ.get("TOXIPROXY_URL"), reason="TOXIPROXY_URL names no toxiproxy")
def test_a_minute_without_the_store(kube: Kube) -> None:
    """Launcher and stages lose the store for a minute: a stage that works on, one that ends meanwhile and one that comes after are made
    once each, by one attempt, and what the stages printed is there."""
    with Way(urlsplit(os.environ["AWS_ENDPOINT_URL"]).hostname or "") as way:
        stages = {
            "before": sh("echo apples; echo a >$LADING_OUTPUT/x.txt"),
            "works": sh("sleep 100; echo pears; echo b >$LADING_OUTPUT/x.txt", needs=["before"]),
            "ends": sh("sleep 15; echo plums; echo c >$LADING_OUTPUT/x.txt", needs=["before"]),
            "after": sh("cat $LADING_INPUTS/*/x.txt; cp $LADING_INPUTS/ends/x.txt $LADING_OUTPUT/y.txt", needs=["works", "ends"]),
        }
        file = kube.pipeline(stages, env={"AWS_ENDPOINT_URL": way.url})
        kube.lading("submit", file, "--store", kube.uri, "--run", RUN)
        for stage in ("works", "ends"):
            kube.running(stage=stage, within_s=180)
        kube.wait("both stages to begin", lambda: len(_running(kube)) == 2, within_s=120)
        way.cut()
        time.sleep(OUTAGE_S)
        way.mend()
        record = kube.ended(RUN, within_s=300)
    assert record["state"] == "succeeded", kube.explain()
    claims = [key for key in kube.everything("attempts/") if key.endswith("/claim.json")]
    assert len(claims) == len(kube.everything("manifests/")) == len(kube.jobs()) == 4, kube.explain()
    assert not kube.documents("verdict.json")
    logs = kube.logs()
    assert not [word for word in ("apples", "pears", "plums") if word not in logs], kube.explain()
    assert len(kube.pods("launcher")) == 1, "the launcher waits, and is not started again"


def _running(kube: Kube) -> list[Any]:
    """Heartbeats of stages at work."""
    return [one for key in kube.everything("attempts/") if "/progress-" in key and (one := kube.read(key))["state"] == "running"]


@pytest.fixture
def nodes(kube: Kube) -> Iterator[list[str]]:
    """The names of nodes of the test's own, made like those that run nothing, and gone afterwards."""
    found = [one for one in kube.core.list_node(label_selector="type=kwok").items if any(t.key == TAINT for t in one.spec.taints or ())]
    if not found:
        pytest.skip(f"no nodes that run nothing here: labelled type=kwok, with the taint {TAINT}")
    made: list[str] = []
    like = found[0]

    class Nodes(list[str]):
        """Makes one more with `append`."""

        def append(self, name: str) -> None:
            labels = {**like.metadata.labels, "kubernetes.io/hostname": name, "lading-test": kube.namespace}
            labels.pop("type")  # nobody else's pods
            kept = {key: value for key, value in like.metadata.annotations.items() if not key.startswith("kubectl.kubernetes.io/")}
            node = {
                "metadata": {"name": name, "labels": labels, "annotations": kept},
                "spec": {"taints": [t.to_dict() for t in like.spec.taints]},
            }
            kube.core.create_node({**node, "status": {"allocatable": like.status.allocatable, "capacity": like.status.capacity}})
            super().append(name)
            made.append(name)

    try:
        yield Nodes()
    finally:
        for name in made:
            try:
                kube.core.delete_node(name)
            except Exception:  # the test took it away
                continue


def test_a_node_that_is_gone(kube: Kube, nodes: list[str]) -> None:
    """A node that is taken away in mid-run disrupts the attempt on it: that is the verdict, nobody is charged, and the next attempt starts
    on another node by itself."""
    first, second = f"gone-{token()}", f"next-{token()}"
    nodes.append(first)
    place = {"node_selector": {"lading-test": kube.namespace}, "tolerations": [{"key": TAINT, "operator": "Exists"}]}
    process = kube.begin(kube.pipeline({"one": sh("true")}, annotations=STAYS, **place), "--run", RUN, "--json")
    (pod,) = kube.running(stage="one")
    assert pod.spec.node_name == first
    kube.core.delete_node(first)
    nodes.append(second)
    (verdict,) = kube.wait("the verdict", lambda: kube.documents("verdict.json"), within_s=240)
    assert (verdict["cause"], verdict["charged"], verdict["retry"]) == ("disrupted", False, "at_once")
    assert "node" in verdict["message"].lower()

    def next_pod() -> list[Any]:
        return [one for one in kube.pods(phase="Running", stage="one") if one.spec.node_name == second]

    kube.wait("the next attempt on the other node", next_pod, within_s=120)
    claim = next(Claim.model_validate(one) for one in kube.documents("claim.json") if one["n"] == 2)
    _finish(kube, claim)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"{out}\n{err}\n{kube.explain()}"


def _finish(kube: Kube, claim: Claim) -> None:
    """What the stage would leave, on a node that runs it."""
    artifacts = {"out": Artifact(path="out", size=1, sha256="0" * 64)}
    made: Any = {"kind": claim.kind, "key": claim.key, "attempt": claim.n, "nonce": claim.nonce, "artifacts": artifacts}
    handoff.commit(kube.store, Manifest(**made, result=result_of(artifacts), provenance=Provenance(run=claim.run)), after=0)
    kube.store.write(AttemptId(claim.kind, claim.key, claim.n).outcome(), Outcome(code=Code.DONE).to_bytes())
