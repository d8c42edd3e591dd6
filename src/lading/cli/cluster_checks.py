"""What `lading doctor --backend kubernetes` asks: may we do what a launcher does, and can a pod pull, reach the store, trust its clock."""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

from lading.backends.kubernetes import launcher, status, words
from lading.backends.kubernetes.connect import Connection, DeniedError, GoneError
from lading.cli.checks import Found
from lading.config.cluster import Cluster
from lading.errors import LadingError

POD_WAIT_S = 120.0
HOPELESS_S = 15.0
"""A pod that waits for what waiting does not mend (an image that is not there) is looked at no longer."""
Object = dict[str, Any]


def examine_cluster(cluster: Cluster, store: str, *, wait_s: float = POD_WAIT_S) -> Iterator[Found]:
    """One check after the other; the first that fails for good ends them.

    Args:
        cluster: the pipeline's `kubernetes:` map.
        store: as pods see it.
        wait_s: how long the pod may take.
    """
    try:
        connection = Connection(cluster.context, cluster.namespace)
        connection.call(connection.batch.list_namespaced_job, connection.namespace, verb="list jobs", limit=1)
    except LadingError as error:
        yield Found("must", "cluster", False, error.message, error.do)
        if isinstance(error, DeniedError):
            yield _verbs(connection)  # all that is missing, not only the first
        return
    yield Found("must", "cluster", True, f"answers; namespace {connection.namespace}")
    yield _verbs(connection)
    if quota := _quota(connection):
        yield quota
    yield from _pod(connection, cluster, store, wait_s)


def _verbs(connection: Connection) -> Found:
    """Every verb of a launcher's Role, asked of the API server itself."""
    from kubernetes.client import AuthorizationV1Api

    api = AuthorizationV1Api(connection.core.api_client)
    missing = []
    for rule in launcher.RULES:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                where = {"namespace": connection.namespace, "group": rule["apiGroups"][0], "resource": resource, "verb": verb}
                body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": where}}
                answer = connection.call(api.create_self_subject_access_review, body, verb="create selfsubjectaccessreviews")
                if not answer.status.allowed:
                    missing.append(f"{verb} {resource}")
    if missing:
        return Found("must", "permissions", False, f"this identity may not {', '.join(missing)}", "k8s/role.yaml grants what is missing")
    return Found("must", "permissions", True, "all that a launcher needs")


def _quota(connection: Connection) -> Found | None:
    try:
        found = connection.call(connection.core.list_namespaced_resource_quota, connection.namespace, verb="list resourcequotas").items
    except LadingError:
        return None
    if not found:
        return Found("nice", "quota", True, "none in this namespace")
    told = "; ".join(
        f"{name} {one.status.used.get(name, '0')} of {hard}" for one in found for name, hard in (one.status.hard or {}).items()
    )
    return Found("nice", "quota", True, told)


def _pod(connection: Connection, cluster: Cluster, store: str, wait_s: float) -> Iterator[Found]:
    """A small pod of the launcher's image looks at the store from inside."""
    name = f"lading-doctor-{secrets.token_hex(4)}"
    batch, core, namespace = connection.batch, connection.core, connection.namespace
    try:
        connection.call(batch.create_namespaced_job, namespace, _job(cluster, name, namespace, store), verb="create jobs")
    except LadingError as error:
        yield Found("must", "pod", False, error.message, error.do)
        return
    try:
        job, pods, events = _wait(connection, name, wait_s)
        note = status.waiting(job, pods, events)[0]
        if not pods or note or not (job.get("status") or {}).get("conditions"):
            do = f"kubectl -n {namespace} get events --sort-by=.lastTimestamp"  # the Job is taken away again, its events stay for a while
            yield Found("must", "pod", False, note or f"no pod ended within {wait_s:.0f} s", do)
            return
        yield Found("must", "pod", True, f"image {cluster.images.launch} was pulled and ran")
        log = connection.call(core.read_namespaced_pod_log, pods[0]["metadata"]["name"], namespace, verb="get pods/log")
        yield from _said(log)
    except LadingError as error:
        yield Found("must", "pod", False, error.message, error.do)
    finally:
        with contextlib.suppress(LadingError, GoneError):
            connection.call(batch.delete_namespaced_job, name, namespace, verb="delete jobs", body={"propagationPolicy": "Background"})


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


def _wait(connection: Connection, name: str, wait_s: float) -> tuple[Object, list[Object], list[Object]]:
    """Until the Job has ended, or waits for what does not come."""
    began = time.monotonic()
    until = began + wait_s
    client = connection.core.api_client
    while True:
        job = client.sanitize_for_serialization(
            connection.call(connection.batch.read_namespaced_job, name, connection.namespace, verb="get jobs")
        )
        listed = connection.call(
            connection.core.list_namespaced_pod,
            connection.namespace,
            verb="list pods",
            label_selector=f"batch.kubernetes.io/job-name={name}",
        )
        pods = client.sanitize_for_serialization(listed)["items"]
        ended = any(one["type"] in {"Complete", "Failed"} for one in (job.get("status") or {}).get("conditions") or ())
        reason = status.waiting(job, pods)[1]
        hopeless = reason is not None and reason.hopeless and time.monotonic() - began > HOPELESS_S
        if ended or hopeless or time.monotonic() > until:
            selector = f"involvedObject.name={name},type=Warning"
            events = connection.call(
                connection.core.list_namespaced_event, connection.namespace, verb="list events", field_selector=selector
            )
            return job, pods, [{"reason": one.reason, "message": one.message} for one in events.items]
        time.sleep(1)


def _job(cluster: Cluster, name: str, namespace: str, store: str) -> Object:
    """The launcher's own pod, with another command and no token."""
    job = launcher.launcher_job(
        cluster,
        name=name,
        run=name,
        pipeline="doctor",
        store=store,
        namespace=namespace,
        account=cluster.launcher().service_account or "default",
    )
    job["spec"] |= {"backoffLimit": 0, "ttlSecondsAfterFinished": 60}
    job["spec"].pop("podFailurePolicy")
    pod = job["spec"]["template"]["spec"]
    pod |= {"automountServiceAccountToken": False, "volumes": [one for one in pod["volumes"] if one["name"] != "pipeline"]}
    container = pod["containers"][0]
    container["command"] = ["lading", "doctor", "--store", store, "--json"]
    container["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] != "pipeline"]
    for metadata in (job["metadata"], job["spec"]["template"]["metadata"]):
        own = {words.MANAGED_BY: words.MANAGER, words.NAME: "lading", words.COMPONENT: "doctor"}
        metadata["labels"] = {**cluster.launcher().labels, **own}
    return job
