"""A store in a dict: the promises of `Store` for tests and simulation, with a clock of one's own."""

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lading.errors import MissingObjectError
from lading.store.base import Digest, Leftover, Stat
from lading.store.keys import check_key, check_prefix
from lading.store.streams import arrival, source


class MemoryStore:
    """Objects in memory; `before` is called with (act, key) ahead of every operation and may raise, switch or count."""

    def __init__(self, *, clock: Callable[[], float] = lambda: 0.0, before: Callable[[str, str], None] = lambda act, key: None) -> None:
        self.objects: dict[str, tuple[bytes, float, str]] = {}
        self.before = before
        self._clock = clock
        self._lock = threading.Lock()
        self._etags = itertools.count(1)

    @property
    def uri(self) -> str:
        return "memory://"

    def read(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        self.before("read", check_key(key))
        data = self._get(key)
        return data[start:] if limit is None else data[start : start + limit]

    def write(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        self.before("write", check_key(key))
        with self._lock:
            if if_absent and key in self.objects:
                return self.objects[key][0] == data
            self.objects[key] = (bytes(data), self._clock(), f"e{next(self._etags)}")
            return True

    def upload(self, key: str, path: Path) -> Digest:
        with source(path) as file:
            data = file.read()
        self.write(key, data)
        return Digest(len(data), hashlib.sha256(data).hexdigest())

    def download(self, key: str, path: Path) -> Digest:
        self.before("download", check_key(key))
        data = self._get(key)
        with arrival(path) as out:
            out.write(data)
        return Digest(len(data), hashlib.sha256(data).hexdigest())

    def list(self, prefix: str) -> Iterator[Stat]:
        self.before("list", check_prefix(prefix))
        with self._lock:
            found = sorted((key, value) for key, value in self.objects.items() if key.startswith(prefix))
        for key, (data, modified, etag) in found:
            yield Stat(key, len(data), modified, etag)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.before("delete", check_key(key))
            with self._lock:
                self.objects.pop(key, None)

    def clock(self) -> float:
        return self._clock()

    def leftovers(self, before: float) -> Iterator[Leftover]:
        return iter(())

    def end(self, leftover: Leftover) -> None:
        pass

    def _get(self, key: str) -> bytes:
        with self._lock:
            if key not in self.objects:
                raise MissingObjectError(f"{key} is not in the store {self.uri}")
            return self.objects[key][0]
