"""Outside data: named by its sorted listing, so that data that changed is a miss and data that didn't is a hit."""

from pathlib import Path

from lading.canonical import sha256_file, sha256_of
from lading.errors import UserError
from lading.frozen import Frozen
from lading.plan import cache
from lading.store.opening import open_store

SMALL = 1 << 20
"""Bytes of a file that is read again rather than looked up."""


class Item(Frozen):
    """One file or object."""

    name: str
    size: int
    tag: str
    """sha256 of a local file; the etag of an object."""


def digest(listing: list[Item]) -> str:
    """The name of data: sha256 over its sorted listing."""
    return sha256_of([[item.name, item.size, item.tag] for item in sorted(listing, key=lambda item: item.name)])


def listing(uri: str, folder: Path) -> list[Item]:
    """What is there: a file, a folder (without hidden files), or the objects below s3://bucket/prefix.

    Args:
        uri: as a pipeline names it.
        folder: where relative paths start.

    Raises:
        UserError: there is nothing.
    """
    if "://" in uri and not uri.startswith("file://"):
        items = [Item(name=stat.key, size=stat.size, tag=stat.etag.strip('"')) for stat in open_store(uri).list("")]
        if not items:
            raise UserError(f"there is no data at {uri}", do="check the address: a bucket and a prefix that ends where a folder would")
        return items
    path = folder / Path(uri.removeprefix("file://")).expanduser()
    if path.is_file():
        return [_file(path, path.name)]
    if not path.is_dir():
        raise UserError(f"there is no data at {path}", do="check the path; relative ones start at the folder of the pipeline file")
    items = [
        _file(file, file.relative_to(path).as_posix()) for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file, path)
    ]
    if not items:
        raise UserError(f"the folder {path} holds no files", do="check the path")
    return items


def check(uri: str, folder: Path, expected: str) -> None:
    """Looks whether data is still what a plan saw.

    Raises:
        UserError: it changed.
        StoreError: it can't be listed.
    """
    if digest(listing(uri, folder)) != expected:
        raise UserError(f"the data at {uri} changed since the plan", do="run again: the new data gets a key of its own")


def sha256_cached(path: Path) -> str:
    """The sha256 of a local file; a large one is remembered by inode, size and mtime."""
    stat = path.stat()
    if stat.st_size < SMALL:
        return sha256_file(path)
    stamp = f"{stat.st_dev}-{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}"
    place = cache.folder("files") / stamp
    kept = cache.read(place)
    if kept and len(kept) == 64:
        return kept.decode()
    found = sha256_file(path)
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        cache.write(place, found.encode())
    return found


def _file(path: Path, name: str) -> Item:
    try:
        return Item(name=name, size=path.stat().st_size, tag=sha256_cached(path))
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
