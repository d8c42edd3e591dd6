"""Results that no longer count: read again where a stage says that they are damaged, and made again where a person asks."""

import tempfile
from pathlib import Path

from lading.errors import ManifestError, MissingObjectError
from lading.manifest.handoff import Standing, read_manifest, read_record
from lading.manifest.model import InputRef, Void
from lading.names import AttemptId
from lading.store.base import Store


def is_damaged(store: Store, ref: InputRef, artifact: str) -> bool:
    """Whether an artifact's bytes in the store are not those that its manifest promises; a transfer's damage is not."""
    try:
        manifest = read_manifest(store, ref)
    except MissingObjectError:
        return True  # gc took it, voided, with its bytes
    except ManifestError:
        return False  # refused: its stage says so itself
    promised = manifest.artifacts.get(artifact)
    if promised is None:
        return False
    place = AttemptId(manifest.kind, manifest.key, manifest.attempt).artifacts + promised.path
    with tempfile.TemporaryDirectory(prefix="lading-look-") as folder:
        try:
            found = store.download(place, Path(folder) / "artifact")
        except MissingObjectError:
            return True
    return (found.size, found.sha256) != (promised.size, promised.sha256)


def forced(store: Store, now: Standing, run: str) -> bool:
    """Whether what stands was already made again for this run's --force: the record before it is this run's void."""
    if now.manifest is None or now.n < 2:
        return now.manifest is not None and now.manifest.provenance.run == run
    try:
        before = read_record(store, now.manifest.kind, now.manifest.key, now.n - 1)
    except (ManifestError, MissingObjectError):
        return False
    return (isinstance(before, Void) and before.run == run) or now.manifest.provenance.run == run
