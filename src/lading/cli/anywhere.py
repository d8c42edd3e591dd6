"""Stops an attempt whose launcher is gone, wherever it runs: here, or as a Job of the cluster that KUBECONFIG names."""

from lading.attempt.records import Claim, Holder
from lading.backends.composite import CompositeBackend
from lading.backends.local import LocalBackend
from lading.backends.runner import RunnerBackend
from lading.errors import LadingError
from lading.store.base import Store


class Anywhere(CompositeBackend):
    """This machine's backend, which also deletes Jobs: one that waits for room would hold its place, and never look into the store.

    Args:
        store: of the run.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(LocalBackend(store.uri), RunnerBackend(store))
        self.left: list[str] = []
        """What could not be stopped from here: a sentence and the command that does it."""

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        """Asks it to stop; one that runs elsewhere stops at its next heartbeat all the same."""
        if claim.holder.backend != "kubernetes":
            super().stop(claim, grace_s=grace_s)
        elif why := _not_deleted(claim.holder):
            by_hand = f"kubectl -n {claim.holder.namespace} delete job {claim.holder.job}"
            self.left.append(f"the Job of {claim.stage} is left, and ends once its pod runs ({why}); now: {by_hand}")


def _not_deleted(holder: Holder) -> str:
    """Deletes a Job, if it is one of the cluster that is known here; why it could not."""
    from lading.backends.kubernetes.connect import Connection, GoneError

    try:
        connection = Connection(namespace=holder.namespace)
        if connection.cluster_id != holder.cluster:
            return "it is in another cluster than KUBECONFIG names"
        connection.ask("delete jobs", holder.job, body={"propagationPolicy": "Background"})
    except GoneError:
        return ""
    except LadingError as error:
        return error.message
    return ""
