"""Fetches artifacts of a result out of the store, checked against its manifest."""

import contextlib
import difflib
import secrets
from pathlib import Path

from lading.canonical import sha256_file
from lading.errors import DamagedInputError, NotFoundError, UserError
from lading.manifest.model import Artifact, Manifest
from lading.names import AttemptId
from lading.store.base import Store

ALL = "all"


def full_name(manifest: Manifest, text: str) -> str:
    """The name of the artifact or folder that a text means: itself, or an unmistakable part, `onnx` for `model.onnx`; else the text.

    Raises:
        NotFoundError: it may be several.
    """
    files = list(manifest.artifacts)
    folders = list(dict.fromkeys(str(folder) for name in files for folder in Path(name).parents if folder != Path()))
    if text == ALL or text.rstrip("/") in {*files, *folders}:
        return text.rstrip("/")
    for names in (files, folders):
        fitting = sorted(name for name in names if text in Path(name).name.split("."))
        if len(fitting) > 1:
            raise NotFoundError(f"{text!r} may be {' or '.join(fitting)}", do="name one of them in full")
        if fitting:
            return fitting[0]
    return text


def chosen(manifest: Manifest, name: str) -> dict[str, Artifact]:
    """The artifact of a full name, or all below a folder of that name.

    Raises:
        NotFoundError: with the nearest name.
    """
    if name in manifest.artifacts:
        return {name: manifest.artifacts[name]}
    prefix = "" if name == ALL else name.rstrip("/") + "/"
    found = {known: artifact for known, artifact in manifest.artifacts.items() if known.startswith(prefix)}
    if not found:
        close = difflib.get_close_matches(name, [*manifest.artifacts], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(sorted(manifest.artifacts)) or 'none'}"
        raise NotFoundError(f"{manifest.kind}/{manifest.key[:12]} made no artifact {name!r}", do=hint)
    return found


def fetch(store: Store, manifest: Manifest, name: str, destination: Path) -> list[tuple[str, Path, Artifact]]:
    """Downloads one artifact, or a folder of them, where it is not there already; a file with other bytes than the manifest's is not left.

    Args:
        store: where from.
        manifest: of the result.
        name: an artifact's name or an unmistakable part of it, the folder of several (`model.mlpackage`), or `all`.
        destination: a file's path for one artifact, else the folder in which the names are laid out.

    Raises:
        NotFoundError: there is no such artifact.
        DamagedInputError: the store holds other bytes than the manifest promises.
    """
    name = full_name(manifest, name)
    found = chosen(manifest, name)
    one = list(found) == [name]
    as_file = one and not destination.is_dir() and destination != Path()
    fetched = []
    for known, artifact in sorted(found.items()):
        path = destination if as_file else destination / (Path(known).name if one else known)
        fetch_one(store, manifest, known, path)
        fetched.append((known, path, artifact))
    return fetched


def fetch_one(store: Store, manifest: Manifest, name: str, path: Path) -> Path:
    """Makes a file with one artifact's bytes: by a download, its size and sha256 checked before the file gets its name, or by none where
    the file has these bytes already."""
    artifact = manifest.artifacts[name]
    partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.partial")  # others may fetch the same at this moment
    try:
        if _is_there(path, artifact):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = store.download(AttemptId(manifest.kind, manifest.key, manifest.attempt).artifacts + artifact.path, partial)
        if (digest.size, digest.sha256) != (artifact.size, artifact.sha256):
            raise DamagedInputError(
                f"{name} is damaged in {store.uri}: its sha256 is {digest.sha256[:16]}…, its manifest says {artifact.sha256[:16]}…",
                need=manifest.kind,
                artifact=name,
                do="lading run FILE makes it again once `lading verify RUN --deep` has named it",
            )
        partial.replace(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{path} can't be written: {error.filename} is not a folder", do="name another place") from error
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}", do="name another place") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return path


def _is_there(path: Path, artifact: Artifact) -> bool:
    return path.is_file() and path.stat().st_size == artifact.size and sha256_file(path) == artifact.sha256
