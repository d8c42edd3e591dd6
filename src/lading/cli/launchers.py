"""What a cluster knows of a run whose launcher wrote nothing yet, or nothing more: for `submit` and `status`."""

from typing import TYPE_CHECKING, Any

from lading.cli.output import clean, clean_lines, paint, state
from lading.ledger.runs import run_ids
from lading.names import RunPlaces

if TYPE_CHECKING:
    from lading.backends.kubernetes.standing import Standing
    from lading.config.pipeline import Pipeline
    from lading.store.base import Store

Record = dict[str, Any]
UNBEGUN = {"waiting": "pending", "running": "pending", "complete": "pending", "failed": "failed", "gone": "failed"}
"""How a launcher stands to the state of a run of which the store has nothing."""


def settled(pipeline: "Pipeline", job: str) -> "Standing":
    """How the launcher that was just made stands, after a few seconds at most."""
    from lading.backends.kubernetes import standing
    from lading.backends.kubernetes.connect import Connection
    from lading.config.cluster import Cluster
    from lading.errors import LadingError

    cluster = Cluster.model_validate(pipeline.kubernetes)
    try:
        connection = Connection(cluster.context, cluster.namespace)
        return standing.settle(lambda: standing.look(connection, job))
    except LadingError as error:
        return standing.Standing("unseen", error.message)


def unbegun(store: "Store", run: str, namespace: str | None) -> Record | None:
    """A record of a run that the store knows nothing of, from its launcher's Job; none where the cluster knows nothing either.

    Args:
        store: where it would write.
        run: its id, or the beginning.
        namespace: of its launcher; by default the kubeconfig's.

    Raises:
        UserError, ClusterError: the cluster can't be asked.
    """
    if run in {"last", "latest"} or any(known.startswith(run) for known in run_ids(store)):
        return None
    if not (store.uri.startswith("s3://") or namespace):
        return None  # a folder of this machine: no pod writes there
    from lading.backends.kubernetes import standing, words
    from lading.backends.kubernetes.connect import Connection
    from lading.errors import UserError

    try:
        connection = Connection(None, namespace, hurried=True)
    except UserError:
        if namespace:
            raise
        return None  # no cluster is known here, and nobody said that there is one
    found = [(name, job) for name, job in standing.launchers(connection) if name.startswith(run)]
    if len({name for name, _ in found}) != 1:
        return None
    name, job = found[-1]
    metadata = job["metadata"]
    seen = standing.look(connection, metadata["name"])
    notes = {"running": "its launcher runs, and has written nothing yet", "complete": "its launcher is done; it wrote to another store"}
    return {
        "schema": "lading/run/v1",
        "run": name,
        "pipeline": (metadata.get("labels") or {}).get(words.PART_OF, ""),
        "started": metadata["creationTimestamp"],
        "finished": "",
        "state": UNBEGUN[seen.state],
        "reason": seen.note or notes.get(seen.state) or "its launcher's pod is being started",
        "launcher": {"namespace": connection.namespace, "job": metadata["name"], "state": seen.state},
        "stages": {},
    }


def withdraw(store: "Store", run: str, namespace: str | None) -> Record | None:
    """Deletes the launcher's Job of a run that the store knows nothing of; what was deleted, or none where there is no such Job.

    Raises:
        UserError, ClusterError: the cluster can't be asked, or refuses.
    """
    record = unbegun(store, run, namespace)
    if record is not None:
        from lading.backends.kubernetes.connect import Connection

        at = record["launcher"]
        Connection(None, at["namespace"]).ask("delete jobs", at["job"], body={"propagationPolicy": "Background"})
    return record


def interrupted(store: "Store", record: Record) -> Record:
    """A run of whose launcher nothing was heard: why, if the cluster knows a Job of it that does not come up again."""
    if record.get("state") != "interrupted":
        return record
    from lading.launch.record import PlanRecord, read_record
    from lading.launch.waiting import ways_on

    plan = read_record(store, RunPlaces(str(record["run"])).plan, PlanRecord)
    if plan.backend != "kubernetes":
        return record
    from lading.backends.kubernetes import standing
    from lading.backends.kubernetes.connect import Connection
    from lading.errors import LadingError

    kubernetes = plan.pipeline.kubernetes
    try:
        connection = Connection(kubernetes.get("context"), kubernetes.get("namespace"), hurried=True)
        jobs = [job["metadata"]["name"] for run, job in standing.launchers(connection) if run == record["run"]]
        seen = standing.look(connection, jobs[-1]) if jobs else None
    except LadingError:  # what the store says is said all the same
        return record
    if seen is None or seen.state not in {"waiting", "failed"} or not seen.note:
        return record
    launcher = {"namespace": connection.namespace, "job": jobs[-1], "state": seen.state}
    return {**record, "reason": f"its launcher does not come up again: {seen.note}; {ways_on(plan, store.uri)}", "launcher": launcher}


def told(record: Record) -> str:
    """A run that has not begun, as text."""
    launcher = record["launcher"]
    failed = record["state"] == "failed"
    first, *more = clean_lines(record["reason"])[-12:]
    shows = f"{'logs' if failed else 'describe pods'} -l job-name={launcher['job']}"
    lines = [
        f"{paint(clean(str(record['pipeline'])), 'bold')}  {clean(record['run'])}  {state(record['state'])}".strip(),
        f"nothing of it is in the store: {'its launcher ended before it wrote anything' if failed else 'its launcher has not begun'}",
        f"{paint('why   ', 'dim')} {first}",
        *(f"       {line}" for line in more),
        f"{paint('look  ', 'dim')} kubectl -n {launcher['namespace']} {shows}",
    ]
    return "\n".join(lines)
