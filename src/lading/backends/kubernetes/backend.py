"""Attempts as Jobs of a cluster: created, adopted, watched, stopped."""

import contextlib
import time
from dataclasses import replace
from functools import partial
from typing import Any

from lading.attempt.records import Claim, Holder, Outcome
from lading.backends.base import Sight
from lading.backends.kubernetes import render, status
from lading.backends.kubernetes.connect import AlreadyThereError, Connection, DeniedError, GoneError, QuotaError
from lading.backends.kubernetes.mirror import Mirror
from lading.backends.kubernetes.refusals import Refusals
from lading.backends.kubernetes.room import Room
from lading.codes import Code
from lading.config.cluster import Cluster
from lading.errors import ClusterError, UserError
from lading.logs import get_logger
from lading.plan.job import JobSpec

HOPELESS_S = 90.0
"""How long a pod may wait for what waiting does not mend (an image that can't be pulled), before its attempt has failed."""
OVERDUE_S = 60.0
"""Beyond its grace, a pod of a failed Job is waited for no longer: the next attempt starts beside it."""
SYNC_S = 30.0
Object = dict[str, Any]
log = get_logger()


class KubernetesBackend:
    """Runs attempts as Jobs.

    Args:
        cluster: the pipeline's `kubernetes:` map.
        connection: to the namespace; by default the kubeconfig's, or the pod's own.
        owner: an ownerReference for what is created.
    """

    name = "kubernetes"
    completes = True
    """A claim whose Job was never created is completed by whoever sees it."""

    def __init__(self, cluster: Cluster, *, connection: Connection | None = None, owner: Object | None = None) -> None:
        self.cluster, self.owner = cluster, owner
        self.connection = connection or Connection(cluster.context, cluster.namespace)
        self.namespace = self.connection.namespace
        self._mirror: Mirror | None = None
        self._first_seen: dict[str, float] = {}
        self._given_up: dict[str, Sight] = {}
        self._refusals, self._room = Refusals(partial(self.connection.ask, "list events")), Room()
        self._stopping: set[str] = set()
        self._ending: dict[str, float] = {}

    def check(self, store: str, *, nothing_mounted: bool) -> None:
        """Looks once by hand, before anything is planned: what is missing or closed is said so, not tried for ever.

        Args:
            store: the run's.
            nothing_mounted: whether no stage's pods mount a volume.

        Raises:
            UserError: the namespace is not there or closed to us, or pods can't see the store.
            ClusterError: the cluster is out of reach.
        """
        if nothing_mounted:
            refuse_folder(self.cluster.store or store)
        self.connection.ask("list jobs", limit=1)
        self.connection.ask("list pods", limit=1)
        with contextlib.suppress(DeniedError):  # a Role of the namespace alone does not grant this; then the first Job says it
            self.connection.ask("get namespaces", self.namespace)

    @property
    def mirror(self) -> Mirror:
        """The namespace's Jobs and pods; the watches start with the first look, and again where one has died."""
        if self._mirror is not None and not self._mirror.alive:
            log.warning("watch.died", namespace=self.namespace)
            self._mirror.close()
            self._mirror = None
        if self._mirror is None:
            mirror = Mirror(partial(self.connection.raw, "list jobs"), partial(self.connection.raw, "list pods"))
            if not mirror.synced(SYNC_S):
                mirror.close()
                raise ClusterError(f"Jobs and pods of {self.namespace} can't be watched", do="kubectl get jobs,pods --watch")
            self._mirror = mirror
        return self._mirror

    def holder(self, job: JobSpec) -> Holder:
        """The Job that will be created."""
        name = render.name_of(self._as_pods_see(job))
        return Holder(backend="kubernetes", cluster=self.connection.cluster_id, namespace=self.namespace, job=name)

    def submit(self, job: JobSpec) -> None:
        """Creates the attempt's Job, or adopts the one of this name."""
        seen = self._as_pods_see(job)
        if not self.cluster.pod(job.stage).volumes:
            refuse_folder(seen.store)
        if job.resources.nodes > 1:
            self._make_service()
        rendered = render.stage_job(seen, self.cluster, namespace=self.namespace, owner=self.owner)
        name = rendered["metadata"]["name"]
        if not self._room.takes(name):
            return
        try:
            self.connection.ask("create jobs", body=rendered)
            log.info("job.submitted", job=name, run=job.run, stage=job.stage)
        except AlreadyThereError:
            log.info("job.adopted", job=name, run=job.run, stage=job.stage)
        except QuotaError as error:
            self._room.refused(name, error.message)
            log.info("job.refused", job=name, run=job.run, stage=job.stage, problem=error.message)
            return
        self._room.taken(name)
        self.mirror.put(rendered)

    def _as_pods_see(self, job: JobSpec) -> JobSpec:
        return job.but(store=self.cluster.store) if self.cluster.store else job

    def _make_service(self) -> None:
        try:
            made = render.service(self.cluster.service, self.namespace, self.owner)
            self.connection.ask("create services", body=made)
        except AlreadyThereError:
            pass

    def look(self, claim: Claim) -> Sight:
        """The attempt's Job and pods, from the mirror; claims of other clusters can't be told."""
        holder = claim.holder
        mine = holder.backend == "kubernetes" and holder.namespace == self.namespace and holder.cluster == self.connection.cluster_id
        if not mine:
            return Sight(alive=None)
        if holder.job in self._given_up:  # its Job is gone by now, and why must not be forgotten
            return self._given_up[holder.job]
        job, pods = self.mirror.job(holder.job), self.mirror.pods(holder.job)
        if job is None and (waits := self._room.sight(holder.job)):
            return waits
        memory = str(claim.resources.get("memory", ""))
        seen = status.sight(job, pods, self._events_of(holder.job, job, pods), memory=memory)
        if job is not None and seen.alive and seen.outcomes and seen.note:
            return self._written_off(holder.job, pods, seen)
        self._ending.pop(holder.job, None)
        if job is not None and seen.alive and seen.note:
            return self._hopeless(holder.job, job, pods) or seen
        self._first_seen.pop(holder.job, None)
        return seen

    def _written_off(self, name: str, pods: list[Object], seen: Sight) -> Sight:
        """A Job that is failing: over when its last pod has ended, or is overdue (its node does not answer)."""
        since = self._ending.setdefault(name, time.monotonic())
        grace = max((pod["metadata"].get("deletionGracePeriodSeconds") or 0 for pod in pods), default=0)
        return replace(seen, alive=False) if time.monotonic() - since > grace + OVERDUE_S else seen

    def _hopeless(self, name: str, job: Object, pods: list[Object]) -> Sight | None:
        """Given up: what it waits for does not come by waiting."""
        note, reason = status.waiting(job, pods, self._events_of(name, job, pods))
        if reason is None or not reason.hopeless:
            self._first_seen.pop(name, None)
            return None
        since = self._first_seen.setdefault(name, time.monotonic())
        if time.monotonic() - since < HOPELESS_S:
            return None
        self._delete(name)
        said = "\n".join(note.rsplit("; ", 1))  # the cause, and on a line of its own what to do: better than what is said of the code
        self._given_up[name] = Sight(alive=False, outcomes={"0": Outcome(code=Code.CANNOT_RUN_HERE, message=said)}, note=note)
        return self._given_up[name]

    def _events_of(self, name: str, job: Object | None, pods: list[Object]) -> list[Object]:
        """Warnings about a Job that has no pod yet: quota, admission."""
        if job is None or pods or job["spec"].get("suspend") or (job.get("status") or {}).get("conditions"):
            self._refusals.forget(name)
            return []
        return self._refusals.of(name)

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        """Deletes the Job; its pods get SIGTERM and the grace of their own template."""
        del grace_s  # the template holds it
        if claim.holder.backend == "kubernetes" and claim.holder.namespace == self.namespace:
            self._delete(claim.holder.job)

    def _delete(self, name: str) -> None:
        if name in self._stopping:
            return
        job = self.mirror.job(name)
        body: Object = {"propagationPolicy": "Background"}
        if job and "uid" in job["metadata"]:
            body["preconditions"] = {"uid": job["metadata"]["uid"]}  # never another's of the same name
        with contextlib.suppress(GoneError, AlreadyThereError):
            self.connection.ask("delete jobs", name, body=body)
        self._stopping.add(name)

    def wait(self, timeout_s: float) -> None:
        """Until a Job or pod changed."""
        self.mirror.changed.wait(timeout_s)
        self.mirror.changed.clear()

    def leave(self) -> None:
        """Nothing of it runs here."""

    def close(self) -> None:
        """Ends the watches; what runs goes on."""
        if self._mirror is not None:
            self._mirror.close()


def refuse_folder(store: str) -> None:
    """Says that pods which mount nothing can't see a folder of this machine.

    Raises:
        UserError: the store is one.
    """
    if not store.startswith("s3://"):
        raise UserError(
            f"the store {store} is a folder of this machine, and pods can't see it",
            do="name an s3:// store (--store s3://bucket/prefix), or mount one: kubernetes.volumes and kubernetes.store",
        )
