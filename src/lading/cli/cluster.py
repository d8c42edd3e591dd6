"""From a pipeline to the objects of its launcher in a cluster, and their way there."""

import contextlib
import json
from typing import Any

from lading.backends.kubernetes import launcher, render, words
from lading.backends.kubernetes.backend import refuse_folder
from lading.backends.kubernetes.connect import AlreadyThereError, Connection, DeniedError
from lading.cli.cluster_tidy import tidy
from lading.cli.places import store_for, uri_for
from lading.config.cluster import Cluster
from lading.config.commands import anywhere
from lading.config.pipeline import Pipeline
from lading.errors import LadingError, UserError
from lading.launch.context import new_run_id
from lading.manifest.model import InputRef
from lading.plan.job import JobSpec
from lading.plan.resolve import named, resolve
from lading.store.opening import ensure_honest

Object = dict[str, Any]
ZEROS = "0" * 64
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOTE_BYTES = 200 << 10
"""All annotations of an object may have 256 KiB."""


def rendered(pipeline: Pipeline, store: str | None, run: str | None) -> list[Object]:
    """All objects of a launcher; files of the user go to the store on the way.

    Raises:
        UserError: the store is a folder, which pods can't see.
    """
    cluster = Cluster.model_validate(pipeline.kubernetes)
    uri = _pods_store(pipeline, store, cluster)
    if named(pipeline) != pipeline.but(folder=""):
        place = store_for(store, pipeline)
        ensure_honest(place)
        pipeline = resolve(pipeline, place)
    else:
        pipeline = pipeline.but(folder="")
    return launcher.objects(pipeline, cluster, run=run or new_run_id(), store=uri, namespace=_namespace(cluster))


def stage_example(pipeline: Pipeline, stage: str, store: str | None) -> Object:
    """One stage's Job as it would be sent, with zeros for what is known only when it runs.

    Raises:
        UserError: it never becomes a Job, because a runner works it.
    """
    cluster = Cluster.model_validate(pipeline.kubernetes)
    one = named(pipeline).stages[stage]
    uri = cluster.store or uri_for(store, pipeline)
    if platform := one.resources.runner:
        where = "a Mac" if platform == "macos" else "any machine"
        raise UserError(
            f"stage {stage} has `runner: {platform}`, so no Job is made of it: its launcher offers it in the store, and a runner on "
            f"{where} works it",
            do=f"{anywhere(uri, 'runner', '--platform', platform)} is such a runner; --set stages.{stage}.runner=null renders the Job "
            "that it would be without",
        )
    inputs = {role: InputRef(kind=pipeline.stages[need].kind, key=ZEROS, n=1, result=ZEROS) for role, need in one.needs.items()}
    job = JobSpec(
        run="RUN",
        stage=stage,
        kind=one.kind,
        key=ZEROS,
        attempt=1,
        nonce=ZEROS[:32],
        store=uri,
        settings=one.settings.to_data(),
        inputs=inputs,
        fingerprint=ZEROS,
        resources=one.resources,
    )
    return render.stage_job(job, cluster, namespace=_namespace(cluster))


def apply(pipeline: Pipeline, objects: list[Object]) -> list[str]:
    """Creates what is not there; says what became of each. Takes away what runs that are gone have left."""
    cluster = Cluster.model_validate(pipeline.kubernetes)
    connection = Connection(cluster.context, cluster.namespace)
    said = []
    made = None
    for item in objects:
        kind, name = item["kind"], item["metadata"]["name"]
        try:
            created = connection.ask(f"create {kind.lower()}s", body=_as_by_kubectl(item))
            made = created if kind == "ConfigMap" else made
            said.append(f"{kind.lower()}/{name} created")
        except AlreadyThereError:
            became = "is there"
            with contextlib.suppress(DeniedError):  # whoever may create and not look leaves it as it is
                became = _as_it_is(connection, item)
            said.append(f"{kind.lower()}/{name} {became}")
    if made is None:  # it was there: whoever tidied up meanwhile saw no Job of it
        with contextlib.suppress(AlreadyThereError):
            connection.ask("create configmaps", body=objects[0])
    else:
        with contextlib.suppress(LadingError):  # what is left is in nobody's way, and this run is submitted
            said += tidy(connection, made)
    return said


def _as_by_kubectl(item: Object) -> Object:
    """The object with the note that `kubectl apply` keeps, by which it tells later what to change: it would warn, and know of nothing to
    take away. Where the note would be too long for the API (a pipeline of hundreds of kilobytes), kubectl could not keep one either."""
    metadata = {"annotations": {}, **item["metadata"]}
    text = json.dumps({**item, "metadata": metadata}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for sign in "&<>":  # as Go writes JSON: to the letter, or kubectl would write it anew
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    note = text + "\n"
    if len(note.encode()) > NOTE_BYTES:
        return item
    return {**item, "metadata": {**metadata, "annotations": {**metadata["annotations"], LAST_APPLIED: note}}}


def _as_it_is(connection: Connection, item: Object) -> str:
    """What became of an object that is there: what launchers share of another lading gets the rules that this one's launcher needs, and
    the annotations that this pipeline says, as by kubectl; what is someone's stays as it is."""
    name, what = item["metadata"]["name"], f"{item['kind'].lower()}s"
    if item["kind"] == "Role":
        change: Object = {"rules": item["rules"]}
    elif item["kind"] == "ServiceAccount" and (noted := item["metadata"].get("annotations")):
        change = {"metadata": {"annotations": noted}}
    else:
        return "is there"
    found = connection.ask(f"get {what}", name)
    if _holds(found, change):
        return "is there"
    if (found["metadata"].get("labels") or {}).get(words.MANAGED_BY) != words.MANAGER:
        return "is there, is not lading's, and stays as it is"
    note = {LAST_APPLIED: _as_by_kubectl(item)["metadata"]["annotations"][LAST_APPLIED]}
    connection.ask(f"patch {what}", name, body={**change, "metadata": {"annotations": {**item["metadata"].get("annotations", {}), **note}}})
    return "configured"


def _holds(found: Any, change: Any) -> bool:
    """Whether an object says already what a change would make it say."""
    if isinstance(change, dict):
        return isinstance(found, dict) and all(_holds(found.get(key), value) for key, value in change.items())
    return bool(found == change)


def launcher_of(pipeline: Pipeline, run: str) -> str | None:
    """The name of the Job that launches a run, where one is there."""
    cluster = Cluster.model_validate(pipeline.kubernetes)
    connection = Connection(cluster.context, cluster.namespace)
    selector = f"{words.RUN}={words.value(run)},{words.COMPONENT}=launcher"
    return next((str(job["metadata"]["name"]) for job in connection.ask("list jobs", labelSelector=selector)["items"]), None)


def run_of(objects: list[Object]) -> str:
    """The id of the run that the objects start."""
    command: list[str] = objects[-1]["spec"]["template"]["spec"]["containers"][0]["command"]
    return command[command.index("--run") + 1]


def _pods_store(pipeline: Pipeline, store: str | None, cluster: Cluster) -> str:
    uri = cluster.store or uri_for(store, pipeline)
    if not cluster.volumes:
        refuse_folder(uri)
    return uri


def _namespace(cluster: Cluster) -> str:
    """The pipeline's, or the kubeconfig's; `default` where no cluster is known (to render, none is needed)."""
    if cluster.namespace:
        return cluster.namespace
    try:
        return Connection(cluster.context).namespace
    except UserError:
        return "default"
