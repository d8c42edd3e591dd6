"""What `lading doctor --backend kubernetes` asks: may we do what a launcher does, and can pods pull, reach the store, trust its clock."""

from collections.abc import Iterator

from lading.backends.kubernetes import launcher
from lading.backends.kubernetes.connect import Connection, DeniedError
from lading.cli.checks import Found
from lading.cli.cluster_pods import POD_WAIT_S, examine_pods, images_of
from lading.config.cluster import Cluster
from lading.config.pipeline import Pipeline
from lading.errors import LadingError


def examine_cluster(cluster: Cluster, store: str, *, pipeline: Pipeline | None = None, wait_s: float = POD_WAIT_S) -> Iterator[Found]:
    """One check after the other; the first that fails for good ends them.

    Args:
        cluster: the pipeline's `kubernetes:` map.
        store: as pods see it.
        pipeline: whose images are tried; by default the three of `kubernetes.images`.
        wait_s: how long the pods may take.
    """
    try:
        connection = Connection(cluster.context, cluster.namespace)
        connection.ask("list jobs", limit=1)
    except LadingError as error:
        yield Found("must", "cluster", False, error.message, error.do)
        if isinstance(error, DeniedError):
            yield _verbs(connection)  # all that is missing, not only the first
        return
    yield Found("must", "cluster", True, f"answers; namespace {connection.namespace}")
    yield _verbs(connection)
    yield _quota(connection)
    yield from examine_pods(connection, cluster, images_of(cluster, pipeline), store, wait_s)


def _verbs(connection: Connection) -> Found:
    """Every verb of a launcher's Role, asked of the API server itself."""
    missing = []
    for rule in launcher.RULES:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                where = {"namespace": connection.namespace, "group": rule["apiGroups"][0], "resource": resource, "verb": verb}
                body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": where}}
                if not connection.ask("create selfsubjectaccessreviews", body=body)["status"]["allowed"]:
                    missing.append(f"{verb} {resource}")
    if missing:
        return Found("must", "permissions", False, f"this identity may not {', '.join(missing)}", "k8s/role.yaml grants what is missing")
    return Found("must", "permissions", True, "all that a launcher needs")


def _quota(connection: Connection) -> Found:
    """What the namespace may use, as far as this identity may know it."""
    try:
        found = [one.get("status") or {} for one in connection.ask("list resourcequotas")["items"]]
    except LadingError as error:
        return Found("nice", "quota", False, f"could not be looked at: {error.message}", error.do)
    if not found:
        return Found("nice", "quota", True, "none in this namespace")
    told = "; ".join(
        f"{name} {(one.get('used') or {}).get(name, '0')} of {hard}" for one in found for name, hard in (one.get("hard") or {}).items()
    )
    return Found("nice", "quota", True, told)
