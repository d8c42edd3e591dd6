"""Where a stage runs: what every backend promises to the launcher."""

from dataclasses import dataclass
from typing import Protocol

from lading.attempt.records import Claim, Holder, Outcome
from lading.plan.job import JobSpec


@dataclass(frozen=True, slots=True)
class Sight:
    """What a backend knows of one attempt beyond what the store says."""

    alive: bool | None
    """True: its process or Job is there and not ended; False: it is certainly gone; None: this backend can't tell."""
    outcomes: dict[str, Outcome] | None = None
    """Outcomes that the backend saw and the pods could not write themselves (killed for memory, evicted), by pod."""
    unbegun: bool = False
    """With `alive` False: nobody has begun it, and whoever sees that may submit it."""
    note: str = ""
    """What it waits for, in a sentence: `Pending: 0/3 nodes are available: insufficient nvidia.com/gpu`."""
    mark: str = ""
    """Changes whenever anything of it does, where the backend is told of every change; opaque."""


class Backend(Protocol):
    """Runs attempts. Submitting twice is adopting; nothing is kept that can't be read again."""

    name: str
    completes: bool
    """Whether an attempt that another launcher claimed and never began can be begun by whoever sees that."""

    def holder(self, job: JobSpec) -> Holder:
        """Who will hold the claim of this attempt, known before it starts."""

    def submit(self, job: JobSpec) -> None:
        """Starts the attempt, or adopts the one of the same kind, key and number that is already there.

        Raises:
            LadingError: it can't be started at all; what is wrong and what to do is in the error.
        """

    def look(self, claim: Claim) -> Sight:
        """What is seen of an attempt now; also of one that another launcher started. Never blocks for long."""

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        """Asks the attempt to stop (SIGTERM, then SIGKILL after the grace); returns at once."""

    def wait(self, timeout_s: float) -> None:
        """Sleeps until something about any attempt of this backend may have changed, or the timeout is over."""

    def leave(self) -> None:
        """Asks what was started on this machine to stop, and waits for nothing; what runs elsewhere goes on."""

    def close(self) -> None:
        """Lets go of what is held open; what runs goes on."""
