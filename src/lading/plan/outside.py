"""Outside data: named by its sorted listing, so that data that changed is a miss and data that didn't is a hit.

It lies at a path (a file, or a folder) or at an address (an object, or all objects below a prefix); names that begin with a dot are
nobody's data.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from lading.canonical import sha256_file, sha256_of
from lading.errors import MissingObjectError, UserError
from lading.frozen import Frozen
from lading.plan import cache
from lading.store.base import Stat, Store
from lading.store.keys import check_key
from lading.store.opening import open_store

OUTSIDE = {"data": ("path",)}
"""Kind to the settings that name data outside of the store."""
SMALL = 1 << 20
"""Bytes of a file that is read again rather than looked up."""
PARALLEL = 8
"""How many objects are downloaded at a time."""


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
    if is_remote(uri):
        return [Item(name=stat.key, size=stat.size, tag=stat.etag.strip('"')) for stat in _found(uri)[1]]
    path = place_of(uri, folder)
    if not path.exists():
        raise UserError(f"there is no data at {path}", do="check the path; relative ones start at the folder of the pipeline file")
    items = [_file(file, name) for name, file in files(path)]
    if not items:
        raise UserError(f"the folder {path} holds no files", do="check the path")
    return items


def sizes(uri: str, folder: Path) -> list[int]:
    """Bytes of each file or object that is there, none of which is read; empty where there is nothing."""
    if is_remote(uri):
        return [stat.size for stat in _objects(uri)[1]]
    return [file.stat().st_size for _, file in files(place_of(uri, folder))]


def is_remote(uri: str) -> bool:
    """Whether data lies at an address, and must be fetched."""
    return "://" in uri and not uri.startswith("file://")


def place_of(uri: str, folder: Path) -> Path:
    """Where data that is no address lies."""
    return folder / Path(uri.removeprefix("file://")).expanduser()


def files(path: Path) -> list[tuple[str, Path]]:
    """The file itself, or every file of a folder by its relative name, without what is hidden."""
    if path.is_file():
        return [(path.name, path)]
    found = ((file.relative_to(path), file) for file in sorted(path.rglob("*")) if file.is_file())
    return [(name.as_posix(), file) for name, file in found if not _hidden(name.parts)]


def fetch(uri: str, target: Path) -> Path:
    """Brings what lies at an address below a folder.

    Returns:
        Where it is now: a file for one object, else the folder.

    Raises:
        UserError: there is nothing, an object went away meanwhile, or names that no folder can hold.
        StoreError: it can't be read.
    """
    store, stats = _found(uri)
    places = {stat.key: target / check_key(stat.key) for stat in stats}
    above = {str(folder) for key in places for folder in PurePosixPath(key).parents}
    if both := sorted(above & places.keys()):
        raise UserError(f"{uri} holds an object and a folder of one name: {both[0]}", do="rename one of them")
    try:
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="outside") as pool:
            list(pool.map(store.download, places, places.values()))
    except MissingObjectError as error:
        raise UserError(f"the data at {uri} changed while it was read: {error.message}", do="run again") from None
    return next(iter(places.values())) if _is_object(uri, store) else target


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


def _objects(uri: str) -> tuple[Store, list[Stat]]:
    """What lies at an address, and the store whose keys name it: all below a prefix, else the one object of that name."""
    store = open_store(uri)
    if found := _seen(store.list("")):
        return store, found
    above, _, name = uri.rstrip("/").rpartition("/")
    if above.endswith("/"):  # a bucket alone
        return store, []
    store = open_store(above)
    return store, [stat for stat in _seen(store.list(name)) if stat.key == name]


def _found(uri: str) -> tuple[Store, list[Stat]]:
    """The same where there must be something."""
    store, stats = _objects(uri)
    if not stats:
        raise UserError(f"there is no data at {uri}", do="check the address: an object, or a prefix that ends where a folder would")
    return store, stats


def _is_object(uri: str, store: Store) -> bool:
    return store.uri != open_store(uri).uri


def _seen(stats: Iterable[Stat]) -> list[Stat]:
    return [stat for stat in stats if not _hidden(stat.key.split("/"))]


def _hidden(parts: Iterable[str]) -> bool:
    return any(part.startswith(".") for part in parts)
