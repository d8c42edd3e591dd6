"""The objects of a cluster as plain data: pure functions of a job and of the settings; what is rendered is what is sent."""

import hashlib
import json
import math
from typing import Any

from lading.backends.kubernetes import words
from lading.config.cluster import Cluster, PodSettings
from lading.config.kinds import KINDS
from lading.names import ENV_IMAGE, ENV_MASTER, ENV_WORK, job_name
from lading.plan.job import JobSpec

Object = dict[str, Any]
UNREACHABLE_S = 60
"""How long a pod is left on a node that is not ready or unreachable."""
FOR_STARTING_S = 900
"""For images to be pulled and inputs to be received, which a stage's deadline does not count."""
GRACE_FOR_STORING_S = 15
"""Beyond the stage's own grace: its last state is uploaded after its processes ended."""


def name_of(job: JobSpec) -> str:
    """The attempt's Job; two stores never meet in it."""
    return job_name(job.kind, digest16(job.store, job.key), job.attempt)


def digest16(store: str, key: str) -> str:
    """16 hex digits over store and key."""
    return hashlib.sha256(f"{store}\n{key}".encode()).hexdigest()[:16]


def image_of(job: JobSpec, cluster: Cluster) -> str:
    """The stage's own image, or its kind's."""
    return job.resources.image or getattr(cluster.images, KINDS[job.kind].image)


def labels(job: JobSpec) -> dict[str, str]:
    """What kubectl selects by."""
    return {
        words.MANAGED_BY: words.MANAGER,
        words.NAME: "lading",
        words.COMPONENT: "stage",
        words.RUN: words.value(job.run),
        words.STAGE: words.value(job.stage),
        words.KIND: job.kind,
        words.ATTEMPT: str(job.attempt),
    }


def stage_job(job: JobSpec, cluster: Cluster, *, namespace: str, owner: Object | None = None) -> Object:
    """One attempt as an Indexed Job that never retries by itself: its survivors are stopped at the first death.

    Args:
        job: the attempt; its `store` is as pods see it.
        cluster: where and how.
        namespace: of the Job.
        owner: an ownerReference, so that uninstalling a release removes the Job.
    """
    pod = cluster.pod(job.stage)
    nodes = job.resources.nodes if KINDS[job.kind].distributed else 1
    name = name_of(job)
    spec: Object = {
        "completions": nodes,
        "parallelism": nodes,
        "completionMode": "Indexed",
        "backoffLimit": 0,
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": words.CONTAINER, "operator": "NotIn", "values": [0]},
                },
            ]
        },
        "ttlSecondsAfterFinished": cluster.ttl_s,
        "template": pod_template(job, cluster, pod, nodes, name),
    }
    if cluster.queue:
        spec["suspend"] = True
    metadata: Object = {
        "name": name,
        "namespace": namespace,
        "labels": {**pod.labels, **labels(job), **({words.QUEUE: cluster.queue} if cluster.queue else {})},
        "annotations": {words.KEY: job.key},
    }
    if owner:
        metadata["ownerReferences"] = [owner]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def pod_template(job: JobSpec, cluster: Cluster, pod: PodSettings, nodes: int, name: str) -> Object:
    """A pod that meets the restricted standard and holds no API token."""
    spec: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(job.resources.grace_s) + GRACE_FOR_STORING_S,
        "securityContext": security(cluster),
        "containers": [_container(job, cluster, pod, nodes, name)],
        "volumes": _volumes(job, cluster, pod),
        "tolerations": [
            *(_toleration(key) for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")),
            *tolerations(pod),
        ],
    }
    if nodes > 1:
        spec["subdomain"] = cluster.service
    if job.resources.deadline_s:
        # The supervisor ends its stage; this ends a supervisor that does not. It counts from when the pod has its node, images included.
        spec["activeDeadlineSeconds"] = math.ceil(job.resources.deadline_s + job.resources.grace_s + FOR_STARTING_S)
    spec |= placement(pod, cluster)
    annotations = {**pod.annotations, words.KEY: job.key, words.JOB: json.dumps(job.to_data(), sort_keys=True)}
    return {"metadata": {"labels": {**pod.labels, **labels(job)}, "annotations": annotations}, "spec": spec}


def placement(pod: PodSettings, cluster: Cluster) -> Object:
    """Where a pod goes, as what, and who may pull its image: the same for stages and launcher."""
    found: Object = {
        "nodeSelector": pod.node_selector,
        "affinity": pod.affinity,
        "priorityClassName": pod.priority_class,
        "runtimeClassName": pod.runtime_class,
        "serviceAccountName": pod.service_account,
        "imagePullSecrets": [{"name": secret} for secret in cluster.image_pull_secrets],
    }
    return {key: value for key, value in found.items() if value}


