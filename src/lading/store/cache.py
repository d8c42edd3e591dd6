"""Bytes of objects that were read before, on this machine's disk by etag: planning again reads almost nothing."""

import hashlib
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lading.errors import MissingObjectError
from lading.store.base import Stat, Store
from lading.store.directory import DirectoryStore

READERS = 8
MAX_AGE_S = 30 * 86400.0
MAX_OBJECT = 1 << 20
"""Larger objects are read from the store each time."""


def cache_folder(environ: dict[str, str] | None = None) -> Path:
    """Where: below XDG_CACHE_HOME or ~/.cache."""
    env = os.environ if environ is None else environ
    return Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or "/tmp") / ".cache") / "lading" / "objects"  # noqa: S108


def read_many(store: Store, stats: Iterable[Stat], *, folder: Path | None = None) -> dict[str, bytes]:
    """The bytes of objects as a LIST showed them; one that is gone by now is left out.

    A folder store is read as it is. Of any other, what was read before under the same etag comes from `folder`; a cache that
    can't be written or was damaged is no error, only slower.

    Args:
        store: where they are.
        stats: from `store.list`.
        folder: the cache; `cache_folder()` unless given.
    """
    wanted = list(stats)
    if isinstance(store, DirectoryStore):
        found = ((stat.key, _read(store, stat)) for stat in wanted)
        return {key: data for key, data in found if data is not None}
    place = (folder or cache_folder()) / hashlib.sha256(store.uri.encode()).hexdigest()[:16]
    known = {stat.key: data for stat in wanted if (data := _cached(place, stat)) is not None}
    missing = [stat for stat in wanted if stat.key not in known]
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        for stat, data in zip(missing, pool.map(lambda stat: _read(store, stat), missing), strict=True):
            if data is not None:
                known[stat.key] = data
                _keep(place, stat, data)
    if missing:
        _trim(place)
    return known


def _read(store: Store, stat: Stat) -> bytes | None:
    try:
        return store.read(stat.key)
    except MissingObjectError:
        return None


def _path(place: Path, stat: Stat) -> Path:
    return place / hashlib.sha256(f"{stat.key}\n{stat.etag}\n{stat.size}".encode()).hexdigest()


def _cached(place: Path, stat: Stat) -> bytes | None:
    """What was kept: its sha256 and then its bytes; whatever is not whole counts as nothing."""
    try:
        data = _path(place, stat).read_bytes()
    except OSError:
        return None
    body = data[32:]
    return body if hashlib.sha256(body).digest() == data[:32] and len(body) == stat.size else None


def _keep(place: Path, stat: Stat, data: bytes) -> None:
    """Keeps what was read, if it is what the LIST showed: an object rewritten in between has another etag by now."""
    if len(data) != stat.size or len(data) > MAX_OBJECT:
        return
    target = _path(place, stat)
    temp = target.with_name(f"{target.name}.{os.getpid()}.{time.monotonic_ns()}")
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        temp.write_bytes(hashlib.sha256(data).digest() + data)
        temp.replace(target)


def _trim(place: Path) -> None:
    """Forgets what nobody wrote anew for a month."""
    with suppress(OSError), os.scandir(place) as entries:
        old = time.time() - MAX_AGE_S
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < old:
                Path(entry.path).unlink(missing_ok=True)
