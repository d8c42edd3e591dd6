"""An S3 server of a hundred lines in this process, whose faults a test can choose; it checks no signatures."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Fault = Callable[["Handler", str, bytes], bool]
"""Called for every request with method and body; True: the answer has been given (or will never be)."""


class TinyS3(ThreadingHTTPServer):
    """Objects in a dict; `fault` is asked first, `after` when the request has had its effect and before its answer is sent."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.begun: dict[str, str] = {}
        self.meta: dict[str, str] = {}
        self.lock = threading.Lock()
        self.fault: Fault = lambda *_: False
        self.after: Fault = lambda *_: False
        self.conditional = True
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: TinyS3
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str = "refused") -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode())

    def drop(self) -> None:
        """Closes the connection without a word."""
        self.close_connection = True
        self.connection.close()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def _serve(self) -> None:
        if self.headers.get("Expect") == "100-continue":
            pass  # http.server has answered it
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path))
        if not self.server.fault(self, self.command, body):
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            status, answer, headers = self._do(unquote(parts.path).removeprefix("/bucket").lstrip("/"), query, body)
            if not self.server.after(self, self.command, body):
                self.answer(status, answer, **headers)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

    def _do(self, key: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        with self.server.lock:
            objects = self.server.objects
            if self.command == "PUT" and "uploadId" in query:
                self.server.uploads[query["uploadId"]][int(query["partNumber"])] = body
                return 200, b"", {"ETag": _etag(body)}
            if self.command == "PUT":
                if self.server.conditional and self.headers.get("If-None-Match") and key in objects:
                    return 412, b"<Error><Code>PreconditionFailed</Code></Error>", {}
                objects[key] = body
                return 200, b"", {"ETag": _etag(body)}
            if self.command == "POST":
                return self._post(key, query, body)
            if self.command == "DELETE":
                if "uploadId" in query:
                    self.server.uploads.pop(query["uploadId"], None)
                else:
                    objects.pop(key, None)
                return 204, b"", {}
            return self._list(query) if not key else self._get(key)

    def _post(self, key: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if "uploads" in query:
            number = f"u{len(self.server.uploads)}"
            self.server.uploads[number] = {}
            self.server.begun[number] = self.headers.get("x-amz-meta-lading-upload", "")
            return 200, f"<R><UploadId>{number}</UploadId></R>".encode(), {}
        if "uploadId" in query:
            if (parts := self.server.uploads.pop(query["uploadId"], None)) is None:
                return 404, b"<Error><Code>NoSuchUpload</Code></Error>", {}
            self.server.meta[key] = self.server.begun[query["uploadId"]]
            self.server.objects[key] = b"".join(part for _, part in sorted(parts.items()))
            return 200, b"<R><ETag>x</ETag></R>", {}
        for name in body.decode().split("<Key>")[1:]:
            self.server.objects.pop(name.partition("</Key>")[0], None)
        return 200, b"<DeleteResult/>", {}

    def _get(self, key: str) -> tuple[int, bytes, dict[str, str]]:
        if (data := self.server.objects.get(key)) is None:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>", {}
        headers = {"ETag": _etag(data), "Last_Modified": formatdate(usegmt=True), "x_amz_meta_lading_upload": self.server.meta.get(key, "")}
        if (wanted := self.headers.get("If-Match")) and wanted.strip('"') != headers["ETag"].strip('"'):
            return 412, b"<Error><Code>PreconditionFailed</Code></Error>", {}
        if spec := self.headers.get("Range"):
            first, _, last = spec.removeprefix("bytes=").partition("-")
            if int(first) >= len(data):
                return 416, b"<Error><Code>InvalidRange</Code></Error>", {}
            part = data[int(first) : int(last) + 1 if last else None]
            return 206, part, headers | {"Content_Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"}
        return 200, data, headers

    def _list(self, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>{_etag(data)}</ETag>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}</LastModified></Contents>"
            for key, data in sorted(self.server.objects.items())
            if key.startswith(query.get("prefix", ""))
        )
        return 200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode(), {}


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


@contextmanager
def serving() -> Iterator[TinyS3]:
    """The server, until the block ends."""
    server = TinyS3()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
