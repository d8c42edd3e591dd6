"""`python -m bench.counted FILE COMMAND...`: the command line of lading; FILE is told whom it asked for what, and its memory."""

import atexit
import collections
import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

EVERY_S = 0.5
_PLACE = re.compile(r"^/apis?/(?:[^/]+/)?v[^/]+/(?:namespaces/(?P<ns>[^/]+)/)?(?P<resource>[a-z]+)(?P<name>/.+)?$")
_VERBS = {"POST": "create", "DELETE": "delete", "PATCH": "patch", "PUT": "update"}


def verb(method: str, url: str) -> str:
    """`create jobs` for what goes to an API server, `store PUT` for all else."""
    parts = urlsplit(url)
    found = _PLACE.match(parts.path)
    if found is None:
        return f"store {'LIST' if method == 'GET' and 'list-type=2' in parts.query else method}"
    word = _VERBS.get(method) or ("watch" if "watch=" in parts.query else "get" if found["name"] else "list")
    return f"{word} {found['resource']}"


def peak_mb() -> float:
    """The most memory that was resident; not `ru_maxrss`, which begins with that of the process that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


def main(place: Path, arguments: list[str]) -> None:
    """Counts below both clients, where every request and every repetition of one passes, and runs the command."""
    from urllib3.connectionpool import HTTPConnectionPool

    counts: collections.Counter[str] = collections.Counter()
    plain = HTTPConnectionPool.urlopen

    def counting(self: HTTPConnectionPool, method: str, url: str, *more: object, **words: object) -> object:
        counts[verb(method, url)] += 1
        return plain(self, method, url, *more, **words)  # type: ignore[arg-type]

    def write() -> None:
        fresh = place.with_suffix(".new")
        fresh.write_text(json.dumps({"calls": dict(counts), "peak_mb": peak_mb(), "cpu_s": time.process_time()}))
        fresh.replace(place)

    def keep_writing() -> None:
        while True:
            write()
            threading.Event().wait(EVERY_S)

    HTTPConnectionPool.urlopen = counting  # type: ignore[method-assign,assignment]
    atexit.register(write)
    threading.Thread(target=keep_writing, daemon=True).start()
    sys.argv = ["lading", *arguments]
    from lading.cli.app import main as lading

    lading()


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "200")
    main(Path(sys.argv[1]), sys.argv[2:])
