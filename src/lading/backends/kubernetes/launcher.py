"""The launcher as a Job of the cluster, with the identity it needs: plain data, for `lading render`, `lading submit` and the goldens."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from lading.backends.kubernetes import render, words
from lading.config.cluster import Cluster
from lading.config.pipeline import Pipeline
from lading.names import ENV_OWNER

Object = dict[str, Any]
PIPELINE_FOLDER = "/etc/lading"
PIPELINE_FILE = "pipeline.json"
BACKOFF_LIMIT = 100
"""A launcher keeps nothing: whatever ended it, the next one goes on."""
FINAL_CODES = (1, 2, 3, 130)
"""A stage failed, the pipeline is wrong, a gate failed, cancelled: another launcher would find the same."""
ACCOUNT = "lading-launcher"
"""The launcher's service account where the pipeline names none, and in any case its Role."""
RULES: Sequence[Object] = (
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
)
"""What a launcher may do, in its own namespace alone. Whoever may create Jobs may use every Secret of the namespace."""

SHARED = {words.MANAGED_BY: words.MANAGER, words.NAME: "lading", words.COMPONENT: "launcher"}
"""Labels of what all launchers of a namespace use: nothing of one run, or whoever deletes a run by its label deletes it for all."""


def objects(pipeline: Pipeline, cluster: Cluster, *, run: str, store: str, namespace: str) -> list[Object]:
    """All that `kubectl apply -f -` needs: ConfigMap, ServiceAccount, Role, RoleBinding, Service, launcher Job.

    Args:
        pipeline: resolved.
        cluster: its `kubernetes:` map.
        run: the run's id, given now, so that a launcher that is started again continues the same run.
        store: as pods see it.
        namespace: where to.
    """
    text = json.dumps(pipeline.to_data(), indent=1)  # in the order of the file, which status and the page keep
    name = launcher_name(run, text, cluster.images.launch)
    meta = {"namespace": namespace, "labels": labels(run, pipeline.pipeline)}
    shared = {"namespace": namespace, "labels": SHARED}
    account = account_of(cluster)
    binding = account if account == ACCOUNT else f"{ACCOUNT}-{account}"
    made: list[Object] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": {PIPELINE_FILE: text}},
        *(service_account(one, namespace, notes) for one, notes in accounts(cluster).items()),
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": ACCOUNT, **shared}, "rules": list(RULES)},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": binding, **shared},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
        render.service(cluster.service, namespace),
        launcher_job(cluster, name=name, run=run, pipeline=pipeline.pipeline, store=store, namespace=namespace, account=account),
    ]
    return made


def account_of(cluster: Cluster) -> str:
    """The launcher's service account."""
    return cluster.launcher().service_account or ACCOUNT


def accounts(cluster: Cluster) -> dict[str, dict[str, str]]:
    """The service accounts that are made, to their annotations: lading's own, and the one that gets annotations. Others are someone's."""
    found: dict[str, dict[str, str]] = {ACCOUNT: {}} if account_of(cluster) == ACCOUNT else {}
    if cluster.service_account and cluster.service_account_annotations:
        found[cluster.service_account] = dict(cluster.service_account_annotations)
    return found


def service_account(name: str, namespace: str, annotations: dict[str, str]) -> Object:
    """Without a token: the launcher's pod asks for one itself, and those of stages get none."""
    noted = {"annotations": annotations} if annotations else {}
    metadata = {"name": name, "namespace": namespace, "labels": SHARED, **noted}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def launcher_name(run: str, text: str, image: str) -> str:
    """The run's id and a hash of what it runs: what changes either starts a new Job, and what changes nothing starts none."""
    digest = hashlib.sha256(f"{run}\n{text}\n{image}".encode()).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9]+", "-", run.lower())
    return f"lading-{plain[:46].strip('-')}-{digest}"


def labels(run: str, pipeline: str) -> dict[str, str]:
    """Of everything that belongs to one run's launcher."""
    return {**SHARED, words.PART_OF: words.value(pipeline), words.RUN: words.value(run)}


def launcher_job(cluster: Cluster, *, name: str, run: str, pipeline: str, store: str, namespace: str, account: str) -> Object:
    """The launcher: small, restarted after a disruption, done after an end of its run. Placed as a stage `launcher` would be, but that it
    never asks for a GPU and waits in no queue."""
    pod = cluster.launcher()
    mounted = not store.startswith("s3://")  # a folder: it lies in one of the volumes
    env = {ENV_OWNER: name, "HOME": words.SCRATCH, "TMPDIR": words.SCRATCH, "LADING_CACHE": f"{words.SCRATCH}/cache", **pod.env}
    if cluster.ca_bundle:
        env["AWS_CA_BUNDLE"] = f"{words.CA_FOLDER}/ca.crt"
    command = ["lading", "run", f"{PIPELINE_FOLDER}/{PIPELINE_FILE}", "--backend", "kubernetes", "--store", store, "--run", run]
    container: Object = {
        "name": "launcher",
        "image": cluster.images.launch,
        "imagePullPolicy": cluster.image_pull_policy,
        "command": command,
        "env": [{"name": key, "value": value} for key, value in sorted(env.items())],
        "envFrom": [{"secretRef": {"name": secret}} for secret in pod.env_from_secrets],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": render.container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "pipeline", "mountPath": PIPELINE_FOLDER, "readOnly": True},
            {"name": "scratch", "mountPath": words.SCRATCH},
            *(render.data_mounts(pod) if mounted else []),
            *([{"name": "ca", "mountPath": words.CA_FOLDER, "readOnly": True}] if cluster.ca_bundle else []),
        ],
    }
    spec: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": render.security(cluster),
        "containers": [container],
        "volumes": [
            {"name": "pipeline", "configMap": {"name": name}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            *(render.data_volumes(pod) if mounted else []),
            *([{"name": "ca", "configMap": {"name": cluster.ca_bundle}}] if cluster.ca_bundle else []),
        ],
    }
    spec |= {**render.placement(pod, cluster), "serviceAccountName": account}
    if pod.tolerations:
        spec["tolerations"] = render.tolerations(pod)
    rules = [
        {"action": "FailJob", "onExitCodes": {"containerName": "launcher", "operator": "In", "values": list(FINAL_CODES)}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
    told = {**pod.labels, **labels(run, pipeline)}
    noted = {"annotations": pod.annotations} if pod.annotations else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": told},
        "spec": {
            "backoffLimit": BACKOFF_LIMIT,
            "podFailurePolicy": {"rules": rules},
            "ttlSecondsAfterFinished": cluster.ttl_s,
            "template": {"metadata": {"labels": told, **noted}, "spec": spec},
        },
    }
