"""A way to the S3 server that can be cut: a proxy in the toxiproxy that TOXIPROXY_URL names."""

import json
import os
import secrets
import urllib.request
from types import TracebackType
from typing import Any


class Way:
    """One proxy to AWS_ENDPOINT_URL, while the block lasts.

    Args:
        host: where it listens, on toxiproxy's machine.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.name, self.url, self.host = f"lading-{secrets.token_hex(4)}", "", host

    def __enter__(self) -> "Way":
        upstream = os.environ["AWS_ENDPOINT_URL"].partition("://")[2].rstrip("/")
        made = toxi("/proxies", {"name": self.name, "listen": f"{self.host}:0", "upstream": upstream})
        self.url = f"http://{made['listen']}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        toxi(f"/proxies/{self.name}", None, "DELETE")

    def cut(self) -> None:
        """Breaks what is open, refuses what comes."""
        toxi(f"/proxies/{self.name}", {"enabled": False})

    def mend(self) -> None:
        """Lets everything through again, at the same address."""
        toxi(f"/proxies/{self.name}", {"enabled": True})


def toxi(path: str, data: object, method: str = "POST") -> Any:
    """One request to toxiproxy."""
    body = json.dumps(data).encode() if data is not None else None
    with urllib.request.urlopen(urllib.request.Request(os.environ["TOXIPROXY_URL"] + path, body, method=method), timeout=10) as answer:
        return json.loads(answer.read() or b"{}")
