"""What a manifest must keep beyond the types of its fields; pure."""

from lading.manifest.model import Manifest, Void, plain_path, result_of

MAX_ARTIFACTS = 20_000


def problem_with(record: Manifest | Void, *, kind: str, key: str, n: int | None = None) -> str:
    """What is wrong with a record that lies at this place, in a sentence; empty if nothing is.

    Args:
        record: the manifest or void.
        kind: the kind of the place it was read from, or will be written to.
        key: the key of that place.
        n: its number there, where that is known.
    """
    if record.kind != kind or record.key != key:
        return f"it is of {record.kind}/{record.key[:12]}, and lies at {kind}/{key[:12]}"
    if not 1 <= len(record.nonce) <= 128:
        return "its nonce is empty or longer than 128 characters"
    if isinstance(record, Void):
        return f"it is number {n} and voids {record.voids}, which is not before it" if n is not None and record.voids >= n else ""
    return _artifacts(record) or _names(record)


def _artifacts(manifest: Manifest) -> str:
    """What is wrong with the files that a manifest names."""
    if len(manifest.artifacts) > MAX_ARTIFACTS:
        return f"it names {len(manifest.artifacts)} artifacts, more than {MAX_ARTIFACTS}"
    for name in manifest.artifacts:
        try:
            plain_path(name)
        except ValueError as error:
            return f"the artifact's name {error}"
    names, paths = list(manifest.artifacts), [artifact.path for artifact in manifest.artifacts.values()]
    if problem := collision(names) or collision(paths):
        return problem
    if manifest.result != result_of(manifest.artifacts):
        return "its result is not the digest of the artifacts that it hands on"
    return ""


def collision(paths: list[str]) -> str:
    """Two paths that can't both lie in one folder of every system: equal but for case, or one a folder of the other."""
    seen: dict[str, str] = {}
    for path in paths:
        if (other := seen.setdefault(path.casefold(), path)) is not path:
            return f"the artifacts {other!r} and {path!r} would lie on each other where case does not count"
    for path in paths:
        parts = path.casefold().split("/")
        for end in range(1, len(parts)):
            if (other := seen.get("/".join(parts[:end]), "")) != "":
                return f"the artifact {other!r} is a file and, for {path!r}, a folder"
    return ""


def _names(manifest: Manifest) -> str:
    """What is wrong with roles and measurements."""
    for what, names in (("need", manifest.inputs), ("measurement", manifest.measurements)):
        for name in names:
            if not (0 < len(name) <= 200 and name.isprintable()):
                return f"the {what} {name[:40]!r} is empty, too long or not printable"
    return ""
