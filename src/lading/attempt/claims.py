"""Who tries a key next: claims are numbered and written once, so of several launchers one holds each number."""

from lading.attempt.records import Claim
from lading.names import AttemptId
from lading.store.base import Store


def claim(store: Store, claim: Claim) -> bool:
    """Takes the attempt that the claim names; True for exactly one of all who try, however often it asks."""
    return store.write(AttemptId(claim.kind, claim.key, claim.n).claim, claim.to_bytes(), if_absent=True)
