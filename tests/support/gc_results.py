"""Results that the tests of gc call by a name."""

from lading.canonical import sha256_of
from lading.manifest.model import Artifact, Manifest, Provenance, result_of
from lading.names import AttemptId


def key(name: str) -> str:
    """A key that a test can call by a name."""
    return sha256_of(name)


def manifest(name: str, *, inputs: tuple[Manifest, ...] = (), attempt: int = 1, run: str | None = None, body: str = "") -> Manifest:
    """A result of kind `train` with one artifact."""
    artifacts = {"a.bin": Artifact(path="a.bin", size=1, sha256=sha256_of(name + body))}
    refs = {f"in{i}": given.ref(1) for i, given in enumerate(inputs)}
    made = Provenance(run=run)
    return Manifest(
        kind="train",
        key=key(name),
        attempt=attempt,
        nonce=name,
        inputs=refs,
        artifacts=artifacts,
        result=result_of(artifacts),
        provenance=made,
    )


def at(name: str, number: int = 1) -> AttemptId:
    """An attempt at a named key."""
    return AttemptId("train", key(name), number)
