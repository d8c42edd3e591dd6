"""The cache of objects by etag: never stale, never needed."""

from collections.abc import Iterator
from pathlib import Path

from lading.store.base import Digest, Stat
from lading.store.cache import cache_folder, read_many
from lading.store.directory import DirectoryStore


class Counting:
    """A store that is no folder, and counts what is read of it."""

    uri = "s3://bucket"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.read_keys: list[str] = []

    def read(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        self.read_keys.append(key)
        return self.objects[key][1]

    def list(self, prefix: str) -> Iterator[Stat]:
        for key, (etag, data) in sorted(self.objects.items()):
            yield Stat(key, len(data), 0.0, etag)

    def write(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        raise NotImplementedError

    def upload(self, key: str, path: Path) -> Digest:
        raise NotImplementedError

    def download(self, key: str, path: Path) -> Digest:
        raise NotImplementedError

    def delete(self, keys: object) -> None:
        raise NotImplementedError


def test_what_has_the_same_etag_is_read_once(tmp_path: Path) -> None:
    """Reading again under the same etag touches the disk alone; another etag, size or store is read anew."""
    store = Counting()
    store.objects = {"a": ("e1", b"one"), "b": ("e1", b"two")}
    assert read_many(store, store.list(""), folder=tmp_path) == {"a": b"one", "b": b"two"}
    assert read_many(store, store.list(""), folder=tmp_path) == {"a": b"one", "b": b"two"}
    assert sorted(store.read_keys) == ["a", "b"]

    store.objects["a"] = ("e2", b"new")
    assert read_many(store, store.list(""), folder=tmp_path)["a"] == b"new"
    store.uri = "s3://other"
    store.objects["b"] = ("e1", b"2nd")
    assert read_many(store, store.list(""), folder=tmp_path)["b"] == b"2nd"


def test_a_damaged_or_forbidden_cache_is_only_slower(tmp_path: Path) -> None:
    """Flipped bytes in the cache are read anew from the store; a cache that can't be written is none."""
    store = Counting()
    store.objects = {"a": ("e1", b"one")}
    read_many(store, store.list(""), folder=tmp_path)
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    kept.write_bytes(kept.read_bytes()[:-1] + b"X")
    assert read_many(store, store.list(""), folder=tmp_path) == {"a": b"one"}

    (tmp_path / "file").write_text("")
    assert read_many(store, store.list(""), folder=tmp_path / "file" / "x") == {"a": b"one"}


def test_an_object_rewritten_after_the_list_is_not_kept_under_the_old_etag(tmp_path: Path) -> None:
    """A body of another size than listed is handed over and not kept."""
    store = Counting()
    store.objects = {"a": ("e1", b"long")}
    read_many(store, [Stat("a", 3, 0.0, "e0")], folder=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_needs_no_cache(tmp_path: Path) -> None:
    """A folder store is read as it is, what is gone is left out, and nothing is kept."""
    store = DirectoryStore(tmp_path / "store")
    store.write("a", b"one")
    stats = [*store.list(""), Stat("gone", 1, 0.0, "e")]

    assert read_many(store, stats, folder=tmp_path / "cache") == {"a": b"one"}
    assert not (tmp_path / "cache").exists()


def test_where_the_cache_is() -> None:
    """XDG_CACHE_HOME, then the home folder."""
    assert str(cache_folder({"XDG_CACHE_HOME": "/x", "HOME": "/h"})) == "/x/lading/objects"
    assert str(cache_folder({"HOME": "/h"})) == "/h/.cache/lading/objects"
