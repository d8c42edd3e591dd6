"""Builds manifests, claims and outcomes for tests, with what does not matter filled in."""

import hashlib
from collections.abc import Mapping
from typing import Any

from lading.attempt.records import Claim, Holder
from lading.manifest.model import Artifact, InputRef, Manifest, result_of
from lading.names import AttemptId
from lading.store.base import Store

KEY = "a" * 64


def key_for(text: str) -> str:
    """A key for a word."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_manifest(files: Mapping[str, bytes], *, kept: Mapping[str, bytes] | None = None, **fields: Any) -> Manifest:
    """A manifest over files."""
    artifacts = {
        name: Artifact(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest(), handed_on=handed)
        for group, handed in ((files, True), (kept or {}, False))
        for name, data in group.items()
    }
    values = {"kind": "data", "key": KEY, "attempt": 1, "nonce": "n1", "artifacts": artifacts, "result": result_of(artifacts), **fields}
    return Manifest.model_validate(values)


def put_result(store: Store, files: Mapping[str, bytes], **fields: Any) -> tuple[InputRef, Manifest]:
    """Stores the artifacts of an attempt; the manifest is not committed, its number would be 1."""
    manifest = make_manifest(files, **fields)
    place = AttemptId(manifest.kind, manifest.key, manifest.attempt)
    for name, data in {**files, **fields.get("kept", {})}.items():
        store.write(place.artifacts + name, data)
    return manifest.ref(1), manifest


def make_claim(n: int = 1, **fields: Any) -> Claim:
    """A claim of a local process."""
    values = {"kind": "data", "key": KEY, "nonce": f"c{n}", "run": "r1", "stage": "data", "holder": Holder(backend="local"), **fields}
    return Claim(n=n, **values)
