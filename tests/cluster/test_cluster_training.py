"""Trainings of two pods: to the bundle, and through the loss of a pod to the very same weights."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.kube import SLOW, STORE_SECRET, Kube

ROOT = Path(__file__).resolve().parents[2]
RUN = "20260101T000000Z-abc123"
SURVIVORS_S = 10.0
"""From the first death to the last survivor's, on a machine that has nothing else to do; allowed is three times that."""


def digits(kube: Kube, images: dict[str, str]) -> Path:
    """jobs/digits-ddp.yaml as it stands, with these images and this test's namespace."""
    data = yaml.safe_load((ROOT / "jobs" / "digits-ddp.yaml").read_text())
    data["kubernetes"] = {"namespace": kube.namespace, "images": images, "env_from_secrets": [STORE_SECRET]}
    place = kube.folder / "digits-ddp.yaml"
    place.write_text(yaml.safe_dump(data, sort_keys=False))
    return place


def states(kube: Kube, attempt: int) -> set[int]:
    """The steps of which an attempt has stored both parts."""
    parts: dict[int, int] = {}
    for key in kube.everything("attempts/train/"):
        _, _, _, number, folder, step_, *rest = [*key.split("/"), "", ""]
        if (number, folder) == (str(attempt), "checkpoints") and rest[0].startswith("part-"):
            step = int(step_)
            parts[step] = parts.get(step, 0) + 1
    return {step for step, count in parts.items() if count == 2}


def alive(kube: Kube, attempt: int) -> list[str]:
    """Pods of an attempt at the training whose container has not ended."""
    found = kube.core.list_namespaced_pod(kube.namespace, label_selector=f"lading/stage=train,lading/attempt={attempt}").items
    return [
        pod.metadata.name
        for pod in found
        if pod.status.phase in {"Pending", "Running"} and not any(s.state.terminated for s in pod.status.container_statuses or ())
    ]


@pytest.mark.slow
def test_from_data_to_a_bundle_by_two_pods(kube: Kube, image: Any) -> None:
    """jobs/digits-ddp.yaml runs as it stands: two pods train, and every stage behind them holds its gates."""
    record = kube.run(digits(kube, image("launch", "train", "export")), "--json", timeout_s=600).json()
    assert {name: stage["state"] for name, stage in record["stages"].items()} == dict.fromkeys(record["stages"], "succeeded")
    (job,) = [one for one in kube.jobs() if one.metadata.labels["lading/stage"] == "train"]
    assert (job.spec.completions, job.spec.parallelism, job.status.succeeded) == (2, 2, 2)
    train = next(kube.read(key) for key in kube.everything("manifests/train/"))
    assert train["provenance"]["hardware"]["processes"] == 2
    bundle = next(kube.read(key) for key in kube.everything("manifests/bundle/"))
    assert "bundle.json" in bundle["artifacts"]


@pytest.mark.slow
def test_a_lost_pod_changes_no_weight(kube: Kube, image: Any) -> None:
    """A pod that is killed, then one that is evicted, in mid-training: survivors stop within seconds, the next attempt resumes by itself,
    and the weights are those of the undisturbed training, byte for byte."""
    file = digits(kube, image("launch", "train"))
    alone = kube.run(file, "--until", "train", "--json", timeout_s=400).json()
    assert alone["stages"]["train"]["attempt"] == 1
    calm = next(kube.read(key) for key in kube.everything("manifests/train/"))

    kube.prefix = "q"
    process = kube.begin(file, "--until", "train", "--run", RUN, "--json")
    seconds = []
    for attempt, how in ((1, "killed"), (2, "evicted")):
        past = max(states(kube, attempt - 1), default=0) if attempt > 1 else 0
        kube.wait(f"a whole state of attempt {attempt}", lambda a=attempt, p=past: [s for s in states(kube, a) if s > p], within_s=240)
        name = next(pod for pod in alive(kube, attempt) if f"-{attempt}-1-" in pod)
        if how == "killed":
            kube.core.delete_namespaced_pod(name, kube.namespace, grace_period_seconds=0)
        else:
            kube.core.create_namespaced_pod_eviction(name, kube.namespace, {"metadata": {"name": name, "namespace": kube.namespace}})
        began = time.monotonic()
        kube.wait("the survivors' end", lambda a=attempt: not alive(kube, a), within_s=3 * SURVIVORS_S, every_s=0.2)
        seconds.append(time.monotonic() - began)
    out, err = process.communicate(timeout=400 * SLOW)
    assert process.returncode == 0, f"{out}\n{err}\n{kube.explain()}"
    verdicts = [kube.read(key) for key in kube.everything("attempts/train/") if key.endswith("/verdict.json")]
    assert len(verdicts) == 2
    # A pod that somebody deleted may still say that it was stopped; an evicted one is known to have been.
    assert not [one for one in verdicts if one["charged"] or one["cause"] not in {"disrupted", "peer_lost", "stopped"}], verdicts
    assert "disrupted" in {one["cause"] for one in verdicts}
    again = next(kube.read(key) for key in kube.everything("manifests/train/"))
    assert again["attempt"] == 3
    history = next(key for key in kube.everything("attempts/train/") if key.endswith("/3/artifacts/history.json"))
    assert kube.read(history)["resumed_from"] > 0
    assert again["artifacts"]["model.safetensors"]["sha256"] == calm["artifacts"]["model.safetensors"]["sha256"]
