"""Checks that what a run's results promise is in the store, byte for byte where asked."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from lading.canonical import CHUNK_BYTES
from lading.errors import ManifestError, MissingObjectError
from lading.manifest.handoff import read_manifest, standing
from lading.manifest.model import InputRef, Manifest
from lading.names import AttemptId
from lading.store.base import Digest, Store

READERS = 4
PIECE = 8 * CHUNK_BYTES
State = Literal["sound", "missing", "damaged", "refused", "voided"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one artifact, or of a whole stage where `artifact` is empty."""

    stage: str
    artifact: str
    state: State
    message: str = ""
    handed_on: bool = True

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.state == "sound"


def verify(
    store: Store, stages: Mapping[str, tuple[str, str]], *, deep: bool = True, on_finding: Callable[[Finding], None] = lambda _: None
) -> list[Finding]:
    """Looks at every artifact of every stage, and of what they were made from.

    Args:
        store: where.
        stages: stage name to kind and key, as run.json holds them; a stage without a result is none of it.
        deep: read every byte and check its sha256; else existence and size alone, by one LIST a stage.
        on_finding: hears each finding as it is made.
    """
    findings: list[Finding] = []
    for finding in _all(store, stages, deep):
        findings.append(finding)
        on_finding(finding)
    return findings


def _all(store: Store, stages: Mapping[str, tuple[str, str]], deep: bool) -> Iterator[Finding]:
    seen: set[tuple[str, str, int]] = set()
    ancestors: list[tuple[str, InputRef]] = []
    for stage, (kind, key) in stages.items():
        try:
            now = standing(store, kind, key)
        except ManifestError as error:
            yield Finding(stage, "", "refused", error.message)
            continue
        if now.manifest is None:
            state: State = "voided" if now.void else "missing"
            yield Finding(stage, "", state, f"its result was voided: {now.void.reason}" if now.void else "it has no result in the store")
            continue
        seen.add((kind, key, now.n))
        ancestors += [(f"{stage} < {role}", ref) for role, ref in sorted(now.manifest.inputs.items())]
        yield from verify_manifest(store, stage, now.manifest, deep=deep)
    while ancestors:
        name, ref = ancestors.pop(0)
        if (ref.kind, ref.key, ref.n) in seen:
            continue
        seen.add((ref.kind, ref.key, ref.n))
        try:
            manifest = read_manifest(store, ref)
        except MissingObjectError:
            yield Finding(name, "", "missing", f"the manifest of {ref.kind}/{ref.key[:12]} number {ref.n} is not there")
            continue
        except ManifestError as error:
            yield Finding(name, "", "refused", error.message)
            continue
        ancestors += [(f"{name} < {role}", parent) for role, parent in sorted(manifest.inputs.items())]
        yield from verify_manifest(store, name, manifest, deep=deep)


def verify_manifest(store: Store, stage: str, manifest: Manifest, *, deep: bool) -> Iterator[Finding]:
    """Every artifact of one manifest, in the order of their names."""
    prefix = AttemptId(manifest.kind, manifest.key, manifest.attempt).artifacts
    sizes = {stat.key[len(prefix) :]: stat.size for stat in store.list(prefix)}

    def look(name: str) -> Finding:
        artifact = manifest.artifacts[name]
        found = sizes.get(artifact.path)
        if found is None:
            return Finding(stage, name, "missing", f"{prefix}{artifact.path} is not there", artifact.handed_on)
        if found != artifact.size:
            return Finding(stage, name, "damaged", f"it has {found} bytes, and {artifact.size} were promised", artifact.handed_on)
        if deep and (got := _digest(store, prefix + artifact.path, artifact.size)) != Digest(artifact.size, artifact.sha256):
            return Finding(
                stage, name, "damaged", f"its sha256 is {got.sha256[:12]}, and {artifact.sha256[:12]} was promised", artifact.handed_on
            )
        return Finding(stage, name, "sound", "", artifact.handed_on)

    with ThreadPoolExecutor(READERS, thread_name_prefix="verify") as pool:
        yield from pool.map(look, sorted(manifest.artifacts))


def _digest(store: Store, key: str, size: int) -> Digest:
    """Of an object's bytes, read in pieces, so that neither memory nor disk is needed for it."""
    digest, read = hashlib.sha256(), 0
    while read < size:
        try:
            piece = store.read(key, start=read, limit=PIECE)
        except MissingObjectError:
            break
        if not piece:
            break
        digest.update(piece)
        read += len(piece)
    return Digest(read, digest.hexdigest())
