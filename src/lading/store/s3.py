"""S3, and what speaks its language, as a store: conditional writes, and streams whose memory does not grow."""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from lading.errors import MissingObjectError, StoreError
from lading.store import s3errors, s3streams
from lading.store.base import Digest, Leftover, Stat
from lading.store.keys import check_key, check_prefix

CONNECT_S = 5
READ_S = 14
"""Seconds of silence after which one request is given up."""
BUDGET_S = 32
"""After this long no other try begins: a server that hangs is an error within a minute."""
TRIES = 7
CONFLICTS = 12
"""How often a write is repeated that met another at the same moment (409)."""


class S3Store:
    """Objects under a prefix of a bucket.

    The server, the region, credentials and the certificate authority come from where every AWS program finds them
    (AWS_ENDPOINT_URL, AWS_REGION, AWS_PROFILE, AWS_CA_BUNDLE, workload identity, ...). One client a process, made on first use.

    Args:
        bucket: it must exist.
        prefix: what every key is put behind; empty for the whole bucket.
    """

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = check_prefix(prefix.strip("/")) and prefix.strip("/") + "/"
        self._lock = threading.Lock()
        self._made: tuple[int, Any] | None = None
        self._masks: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """s3://bucket/prefix."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def read(self, key: str, *, start: int = 0, limit: int | None = None) -> bytes:
        """The object's bytes from `start` on, at most `limit` of them; one that breaks midway is read again."""
        if limit is not None and limit <= 0:
            return b""
        at = self._at(key)
        part = {} if not start and limit is None else {"Range": f"bytes={start}-{'' if limit is None else start + limit - 1}"}
        try:
            data: bytes = self._call(f"read {key}", lambda s3: s3.get_object(**at, **part)["Body"].read())
        except s3streams.EmptyRangeError:
            return b""
        return data

    def write(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Writes a small object whole; with `if_absent`, one of all writers wins (see `Store`)."""
        at, act = self._at(key), f"write {key}"
        if not if_absent:
            self._call(act, lambda s3: s3.put_object(**at, Body=data))
            return True
        for _ in range(CONFLICTS):
            try:
                self._call(act, lambda s3: s3.put_object(**at, Body=data, IfNoneMatch="*"))
            except s3streams.TakenError:
                # A try of ours may have been the one that took it, its answer lost on the way: the bytes say whose it is.
                with suppress(MissingObjectError):
                    return self.read(key, limit=len(data) + 1) == data
            else:
                return True
        raise StoreError(f"{key} in {self.uri} comes and goes: it is taken when written, and gone when read", do="lading doctor")

    def upload(self, key: str, path: Path) -> Digest:
        """Streams a file up in parts, overwriting; nobody sees it before it is whole."""
        return s3streams.upload(self._call, self._at(key), key, path)

    def download(self, key: str, path: Path) -> Digest:
        """Streams an object into a file, which is whole or not there at all."""
        return s3streams.download(self._call, self._at(key), key, path)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object under a prefix, in the order of their keys, a thousand a request."""
        where: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix + check_prefix(prefix)}
        while True:
            page = self._call(f"list {prefix or 'all'}", partial(_request, "list_objects_v2", where))
            for found in page.get("Contents", ()):
                key = found["Key"][len(self._prefix) :]
                if key and not key.endswith("/"):  # what consoles leave as folders
                    yield Stat(key, found["Size"], found["LastModified"].timestamp(), found["ETag"].strip('"'))
            if not page.get("IsTruncated"):
                return
            where = where | {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects, a thousand a request; one that is not there is no error."""
        waiting = [self._prefix + check_key(key) for key in keys]
        for first in range(0, len(waiting), 1000):
            batch = {"Objects": [{"Key": key} for key in waiting[first : first + 1000]], "Quiet": True}
            answer = self._call("delete objects", partial(_request, "delete_objects", {"Bucket": self._bucket, "Delete": batch}))
            for error in answer.get("Errors", ()):
                if error.get("Code") not in s3errors.MISSING:
                    raise s3errors.meaning(ClientError({"Error": error}, "DeleteObjects"), "delete objects", self._bucket)

    def clock(self) -> float:
        """The server's own time, from the date of an answer."""
        answer = self._call("ask the time", lambda s3: s3.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1))
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()

    def leftovers(self, before: float) -> Iterator[Leftover]:
        """Multipart uploads that were begun before a time of the server's clock and never completed."""
        where: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix}
        while True:
            page = self._call("list unfinished uploads", partial(_request, "list_multipart_uploads", where))
            for found in page.get("Uploads", ()):
                if (begun := found["Initiated"].timestamp()) < before:
                    yield Leftover(found["Key"][len(self._prefix) :], found["UploadId"], begun)
            if not page.get("IsTruncated"):
                return
            where = where | {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def end(self, leftover: Leftover) -> None:
        """Ends an unfinished upload and frees its parts."""
        with suppress(MissingObjectError, s3streams.NoUploadError):
            self._call("end an upload", lambda s3: s3.abort_multipart_upload(**self._at(leftover.key), UploadId=leftover.token))

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

    def _client(self) -> Any:
        """This process's client: connections do not survive a fork."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                session = botocore.session.get_session()
                client = session.create_client(
                    "s3",
                    config=Config(
                        connect_timeout=CONNECT_S,
                        read_timeout=READ_S,
                        retries={"total_max_attempts": 1, "mode": "standard"},
                        max_pool_connections=32,
                        # TLS guards what is sent; signing the body too would digest every byte twice.
                        s3={"payload_signing_enabled": False} if s3errors.endpoint().startswith("https") else None,
                        # Every artifact's sha256 is checked end to end; servers that are not AWS choke on the newer trailers.
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                    ),
                )
                self._masks = _secrets(session) + s3errors.endpoint_secrets()
                self._made = (os.getpid(), client)
            return self._made[1]

    def _call(self, act: str, request: Callable[[Any], Any], *, tries: int = TRIES) -> Any:
        """One request, tried again while that may help and time is left; whatever is left is raised as lading's own error.

        Raises:
            TakenError: a condition does not hold (412).
            EmptyRangeError: the range that was asked for lies behind the end (416).
        """
        began = time.monotonic()
        for left in reversed(range(tries)):
            try:
                return request(self._client())
            except Exception as error:  # noqa: BLE001 - boto raises from several unrelated trees
                s3streams.raise_special(error)
                late = time.monotonic() - began > BUDGET_S
                if not left or not s3errors.is_passing(error) or late:
                    raise s3errors.meaning(error, act, self._bucket, masks=self._masks) from None
                pause = min(0.2 * 2.0 ** (tries - 1 - left), 5.0)
                time.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
        raise AssertionError


def _request(name: str, arguments: dict[str, Any], s3: Any) -> Any:
    """One request of a client, by its name."""
    return getattr(s3, name)(**arguments)


def _secrets(session: Any) -> tuple[str, ...]:
    """What no message may hold."""
    try:
        found = session.get_credentials()
        known = found.get_frozen_credentials() if found else None
    except Exception:  # noqa: BLE001 - the first request says what is wrong with them
        return ()
    return tuple(value for value in (known or ()) if value and len(value) > 4)
