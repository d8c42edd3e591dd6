"""A small pod of every image that a pipeline uses: is it pulled, does it run; the launcher's looks at the store from inside, too."""

import contextlib
import json
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lading.backends.kubernetes import launcher, standing, status, words
from lading.backends.kubernetes.connect import Connection, GoneError
from lading.cli.checks import Found
from lading.config.cluster import Cluster
from lading.config.kinds import KINDS
from lading.config.pipeline import Pipeline, Stage
from lading.errors import LadingError

POD_WAIT_S = 240.0
"""A large image that no node has yet takes its time; `helm test` waits for five minutes."""
HOPELESS_S = 15.0
"""A pod that waits for what waiting does not mend (an image that is not there) is looked at no longer."""
LAUNCH = "launch"
IMPORTS = ["python", "-c", "import lading.stages.supervisor"]
"""What a stage's image must be able to do."""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """One image, and for what it is used."""

    reference: str
    uses: tuple[str, ...]
    """`launch`, `train`, `export`, or `stage NAME` for an image of a stage's own."""
    secrets: tuple[str, ...] = ()
    """All that pods of it get as environment."""

    @property
    def name(self) -> str:
        """What the finding is called."""
        return f"image {', '.join(self.uses)}"


def images_of(cluster: Cluster, pipeline: Pipeline | None) -> list[Image]:
    """What a pipeline's pods run, the launcher's first; without a pipeline, the three of `kubernetes.images`.

    Args:
        cluster: the `kubernetes:` map.
        pipeline: whose stages are looked at; those that a runner works, or that are pinned, need no image.
    """
    found: dict[str, Image] = {}

    def add(reference: str, use: str, names: Iterable[str]) -> None:
        known = found.get(reference, Image(reference, ()))
        found[reference] = Image(reference, _once(known.uses, (use,)), _once(known.secrets, names))

    add(cluster.images.launch, LAUNCH, cluster.launcher().env_from_secrets)
    if pipeline is None:
        for name in ("train", "export"):
            add(getattr(cluster.images, name), name, cluster.env_from_secrets)
    for stage in pipeline.stages.values() if pipeline else ():
        if stage.from_ is None and not stage.resources.runner:
            add(*_image(stage, cluster), cluster.pod(stage.name).env_from_secrets)
    return list(found.values())


def _image(stage: Stage, cluster: Cluster) -> tuple[str, str]:
    own = stage.resources.image
    kind = KINDS[stage.kind].image
    return (own, f"stage {stage.name}") if own else (str(getattr(cluster.images, kind)), kind)


def _once(known: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def examine_pods(connection: Connection, cluster: Cluster, images: Iterable[Image], store: str, wait_s: float) -> Iterator[Found]:
    """Starts a pod of each image at once, and says how each did."""
    run, namespace = f"lading-doctor-{secrets.token_hex(4)}", connection.namespace
    started: dict[str, Image] = {}
    try:
        for number, image in enumerate(images):
            name = f"{run}-{number}"
            try:
                made = _job(cluster, image, name, namespace, store)
                connection.ask("create jobs", body=made)
                started[name] = image
            except LadingError as error:
                yield Found("must", image.name, False, error.message, error.do)
        until = time.monotonic() + wait_s
        for name, image in started.items():
            try:
                yield from _found(connection, name, image, until)
            except LadingError as error:
                yield Found("must", image.name, False, error.message, error.do)
    finally:
        for name in started:
            with contextlib.suppress(LadingError, GoneError):
                connection.ask("delete jobs", name, body={"propagationPolicy": "Background"})


def _found(connection: Connection, name: str, image: Image, until: float) -> Iterator[Found]:
    """How one pod did, once it has ended or waits for what does not come."""
    job, pods, events = _wait(connection, name, until)
    note = status.waiting(job, pods, events)[0]
    conditions = {one["type"] for one in (job.get("status") or {}).get("conditions") or () if one.get("status") == "True"}
    if not pods or note or not conditions & {"Complete", "Failed"}:
        do = f"kubectl -n {connection.namespace} get events --sort-by=.lastTimestamp"  # the Job goes, its events stay for a while
        yield Found("must", image.name, False, note or f"no pod of {image.reference} ended in time", do)
        return
    if LAUNCH in image.uses:
        yield Found("must", image.name, True, f"{image.reference} was pulled and ran")
        log = connection.raw("get pods/log", pods[0]["metadata"]["name"]).data
        yield from _said(log.decode("utf-8", errors="replace"))
    elif "Complete" in conditions:
        yield Found("must", image.name, True, f"{image.reference} was pulled and ran")
    else:
        ended = status.ended(pods[-1], container=standing.LAUNCHER)
        last = ended.message.strip().rpartition("\n")[2] if ended else "it ended"
        told = f"{image.reference} was pulled, and lading does not run in it: {last}"
        yield Found("must", image.name, False, told, "build it on lading's own images: docs/images.md")


def _said(log: str) -> Iterator[Found]:
    """What the doctor in the pod found of the store; Python and libraries there are the image's own matter."""
    try:
        found = json.loads(log[log.index("{") :])
    except ValueError:
        yield Found("must", "store, from a pod", False, log.strip()[-300:] or "nothing was said", "kubectl get events")
        return
    checks = found.get("checks") or [{"level": "must", "name": "store", "ok": False, "told": (found.get("error") or {}).get("message", "")}]
    for one in checks:
        if one["name"] == "store":
            do = one.get("do") or (found.get("error") or {}).get("do", "")
            yield Found("must", "store, from a pod", bool(one["ok"]), str(one["told"]), do)


def _wait(connection: Connection, name: str, until: float) -> tuple[Object, list[Object], list[Object]]:
    """Until the Job has ended, or waits for what does not come."""
    began = time.monotonic()
    while True:
        job, pods, events = standing.observed(connection, name)
        if job is None:
            raise GoneError(f"the Job {name} was taken away while it was looked at")
        ended = any(one["type"] in {"Complete", "Failed"} for one in (job.get("status") or {}).get("conditions") or ())
        reason = status.waiting(job, pods, events)[1]
        hopeless = reason is not None and reason.hopeless and time.monotonic() - began > HOPELESS_S
        if ended or hopeless or time.monotonic() > until:
            return job, pods, events
        time.sleep(1)


def _job(cluster: Cluster, image: Image, name: str, namespace: str, store: str) -> Object:
    """The launcher's own pod, with another command and no token."""
    account = cluster.launcher().service_account or "default"
    job = launcher.launcher_job(cluster, name=name, run=name, pipeline="doctor", store=store, namespace=namespace, account=account)
    job["spec"] |= {"backoffLimit": 0, "ttlSecondsAfterFinished": 60}
    job["spec"].pop("podFailurePolicy")
    pod = job["spec"]["template"]["spec"]
    pod |= {"automountServiceAccountToken": False, "volumes": [one for one in pod["volumes"] if one["name"] != "pipeline"]}
    container = pod["containers"][0]
    container["image"] = image.reference
    container["command"] = ["lading", "doctor", "--store", store, "--json"] if LAUNCH in image.uses else IMPORTS
    container["envFrom"] = [{"secretRef": {"name": secret}} for secret in image.secrets]
    container["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] != "pipeline"]
    for metadata in (job["metadata"], job["spec"]["template"]["metadata"]):
        own = {words.MANAGED_BY: words.MANAGER, words.NAME: "lading", words.COMPONENT: "doctor"}
        metadata["labels"] = {**cluster.launcher().labels, **own}
    return job
