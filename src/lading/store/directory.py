"""A folder as a store: what is under a key is whole or not there, and a name is given once, by a hard link."""

import errno
import os
import secrets
import stat as modes
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lading.errors import LadingError, MissingObjectError, StoreDeniedError, StoreError, StoreFullError
from lading.store.base import Digest, Leftover, Stat
from lading.store.keys import TEMP, check_key, check_prefix
from lading.store.streams import DENIED, FULL, arrival, copy, fsync_folder, source

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}
TRIES = 50
"""How often a name is given again when a folder was tidied away in between."""


class DirectoryStore:
    """A folder that several processes, or machines that mount it, share.

    Args:
        folder: where; made on the first write.
    """

    def __init__(self, folder: Path | str) -> None:
        self._root = os.path.realpath(Path(folder).expanduser())

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return self._root

    def read(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        """The object's bytes from `start` on, at most `limit` of them."""
        with self._errors(f"read {key}", key), os.fdopen(self._open(key), "rb") as file:
            if start:
                file.seek(start)
            rest = max(0, os.fstat(file.fileno()).st_size - start)
            return file.read(rest if limit is None else min(limit, rest))  # read(limit) makes room for all of it first

    def write(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Writes a small object whole; with `if_absent`, one of all writers wins (see `Store`)."""
        path = self._path(key)
        with self._errors(f"write {key}"), self._temp() as temp:
            self._fill(temp, data)
            if not if_absent:
                self._place(os.replace, temp, path)
                return True
            return self._give_once(key, temp, path, data)

    def upload(self, key: str, path: Path) -> Digest:
        """Streams a file in, overwriting; nobody sees it before it is whole and on the disk."""
        target = self._path(key)
        with source(path) as file, self._errors(f"write {key}"), self._temp() as temp:
            with open(temp, "xb") as out:  # noqa: PTH123
                digest = copy(file, out.write)
                out.flush()
                os.fsync(out.fileno())
            self._place(os.replace, temp, target)
            return digest

    def download(self, key: str, path: Path) -> Digest:
        """Streams an object into a file, which is whole or not there at all."""
        with self._errors(f"read {key}", key):
            fd = self._open(key)
        with os.fdopen(fd, "rb") as file, arrival(path) as out:
            return copy(file, out.write)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object under a prefix, in the order of their keys; links and what is no regular file are not there."""
        folder, _, start = check_prefix(prefix).rpartition("/")
        with self._errors(f"list {prefix or 'all'}"):
            if folder and self._is_linked(f"{self._root}/{folder}"):
                return
            yield from self._walk(folder + "/" if folder else "", start)

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects, and folders that are empty then; one that is not there is no error."""
        for key in keys:
            path = self._path(key)
            with self._errors(f"delete {key}"):
                with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                    os.unlink(path)  # noqa: PTH108
                self._tidy(os.path.dirname(path))  # noqa: PTH120

    def clock(self) -> float:
        """The time on the file system's own clock, which for a shared folder is its server's."""
        if not os.path.isdir(self._root):  # noqa: PTH112
            return 0.0
        with self._errors("ask the time"), self._temp() as temp:
            self._fill(temp, b"", sync=False)
            return os.stat(temp).st_mtime  # noqa: PTH116

    def leftovers(self, before: float) -> Iterator[Leftover]:
        """Files of writers that died before they were whole, untouched since `before`."""
        with self._errors("list unfinished writes"), suppress(FileNotFoundError), os.scandir(f"{self._root}/{TEMP}") as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if (modified := entry.stat(follow_symlinks=False).st_mtime) < before:
                        yield Leftover(key="", token=entry.name, modified=modified)

    def end(self, leftover: Leftover) -> None:
        """Removes what a dead writer left."""
        with self._errors("remove an unfinished write"), suppress(FileNotFoundError):
            os.unlink(f"{self._root}/{TEMP}/{check_key(leftover.token)}")  # noqa: PTH108

    def _path(self, key: str) -> str:
        """Where a key lies; refuses one that a link would lead elsewhere."""
        path = f"{self._root}/{check_key(key)}"
        if self._is_linked(os.path.dirname(path)):  # noqa: PTH120
            raise StoreError(f"{key} in {self._root} lies behind a link, and links in a store are refused", do=f"look at ls -l {path}")
        return path

    def _is_linked(self, folder: str) -> bool:
        """Whether a link lies between the root and a folder below it."""
        return folder != self._root and os.path.realpath(folder) != folder

    def _open(self, key: str) -> int:
        """A descriptor of a regular file: never a link, a device or a pipe that would block for ever."""
        path = self._path(key)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:
                raise StoreError(f"{key} in {self._root} is a link or a device, which is refused", do=f"look at ls -l {path}") from error
            raise
        if not modes.S_ISREG(mode := os.fstat(fd).st_mode):
            os.close(fd)
            if modes.S_ISDIR(mode):
                raise FileNotFoundError(path)
            raise StoreError(f"{key} in {self._root} is not a regular file, which is refused", do=f"look at ls -l {path}")
        return fd

    @contextmanager
    def _temp(self) -> Iterator[str]:
        """A fresh name in the same file system; what is left of it goes with the block."""
        folder = f"{self._root}/{TEMP}"
        try:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        except OSError as error:
            if error.errno in FULL or os.path.isdir(self._root):  # noqa: PTH112
                raise
            raise self._not_made(error) from error
        path = f"{folder}/{os.getpid()}-{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108

    @staticmethod
    def _fill(path: str, data: bytes, *, sync: bool = True) -> None:
        """Writes a temp file, on the disk before it gets its name."""
        with open(path, "xb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())

    @staticmethod
    def _place(act: Callable[[str, str], None], temp: str, path: str) -> None:
        """Gives a whole file its name; its folder may be tidied away by a deleter at the same moment, so again and again."""
        for left in reversed(range(TRIES)):
            try:
                act(temp, path)
                return
            except FileNotFoundError:
                if not left:
                    raise
                time.sleep(secrets.randbelow(1000) / 1e6 if left < TRIES - 3 else 0)
                with suppress(FileNotFoundError, FileExistsError):
                    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120

    def _give_once(self, key: str, temp: str, path: str, data: bytes) -> bool:
        """The name to the first that asks; an answer that a file server lost is found by looking at what stands there."""
        for _ in range(TRIES):
            try:
                self._place(os.link, temp, path)
            except FileExistsError:
                try:
                    return self.read(key, limit=len(data) + 1) == data
                except MissingObjectError:  # deleted in between
                    continue
            fsync_folder(os.path.dirname(path))  # noqa: PTH120
            return True
        raise StoreError(f"{key} in {self._root} is a folder, or comes and goes", do=f"look at ls -l {path}")

    def _walk(self, folder: str, start: str) -> Iterator[Stat]:
        """Objects below `folder` ('' or 'a/b/') whose first part begins with `start`, in the order of their keys."""
        try:
            with os.scandir(f"{self._root}/{folder}") as found:
                entries = [
                    (entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in found if entry.name.startswith(start)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return
        for name, entry in sorted(entries, key=lambda pair: os.fsencode(pair[0])):
            if name.endswith("/"):
                if folder or entry.name != TEMP:
                    yield from self._walk(folder + name, "")
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    seen = entry.stat(follow_symlinks=False)
                    yield Stat(folder + name, seen.st_size, seen.st_mtime, f"{seen.st_ino}-{seen.st_mtime_ns}-{seen.st_size}")

    def _tidy(self, folder: str) -> None:
        """Removes folders that hold nothing, up to the root."""
        with suppress(OSError):
            while len(folder) > len(self._root):
                os.rmdir(folder)  # noqa: PTH106
                folder = os.path.dirname(folder)  # noqa: PTH120

    def _not_made(self, error: OSError) -> LadingError:
        """Why there is no folder to write to: only a person can mend that."""
        above = os.path.dirname(self._root)  # noqa: PTH120
        while not os.path.lexists(above):
            above = os.path.dirname(above)  # noqa: PTH120
        return StoreDeniedError(
            f"the store's folder {self._root} can't be made: {error.strerror or error}",
            do=f"ls -ld {above}; or name another: --store, LADING_STORE, or `store:` in the pipeline",
        )

    @contextmanager
    def _errors(self, act: str, key: str | None = None) -> Iterator[None]:
        """Turns what the system says into what it means to a person."""
        try:
            yield
        except OSError as error:
            raise self._meaning(error, act, key) from error

    def _meaning(self, error: OSError, act: str, key: str | None) -> LadingError:
        if key and isinstance(error, FileNotFoundError | NotADirectoryError):
            if not os.path.isdir(self._root):  # noqa: PTH112
                return MissingObjectError(
                    f"there is no store at {self._root}", do="check --store, LADING_STORE and the pipeline's store:; `lading run` makes one"
                )
            return MissingObjectError(f"{key} is not in the store {self._root}")
        if error.errno in FULL:
            return StoreFullError(
                f"no space is left in {self._root} to {act}", do=f"df -h {self._root}; `lading gc` removes what nothing needs any more"
            )
        if error.errno in DENIED and not (error.errno == errno.EPERM and error.filename2):
            return StoreDeniedError(f"can't {act} in {self._root}: {error.strerror}", do=f"ls -ld {self._root}")
        if error.filename2 and error.errno in NO_LINKS:
            return StoreError(
                f"the file system of {self._root} has no hard links, without which two launchers would not agree",
                do="put the store on a local disk, NFS or S3: --store s3://bucket/prefix",
            )
        return StoreError(f"can't {act} in {self._root}: {error.strerror or error}", do="lading doctor")