def tolerations(pod: PodSettings) -> list[Object]:
    """The settings' own, as Kubernetes writes them."""
    return [one.model_dump(by_alias=True, exclude_none=True) for one in pod.tolerations]


def security(cluster: Cluster) -> Object:
    """A pod's part of the restricted standard."""
    ids = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), cluster.user_id)
    return {"runAsNonRoot": True, **ids, "seccompProfile": {"type": "RuntimeDefault"}}


def container_security() -> Object:
    """A container's part of it."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def _toleration(key: str) -> Object:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": UNREACHABLE_S}


def _container(job: JobSpec, cluster: Cluster, pod: PodSettings, nodes: int, name: str) -> Object:
    resources = job.resources
    amounts: Object = {"cpu": f"{resources.cpu:g}", "memory": resources.memory}
    if resources.gpus:
        amounts["nvidia.com/gpu"] = str(resources.gpus)
    if cluster.ephemeral_storage:
        amounts["ephemeral-storage"] = cluster.ephemeral_storage
    image = image_of(job, cluster)
    env = {ENV_WORK: words.SCRATCH, "HOME": words.SCRATCH, "TMPDIR": words.SCRATCH, ENV_IMAGE: image, **pod.env}
    if nodes > 1:
        env[ENV_MASTER] = f"{name}-0.{cluster.service}:{words.MASTER_PORT}"
    if pod.network_interface:
        env |= {"GLOO_SOCKET_IFNAME": pod.network_interface, "NCCL_SOCKET_IFNAME": pod.network_interface}
    if cluster.ca_bundle:
        env |= {"AWS_CA_BUNDLE": f"{words.CA_FOLDER}/ca.crt", "SSL_CERT_FILE": f"{words.CA_FOLDER}/ca.crt"}
    mounts = [
        {"name": "job", "mountPath": words.JOB_FOLDER, "readOnly": True},
        {"name": "scratch", "mountPath": words.SCRATCH},
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - a volume of the pod's own
        *data_mounts(pod),
        *([{"name": "ca", "mountPath": words.CA_FOLDER, "readOnly": True}] if cluster.ca_bundle else []),
    ]
    return {
        "name": words.CONTAINER,
        "image": image,
        "imagePullPolicy": cluster.image_pull_policy,
        "command": ["python", "-m", "lading.stages", f"{words.JOB_FOLDER}/job.json"],
        "env": [{"name": key, "value": value} for key, value in sorted(env.items())],
        "envFrom": [{"secretRef": {"name": secret}} for secret in pod.env_from_secrets],
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _volumes(job: JobSpec, cluster: Cluster, pod: PodSettings) -> list[Object]:
    described = {"path": "job.json", "fieldRef": {"fieldPath": f"metadata.annotations['{words.JOB}']"}}
    return [
        {"name": "job", "downwardAPI": {"items": [described]}},
        {"name": "scratch", "emptyDir": {"sizeLimit": job.resources.scratch}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": job.resources.shm}},
        *data_volumes(pod),
        *([{"name": "ca", "configMap": {"name": cluster.ca_bundle}}] if cluster.ca_bundle else []),
    ]


def data_mounts(pod: PodSettings) -> list[Object]:
    """Where a container sees the claims that the settings name."""
    return [{"name": f"data-{key}", "mountPath": each.path, "readOnly": each.read_only} for key, each in sorted(pod.volumes.items())]


def data_volumes(pod: PodSettings) -> list[Object]:
    """The claims that the settings name."""
    claims = {key: {"claimName": each.claim, "readOnly": each.read_only} for key, each in sorted(pod.volumes.items())}
    return [{"name": f"data-{key}", "persistentVolumeClaim": claim} for key, claim in claims.items()]


def service(name: str, namespace: str, owner: Object | None = None) -> Object:
    """The headless Service by which the pods of a training find rank 0, also before they are ready."""
    metadata: Object = {"name": name, "namespace": namespace, "labels": {words.MANAGED_BY: words.MANAGER, words.NAME: "lading"}}
    if owner:
        metadata["ownerReferences"] = [owner]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {words.MANAGED_BY: words.MANAGER, words.COMPONENT: "stage"},
            "ports": [{"name": "rendezvous", "port": words.MASTER_PORT}],
        },
    }
