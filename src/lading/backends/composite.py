"""One backend of two: stages with `runner:` are offered to runners, all others run where the run's backend runs them."""

from lading.attempt.records import Claim, Holder
from lading.backends.base import Backend, Sight
from lading.backends.runner import RunnerBackend
from lading.names import AttemptId
from lading.plan.job import JobSpec


class CompositeBackend:
    """Asks the backend that holds an attempt.

    Args:
        main: of the run.
        runner: for what is to be pulled.
    """

    def __init__(self, main: Backend, runner: RunnerBackend) -> None:
        self.main, self.runner = main, runner
        self.name = main.name
        self.completes = main.completes
        self._held: dict[AttemptId, Backend] = {}
        """An attempt that is claimed stays where its claim put it, whatever this run's pipeline asks for."""

    def _of(self, job: JobSpec) -> Backend:
        return self._held.get(job.id) or (self.runner if job.resources.runner else self.main)

    def _holding(self, claim: Claim) -> Backend:
        backend = self.runner if claim.holder.backend == "runner" else self.main
        self._held[AttemptId(claim.kind, claim.key, claim.n)] = backend
        return backend

    def holder(self, job: JobSpec) -> Holder:
        """Who will hold it, where its resources ask it to be."""
        return (self.runner if job.resources.runner else self.main).holder(job)

    def submit(self, job: JobSpec) -> None:
        """Starts it, or offers it."""
        self._of(job).submit(job)

    def look(self, claim: Claim) -> Sight:
        """What its own backend sees of it."""
        return self._holding(claim).look(claim)

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        """Asks its own backend to stop it."""
        self._holding(claim).stop(claim, grace_s=grace_s)

    def wait(self, timeout_s: float) -> None:
        """Until something may have changed in the main backend; what runners do is looked at each time."""
        self.main.wait(timeout_s)

    def leave(self) -> None:
        """Asks what was started on this machine to stop; what runs elsewhere goes on."""
        self.main.leave()
        self.runner.leave()

    def close(self) -> None:
        """Lets go of what both hold open; what runs goes on."""
        self.main.close()
        self.runner.close()
