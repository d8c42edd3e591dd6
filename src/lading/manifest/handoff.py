"""How results are handed on: what speaks for a key now, receiving it, committing a new one, and voiding one that no longer counts."""

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lading import names
from lading.errors import DamagedInputError, ManifestError, MissingObjectError, StoreError
from lading.manifest.checking import problem_with
from lading.manifest.lineage import check_lineage
from lading.manifest.model import MAX_BYTES, InputRef, Manifest, Void
from lading.manifest.reading import read_document, refuse
from lading.names import AttemptId
from lading.store.base import Digest, Store

PARALLEL = 8
"""How many artifacts are downloaded at a time."""
TRIES = 100
"""How often a commit looks again before it says that something is wrong with the store."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What speaks for a key now: at most one of manifest and void."""

    n: int
    """The number of the highest record, after which a commit writes; 0 where there is none."""
    manifest: Manifest | None = None
    void: Void | None = None

    @property
    def ref(self) -> InputRef | None:
        """The result that stands, as others name it."""
        return self.manifest.ref(self.n) if self.manifest else None


def highest(store: Store, kind: str, key: str) -> int:
    """The number of the highest record of a key, by one LIST; 0 where there is none."""
    return newest(store, names.manifests(kind, key))


def newest(store: Store, prefix: str) -> int:
    """The highest number of the documents `<n>.json` below a prefix, by one LIST; 0 where there is none."""
    return max((number_of(stat.key[len(prefix) :]) for stat in store.list(prefix)), default=0)


def numbered(key: str) -> tuple[str, str, int] | None:
    """The two names and the number of `manifests/<kind>/<key>/<n>.json`, or of a champion; none for what is no such document."""
    parts = key.split("/")
    return (parts[1], parts[2], number) if len(parts) == 4 and (number := number_of(parts[3])) else None


def number_of(name: str) -> int:
    """The number in `<n>.json`; 0 for what is not named so, which is not a record."""
    stem, dot, suffix = name.partition(".")
    plain = dot and suffix == "json" and stem.isascii() and stem.isdigit() and not stem.startswith("0") and len(stem) < 10
    return int(stem) if plain else 0


def standing(store: Store, kind: str, key: str) -> Standing:
    """What speaks for a key now: one LIST, and one read of the highest record.

    Raises:
        ManifestError: the record is refused.
    """
    for _ in range(3):
        if not (n := highest(store, kind, key)):
            return Standing(0)
        try:
            record = read_record(store, kind, key, n)
        except MissingObjectError:  # gc was faster: look again
            continue
        return Standing(n, manifest=record) if isinstance(record, Manifest) else Standing(n, void=record)
    raise StoreError(f"the records of {kind}/{key[:12]} in {store.uri} are listed and can't be read", do="lading doctor")


def read_record(store: Store, kind: str, key: str, n: int) -> Manifest | Void:
    """The manifest or void with a number.

    Raises:
        ManifestError: it is refused.
        MissingObjectError: there is none.
    """
    place = names.manifest(kind, key, n)
    record = read_document(store, place, Manifest, Void)
    assert isinstance(record, Manifest | Void)
    if problem := problem_with(record, kind=kind, key=key, n=n):
        refuse(f"{place} in {store.uri}", problem)
    return record


def read_manifest(store: Store, ref: InputRef) -> Manifest:
    """The manifest that a reference names, of exactly that kind, key, number and result.

    Raises:
        ManifestError: it is refused, is a void record, or has another result.
    """
    record = read_record(store, ref.kind, ref.key, ref.n)
    where = f"{names.manifest(ref.kind, ref.key, ref.n)} in {store.uri}"
    if isinstance(record, Void):
        refuse(where, "it is a void record, and a manifest is expected there")
    if record.result != ref.result:
        refuse(where, f"its result is {record.result[:12]}, and {ref.result[:12]} is expected")
    return record


def missing(store: Store, manifest: Manifest) -> list[str]:
    """The artifacts handed on that are not there or have another size, by one LIST: what a hit is asked before it is used."""
    prefix = AttemptId(manifest.kind, manifest.key, manifest.attempt).artifacts
    sizes = {stat.key[len(prefix) :]: stat.size for stat in store.list(prefix)}
    return sorted(name for name, artifact in manifest.artifacts.items() if artifact.handed_on and sizes.get(artifact.path) != artifact.size)


