"""Stages that do nothing, as pods: what a step costs beside an empty Job's pod and a step of Metaflow; and ten launchers at once.

Needs a registry to push to (CLUSTER_REGISTRY, and what `make images` needs), or an image with lading that is there (BENCH_IMAGE; then
without Metaflow, if there is no registry).
"""

import os
import re
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench import cluster_metaflow
from bench.cluster_place import STORE_SECRET, Place, missing, place
from bench.lading_cli import empty_stages, folder, lading, there
from bench.row import Row, seconds

STAGES = 5
ROUNDS = 3
SUBMISSIONS = 10
BOUND = 1.0
SUBMITTED_S = 120.0
WAIT_S = 600.0
UNLIKE = {
    "namespace": "ours is under the restricted standard, Metaflow's under the baseline: its pods can't ask for what the other demands",
    "image": "each its own, from the same base, pulled before; nothing is installed when a step starts",
}
"""Where the two differ but for themselves."""


def run() -> list[Row]:
    """A step's cost: a run that makes all, less one that finds all made, over the steps."""
    step, many = f"an empty stage on the cluster, of {STAGES}", f"{SUBMISSIONS} submissions, until all launchers have ended"
    problem = (
        there("lading.launch.run", "lading.cli.cmd_run", "kubernetes") or missing() or ("" if _image_word() else "no CLUSTER_REGISTRY")
    )
    if problem:
        return [Row(step, BOUND, against="an empty Job's pod", left_out=problem), Row(many, SUBMITTED_S, left_out=problem)]
    image = os.environ.get("BENCH_IMAGE") or _built()
    metaflow_image, no_metaflow = cluster_metaflow.prepare()
    steps, pods, hits, metaflow = [], [], [], []
    with folder() as where, place() as at, place(cluster_metaflow.STANDARD) as beside:
        _pod(at, image)  # the node pulls an image once; that is no part of a step
        if metaflow_image:
            _pod(beside, metaflow_image)
        for number in range(ROUNDS):
            pods.append(statistics.mean(_pod(at, image) for _ in range(STAGES)))  # as many as stages: one alone may be lucky
            file = _pipeline(where, at, image, STAGES, str(number), cpu=1)
            line = ("run", str(file), "--backend", "kubernetes", "--store", at.uri)
            fresh, again = seconds(lambda line=line: lading(*line)), seconds(lambda line=line: lading(*line))
            steps.append((fresh - again) / STAGES)
            hits.append(again)
            if metaflow_image:
                metaflow.append(cluster_metaflow.step_s(where / f"metaflow-{number}", beside, metaflow_image, STAGES))
        submitted = seconds(lambda: _submit(where, at, image))
    notes = {"pod_s": pods, "step_s": steps, "all_hits_s": hits}
    return [
        Row(step, BOUND, tuple(steps), f"an empty Job's pod, of {STAGES}, until Succeeded", tuple(pods), notes=notes),
        Row(many, SUBMITTED_S, (submitted,)),
        Row(step, BOUND, tuple(steps), "Metaflow, a step", tuple(metaflow), left_out=no_metaflow, notes=UNLIKE),
    ]


def _image_word() -> str:
    return os.environ.get("BENCH_IMAGE") or os.environ.get("CLUSTER_REGISTRY") or ""


def _built() -> str:
    """The small image of this tree."""
    root = Path(__file__).parent.parent
    print("bench: building the launch image (seconds, or some minutes the first time)", file=sys.stderr, flush=True)
    env = {**os.environ, "REGISTRY": os.environ["CLUSTER_REGISTRY"], "TAG": "bench"}
    done = subprocess.run([root / "images" / "build.sh", "launch"], env=env, cwd=root, capture_output=True, text=True, check=False)
    found = re.search(r"^launch (\S+)$", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        raise RuntimeError(f"images/build.sh launch ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return found[1]


def _pipeline(where: Path, at: Place, image: str, count: int, name: str, *, cpu: float) -> Path:
    """Empty stages one after another, none of which was made before."""
    data = yaml.safe_load(empty_stages(where, count, chain=True).read_text())
    for stage in data["stages"].values():
        stage["settings"]["env"]["FRESH"] = f"x{secrets.token_hex(4)}"  # without the x some would be numbers
    data["defaults"] = {"cpu": cpu, "memory": "128Mi", "shm": "16Mi", "scratch": "64Mi"}
    images = {"launch": image, "train": image, "export": image}
    data["kubernetes"] = {"namespace": at.namespace, "images": images, "env_from_secrets": [STORE_SECRET]}
    file = where / f"{name}.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    return file


def _pod(at: Place, image: str) -> float:
    """Seconds from an empty Job's creation until its pod's phase is Succeeded."""
    name = f"empty-{secrets.token_hex(4)}"
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "empty", "image": image, "command": ["true"], "securityContext": security}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    with _watched(at, f"batch.kubernetes.io/job-name={name}") as pods:
        began = time.perf_counter()
        at.batch.create_namespaced_job(at.namespace, {"metadata": {"name": name}, "spec": {"template": {"spec": pod}}})
        for found in pods:
            if found.status.phase == "Succeeded":
                return time.perf_counter() - began
            if found.status.phase == "Failed":
                break
    raise RuntimeError(f"the empty Job {name} did not succeed")


@contextmanager
def _watched(at: Place, selector: str) -> Iterator[Iterator[Any]]:
    """Every change of pods from now on."""
    from kubernetes import watch

    watcher = watch.Watch()
    version = at.core.list_namespaced_pod(at.namespace, limit=1).metadata.resource_version
    words = {"label_selector": selector, "resource_version": version, "timeout_seconds": int(WAIT_S)}
    try:
        yield (event["object"] for event in watcher.stream(at.core.list_namespaced_pod, at.namespace, **words))
    finally:
        watcher.stop()


def _submit(where: Path, at: Place, image: str) -> None:
    """Ten pipelines of one empty stage, each with a launcher of its own, until each launcher's Job has ended well."""
    for number in range(SUBMISSIONS):
        lading("submit", str(_pipeline(where, at, image, 1, f"submitted-{number}", cpu=0.2)), "--store", at.uri)
    until = time.monotonic() + WAIT_S
    selector = "app.kubernetes.io/component=launcher"
    while time.monotonic() < until:
        jobs = at.batch.list_namespaced_job(at.namespace, label_selector=selector).items
        ends = [{one.type for one in job.status.conditions or () if one.status == "True"} for job in jobs]
        if any("Failed" in end for end in ends):
            raise RuntimeError("a launcher's Job failed")
        if sum("Complete" in end for end in ends) == SUBMISSIONS:
            return
        time.sleep(0.5)
    raise RuntimeError(f"{SUBMISSIONS} launchers did not end in {WAIT_S:g} s")
