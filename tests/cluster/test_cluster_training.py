"""Trainings of two pods: to the bundle, and through the loss of a pod to the very same weights."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.stream import stream

from support.kube import SLOW, STORE_SECRET, Kube

ROOT = Path(__file__).resolve().parents[2]
RUN = "20260101T000000Z-abc123"
DEATHS = ("deleted", "evicted", "killed", "memory")
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


IN_POD = """
import os, signal, sys
how = sys.argv[1]
stats = {int(p): open(f"/proc/{p}/stat").read().rpartition(")")[2].split() for p in os.listdir("/proc") if p.isdigit()}
parents = {pid: int(stat[1]) for pid, stat in stats.items()}
works = [pid for pid, parent in parents.items() if parent and pid not in parents.values()]  # what is executed here has no parent
print(works, flush=True)
for pid in works:
    if how == "killed":
        os.kill(pid, signal.SIGKILL)
    else:
        open(f"/proc/{pid}/oom_score_adj", "w").write("1000")
def lives(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

hoard = []
while how == "memory" and any(map(lives, works)):
    hoard.append(bytearray(b"x") * (16 << 20))
"""
"""Kills the training's own process, or lets it be killed because the pod's memory ran out."""


def strike(kube: Kube, pod: str, how: str) -> float:
    """One death in mid-training; when it came, on the monotonic clock."""
    asked = time.monotonic()
    if how == "deleted":
        kube.core.delete_namespaced_pod(pod, kube.namespace, grace_period_seconds=0)
    elif how == "evicted":
        kube.core.create_namespaced_pod_eviction(pod, kube.namespace, {"metadata": {"name": pod, "namespace": kube.namespace}})
    else:
        said = stream(
            kube.core.connect_get_namespaced_pod_exec, pod, kube.namespace, command=["python", "-c", IN_POD, how], stderr=True, stdout=True
        )
        assert said.startswith("["), said
        return time.monotonic()  # what is executed there ends with the death, which memory takes seconds to bring about
    return asked


@pytest.mark.slow
def test_a_death_in_mid_training_changes_no_weight(kube: Kube, image: Any) -> None:
    """A pod that is deleted, one that is evicted, a process that is killed -9 and one that memory ran out for: each time the survivors
    stop within seconds, the next attempt resumes without a person, and the weights are those of the undisturbed training, byte for byte."""
    file = digits(kube, image("launch", "train"))
    longer = [f"--set=stages.train.settings.{setting}" for setting in ("epochs=30", "checkpoint_every=25")]
    alone = kube.run(file, *longer, "--until", "train", "--json", timeout_s=400).json()
    assert alone["stages"]["train"]["attempt"] == 1
    calm = next(kube.read(key) for key in kube.everything("manifests/train/"))

    kube.prefix = "q"
    process = kube.begin(file, *longer, "--until", "train", "--run", RUN, "--json")
    seconds = []
    for attempt, how in enumerate(DEATHS, 1):
        past = max((step for n in range(1, attempt) for step in states(kube, n)), default=0)
        kube.wait(f"a whole state of attempt {attempt}", lambda a=attempt, p=past: [s for s in states(kube, a) if s > p], within_s=240)
        began = strike(kube, next(pod for pod in alive(kube, attempt) if f"-{attempt}-1-" in pod), how)
        kube.wait(f"the survivors' end ({how})", lambda a=attempt: not alive(kube, a), within_s=3 * SURVIVORS_S, every_s=0.2)
        seconds.append(round(time.monotonic() - began, 1))
    out, err = process.communicate(timeout=400 * SLOW)
    print("survivors were gone after", dict(zip(DEATHS, seconds, strict=True)), "s")
    assert process.returncode == 0, f"{out}\n{err}\n{kube.explain()}"
    verdicts = [kube.read(f"{key}") for key in sorted(kube.everything("attempts/train/")) if key.endswith("/verdict.json")]
    causes = [one["cause"] for one in verdicts]
    # A pod that somebody deleted may still say that it was stopped; an evicted one is known to have been.
    assert set(causes[:2]) <= {"disrupted", "peer_lost", "stopped"}, verdicts
    assert "disrupted" in causes[:2]
    assert causes[2] == "killed", verdicts
    assert causes[3] == "out_of_memory", verdicts
    again = next(kube.read(key) for key in kube.everything("manifests/train/"))
    assert again["attempt"] == len(DEATHS) + 1
    history = next(key for key in kube.everything("attempts/train/") if key.endswith(f"/{len(DEATHS) + 1}/artifacts/history.json"))
    assert kube.read(history)["resumed_from"] > 0
    assert again["artifacts"]["model.safetensors"]["sha256"] == calm["artifacts"]["model.safetensors"]["sha256"]