def receive(store: Store, ref: InputRef, folder: Path, *, role: str, manifest: Manifest | None = None) -> Manifest:
    """Downloads the artifacts that a result hands on into the need's own folder, each with its sha256 checked.

    Args:
        store: where from.
        ref: the result.
        folder: of this need alone; each artifact lies below by its name.
        role: the need's name, for the error.
        manifest: where it was read already.

    Raises:
        DamagedInputError: an artifact has other bytes than promised, or is not there, at the second download too.
        ManifestError: the manifest is refused.
    """
    manifest = manifest or read_manifest(store, ref)
    folder.mkdir(parents=True, exist_ok=True)
    handed = sorted(name for name, artifact in manifest.artifacts.items() if artifact.handed_on)
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="receive") as pool:
        arrivals = [pool.submit(_download, store, manifest, name, folder, role) for name in handed]
        try:
            for arrival in arrivals:
                arrival.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return manifest


def receive_all(store: Store, kind: str, inputs: Mapping[str, InputRef], folder: Path) -> dict[str, Manifest]:
    """Receives every need of a stage into `folder/<role>`, after checking that they are of one lineage.

    Raises:
        WrongInputError: two of them come from different makings of one result.
        DamagedInputError: see `receive`.
    """
    manifests = {role: read_manifest(store, ref) for role, ref in inputs.items()}
    check_lineage(kind, inputs, manifests, lambda ref: read_manifest(store, ref))
    for role, ref in sorted(inputs.items()):
        receive(store, ref, folder / role, role=role, manifest=manifests[role])
    return manifests


def _download(store: Store, manifest: Manifest, name: str, folder: Path, role: str) -> None:
    """One artifact, once more if its bytes are wrong."""
    artifact = manifest.artifacts[name]
    key = AttemptId(manifest.kind, manifest.key, manifest.attempt).artifacts + artifact.path
    target = folder / name
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise ManifestError(f"the artifact {name} of need {role} would be written outside of {folder}, through a link")
    expected, seen = Digest(artifact.size, artifact.sha256), ""
    for _ in range(2):
        try:
            got = store.download(key, target)
        except MissingObjectError:
            seen = "it is not there"
            continue
        if got == expected:
            return
        target.unlink(missing_ok=True)
        seen = (
            f"it has {got.size} bytes instead of {expected.size}" if got.size != expected.size else f"its bytes changed ({got.sha256[:12]})"
        )
    raise DamagedInputError(
        f"the artifact {name} of need {role} ({manifest.kind}/{manifest.key[:12]}, attempt {manifest.attempt}) is damaged "
        f"in {store.uri}: {seen}, after a second download too",
        need=role,
        artifact=name,
        do="nothing, unless it comes back: the launcher has the stage that made it run again",
    )


def commit(store: Store, manifest: Manifest, *, after: int) -> tuple[int, Manifest]:
    """Writes a manifest once, after number `after`, and says what stands: ours, or the one of another attempt that was first.

    Calling it again with the same manifest is harmless: its own record is found by the nonce.

    Raises:
        ManifestError: it is not what the format promises, so nobody could read it.
    """
    data = manifest.to_bytes()
    if problem := problem_with(manifest, kind=manifest.kind, key=manifest.key) or ("it is too large" if len(data) > MAX_BYTES else ""):
        raise ManifestError(f"the manifest of {manifest.kind}/{manifest.key[:12]} can't be committed: {problem}")
    n = after + 1
    for _ in range(TRIES):
        if store.write(names.manifest(manifest.kind, manifest.key, n), data, if_absent=True):
            return n, manifest
        now = standing(store, manifest.kind, manifest.key)
        if now.manifest is not None:
            return now.n, now.manifest
        if own := _own(store, manifest, after=n - 1, upto=now.n):
            return own, manifest
        n = now.n + 1
    raise StoreError(f"the number after {after} of {manifest.kind}/{manifest.key[:12]} is always taken", do="lading doctor")


def _own(store: Store, manifest: Manifest, *, after: int, upto: int) -> int:
    """The number under which this very manifest was committed before, though a void may speak by now; 0 if none."""
    for n in range(after + 1, upto + 1):
        try:
            record = read_record(store, manifest.kind, manifest.key, n)
        except (MissingObjectError, ManifestError):
            continue
        if isinstance(record, Manifest) and record.nonce == manifest.nonce:
            return n
    return 0


def void(store: Store, kind: str, key: str, *, n: int, reason: str, run: str | None) -> bool:
    """Says that record `n` no longer counts, and why; True: a void (this one, or another's) stands at n + 1."""
    record = Void(kind=kind, key=key, voids=n, nonce=secrets.token_hex(16), reason=reason, run=run)
    if store.write(names.manifest(kind, key, n + 1), record.to_bytes(), if_absent=True):
        return True
    return isinstance(read_record(store, kind, key, n + 1), Void)
