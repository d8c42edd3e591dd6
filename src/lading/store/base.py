"""What a store promises: bytes under keys, and one primitive that decides everything, write if absent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stat:
    """One object as a LIST or a HEAD shows it."""

    key: str
    size: int
    """Bytes."""
    modified: float
    """Seconds since the epoch on the store's own clock; compare only with other times of this store."""
    etag: str
    """Changes whenever the bytes change; opaque."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Size and sha256 of bytes that went through our hands."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """A write that never became an object: a dead writer's temp file, or an unfinished multipart upload."""

    key: str
    """What it was to become; empty where that is not known."""
    token: str
    """Names it to its store; opaque."""
    modified: float
    """Seconds since the epoch on the store's own clock: when it was last touched, or begun."""


class Store(Protocol):
    """A folder, or S3 and what speaks its language. Keys are '/'-separated, relative and plain.

    Every method raises StoreError (or a child of it) when the store is out of reach, denies or is full, after its own
    bounded retries; MissingObjectError where an object that was named is not there.
    """

    @property
    def uri(self) -> str:
        """The store's address as `open_store` takes it, without credentials."""

    def read(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        """The object's bytes from `start` on, at most `limit` of them."""

    def write(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Writes a small object whole.

        With `if_absent`, exactly one of all writers ever gets True for a key, also when its answer was lost on the way: an
        object with the very bytes of `data` counts as one's own, so what decides holds a nonce. False: another's stands.
        """

    def upload(self, key: str, path: Path) -> Digest:
        """Streams a file up, overwriting; the digest is of the bytes that were sent."""

    def download(self, key: str, path: Path) -> Digest:
        """Streams an object into a file (whole, or not there at all); the digest is of the bytes that arrived."""

    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object under a prefix, in the order of their keys."""

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; one that is not there is no error."""


def stat_of(store: Store, key: str) -> Stat | None:
    """One object as a LIST shows it; none where it is not there."""
    return next((stat for stat in store.list(key) if stat.key == key), None)


class Upkeep(Protocol):
    """What gc needs of a store beside reading and deleting; both stores of `open_store` have it."""

    def clock(self) -> float:
        """The store's own time, to compare with `Stat.modified`."""

    def leftovers(self, before: float) -> Iterator[Leftover]:
        """Unfinished writes that were begun, or last touched, before a time of the store's own clock."""

    def end(self, leftover: Leftover) -> None:
        """Ends an unfinished write; one that is gone is no error."""
