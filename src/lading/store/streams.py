"""Bytes on their way, and their sha256: memory stays the same, however large the file."""

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lading.canonical import CHUNK_BYTES
from lading.errors import LadingError, NotFoundError, StoreDeniedError, StoreError, StoreFullError
from lading.store.base import Digest

FULL = {errno.ENOSPC, errno.EDQUOT}
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Hasher:
    """Counts and digests bytes as they pass."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._size = 0

    def update(self, data: bytes | memoryview) -> None:
        """Takes the next bytes."""
        self._digest.update(data)
        self._size += len(data)

    def digest(self) -> Digest:
        """Of all that passed."""
        return Digest(self._size, self._digest.hexdigest())


def copy(source: BinaryIO, write: Callable[[bytes], object]) -> Digest:
    """Copies to the end of the source, digesting on the way."""
    hasher = Hasher()
    while chunk := source.read(CHUNK_BYTES):
        hasher.update(chunk)
        write(chunk)
    return hasher.digest()


@contextmanager
def source(path: Path) -> Iterator[BinaryIO]:
    """A local file to send.

    Raises:
        NotFoundError: it is not there or can't be read to its end, which is not the store's fault.
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise NotFoundError(f"{path} can't be stored: {error.strerror}") from error


@contextmanager
def arrival(path: Path) -> Iterator[BinaryIO]:
    """A local file that appears under its name when it is whole, or not at all."""
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise local_error(error, path) from error
    finally:
        with suppress(OSError):
            part.unlink()


def local_error(error: OSError, path: Path) -> LadingError:
    """What a failed write on this machine means to a person."""
    if error.errno in FULL:
        return StoreFullError(f"no space is left on this machine for {path}", do=f"free some space: df -h {path.parent}")
    if error.errno in DENIED:
        return StoreDeniedError(f"{path} can't be written: {error.strerror}", do=f"ls -ld {path.parent}")
    return StoreError(f"{path} can't be written: {error.strerror or error}")


def fsync_folder(path: str) -> None:
    """Makes the names in a folder last through a power failure, where the file system can."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:
            raise
    finally:
        os.close(fd)
