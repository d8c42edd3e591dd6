"""What the store holds of results: one LIST, and a read of only those records that a plan asks for, kept on disk by etag."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

from lading.errors import ManifestError, MissingObjectError, NewerFormatError
from lading.manifest.handoff import numbered, read_record
from lading.manifest.model import Manifest, Void
from lading.plan import cache
from lading.store.base import Stat, Store

Place = tuple[str, str]
"""Kind and key."""
PARALLEL = 16


@dataclass(frozen=True, slots=True)
class Found:
    """The highest record of a key."""

    n: int
    record: Manifest | Void | None = None
    """None: it is refused, see `problem`."""
    problem: str = ""


@dataclass(slots=True)
class Records:
    """The highest records of all keys."""

    store: Store
    _highest: dict[Place, tuple[int, Stat]] = field(default_factory=dict)
    _read: dict[Place, Found] = field(default_factory=dict)

    @classmethod
    def listed(cls, store: Store) -> "Records":
        """By one LIST of the store's manifests."""
        highest: dict[Place, tuple[int, Stat]] = {}
        for stat in store.list("manifests/"):
            if (document := numbered(stat.key)) is not None:
                kind, key, n = document
                if n > highest.get((kind, key), (0, stat))[0]:
                    highest[kind, key] = (n, stat)
        return cls(store, highest)

    def get(self, place: Place) -> Found:
        """The highest record of a key; number 0 if there is none."""
        if place not in self._highest:
            return Found(0)
        if place not in self._read:
            self._read[place] = self._fetch(place)
        return self._read[place]

    def forget(self, place: Place) -> None:
        """A key whose records changed since the LIST."""
        self._highest.pop(place, None)
        self._read.pop(place, None)

    def fetch(self, places: Iterable[Place]) -> None:
        """Reads several at a time, so that `get` finds them."""
        todo = [place for place in dict.fromkeys(places) if place in self._highest and place not in self._read]
        if len(todo) < 2 or not self.store.uri.startswith("s3://"):
            return
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="plan") as pool:
            self._read.update(zip(todo, pool.map(self._fetch, todo), strict=True))

    def _fetch(self, place: Place) -> Found:
        n, stat = self._highest[place]
        try:
            return Found(n, read_kept(self.store, stat, *place, n))
        except NewerFormatError:
            raise  # it is not broken: what would be made anew here would overrule it
        except ManifestError as error:
            return Found(n, problem=error.message)
        except MissingObjectError:  # gc was faster
            return Found(0)


def read_kept(store: Store, stat: Stat, kind: str, key: str, n: int) -> Manifest | Void:
    """A record that was listed, from disk where it was read before.

    Raises:
        ManifestError: it is refused.
        MissingObjectError: there is none.
    """
    return read_record(cast(Store, _Kept(store, stat)), kind, key, n)  # it only reads


@dataclass(frozen=True, slots=True)
class _Kept:
    """Reads one object of a store, from disk where its etag is still the same. A folder is as fast as a cache of it."""

    store: Store
    stat: Stat

    @property
    def uri(self) -> str:
        return self.store.uri

    def read(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        if not self.uri.startswith("s3://") or start:
            return self.store.read(key, start=start, limit=limit)
        stamp = hashlib.sha256(f"{self.uri}\n{key}\n{self.stat.etag}".encode()).hexdigest()
        path = cache.folder("manifests") / stamp[:2] / stamp
        kept = cache.read(path)
        if kept is not None and len(kept) == self.stat.size:
            return kept
        data = self.store.read(key, limit=limit)
        if len(data) == self.stat.size:
            cache.write(path, data)
        return data
