"""Big objects to and from S3: a few parts at a time, digested in their order while others are on their way."""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from lading.canonical import CHUNK_BYTES
from lading.errors import LadingError, MissingObjectError, StoreDeniedError, StoreError
from lading.store import s3errors
from lading.store.base import Digest
from lading.store.streams import Hasher, arrival, source

PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
"""So at most five parts (40 MiB) are in memory, whatever the file's size."""
MOST_PARTS = 9_000
"""S3 takes ten thousand."""
CHANGES = 3
"""How often a download begins anew when the object is overwritten meanwhile."""
NONCE = "lading-upload"


class TakenError(Exception):
    """A condition of a request does not hold (412)."""


class EmptyRangeError(Exception):
    """The range that was asked for lies behind the object's end (416)."""


class NoUploadError(Exception):
    """The multipart upload is not there: it was ended, or completed by a try whose answer was lost."""


class Call(Protocol):
    """Sends one request, with retries (`S3Store._call`)."""

    def __call__(self, act: str, request: Callable[[Any], Any], *, tries: int = ...) -> Any:
        """The server's answer."""


def raise_special(error: Exception) -> None:
    """Raises the answers that are no errors to whoever asked."""
    code = s3errors.code_of(error)
    if code in {"PreconditionFailed", "412"}:
        raise TakenError from error
    if code in {"InvalidRange", "416"}:
        raise EmptyRangeError from error
    if code == "NoSuchUpload":
        raise NoUploadError from error


def upload(call: Call, at: dict[str, str], key: str, path: Path) -> Digest:
    """A file in one request, or in parts where it is larger than one."""
    act = f"write {key}"
    with source(path) as file:
        size = path.stat().st_size
        length = max(PART_BYTES, -(-size // MOST_PARTS))
        first = file.read(length)
        if len(first) < length:
            call(act, lambda s3: s3.put_object(**at, Body=first))
            return Digest(len(first), hashlib.sha256(first).hexdigest())
        return _upload_parts(call, at, act, _parts(first, file, length), at_once=max(1, PARTS_AT_ONCE * PART_BYTES // length))


def _parts(first: bytes, file: BinaryIO, length: int) -> Iterator[bytes]:
    while first:
        yield first
        first = file.read(length)


def _upload_parts(call: Call, at: dict[str, str], act: str, parts: Iterator[bytes], *, at_once: int) -> Digest:
    """Each part is digested here while those before it are being sent."""
    nonce = secrets.token_hex(16)
    number = call(act, lambda s3: s3.create_multipart_upload(**at, Metadata={NONCE: nonce}))["UploadId"]

    def send(index: int, data: bytes) -> dict[str, Any]:
        answer = call(act, lambda s3: s3.upload_part(**at, UploadId=number, PartNumber=index, Body=data))
        return {"PartNumber": index, "ETag": answer["ETag"]}

    hasher = Hasher()
    done: list[dict[str, Any]] = []
    waiting: deque[Future[dict[str, Any]]] = deque()
    try:
        with ThreadPoolExecutor(at_once) as pool:
            try:
                for index, data in enumerate(parts, 1):
                    waiting.append(pool.submit(send, index, data))
                    hasher.update(data)
                    del data
                    if len(waiting) >= at_once:
                        done.append(waiting.popleft().result())
                done.extend(future.result() for future in waiting)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        _complete(call, at, act, number, nonce, done)
    except BaseException as error:
        if not isinstance(error, StoreError) or isinstance(error, StoreDeniedError):  # else it would hang once more: gc ends it
            with suppress(LadingError, NoUploadError):
                call("end an upload", lambda s3: s3.abort_multipart_upload(**at, UploadId=number), tries=1)
        if isinstance(error, NoUploadError):
            raise StoreError(f"could not {act}: the upload was ended by another", do="the same command again") from error
        raise
    return hasher.digest()


def _complete(call: Call, at: dict[str, str], act: str, number: str, nonce: str, parts: list[dict[str, Any]]) -> None:
    """Makes the parts an object; where an earlier try of ours did so and its answer was lost, the object bears our nonce."""
    try:
        call(act, lambda s3: s3.complete_multipart_upload(**at, UploadId=number, MultipartUpload={"Parts": parts}))
    except NoUploadError:
        with suppress(MissingObjectError):
            if call(act, lambda s3: s3.head_object(**at))["Metadata"].get(NONCE) == nonce:
                return
        raise


def download(call: Call, at: dict[str, str], key: str, path: Path) -> Digest:
    """An object into a file; begun anew when it is overwritten meanwhile, so that two versions never mix."""
    for _ in range(CHANGES):
        try:
            with arrival(path) as out:
                return _download_parts(call, at, f"read {key}", out)
        except TakenError:
            continue
    raise StoreError(f"could not read {key}: it is being overwritten again and again", do="the same command again")


def _download_parts(call: Call, at: dict[str, str], act: str, out: BinaryIO) -> Digest:
    """Parts are fetched a few at a time, and written and digested in their order, through the same few buffers over and over."""

    def fetch(buffer: bytearray, first: int, **condition: str) -> tuple[memoryview, str, int]:
        def request(s3: Any) -> tuple[memoryview, str, int]:
            answer = s3.get_object(**at, Range=f"bytes={first}-{first + PART_BYTES - 1}", **condition)
            filled = 0
            for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                buffer[filled : filled + len(chunk)] = chunk
                filled += len(chunk)
            size = int(str(answer.get("ContentRange", "")).rpartition("/")[2] or filled)
            return memoryview(buffer)[:filled], answer["ETag"], size

        found: tuple[memoryview, str, int] = call(act, request)
        return found

    hasher = Hasher()

    def take(data: memoryview) -> None:
        hasher.update(data)
        out.write(data)
        data.release()

    buffers = [bytearray(PART_BYTES)]
    try:
        data, etag, size = fetch(buffers[0], 0)
    except EmptyRangeError:
        return hasher.digest()
    take(data)
    if size <= PART_BYTES:
        return hasher.digest()
    buffers += (bytearray(PART_BYTES) for _ in range(PARTS_AT_ONCE - 1))
    waiting: deque[tuple[bytearray, Future[tuple[memoryview, str, int]]]] = deque()
    with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
        try:
            for first in (*range(PART_BYTES, size, PART_BYTES), *[None] * PARTS_AT_ONCE):
                if waiting and (first is None or not buffers):
                    buffer, future = waiting.popleft()
                    take(future.result()[0])
                    buffers.append(buffer)
                if first is not None:
                    buffer = buffers.pop()
                    waiting.append((buffer, pool.submit(fetch, buffer, first, IfMatch=etag)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return hasher.digest()
