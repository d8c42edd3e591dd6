"""A folder for what can be computed or fetched again: LADING_CACHE, else ~/.cache/lading. Nothing breaks without it."""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from lading.names import ENV_CACHE


def folder(name: str) -> Path:
    """One part of the cache; it may not exist."""
    base = os.environ.get(ENV_CACHE) or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lading")  # noqa: PTH111, PTH118 - without a home, Path.home() raises
    return Path(base) / name


def read(path: Path) -> bytes | None:
    """The bytes kept at a path; none if there are none."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def write(path: Path, data: bytes) -> None:
    """Keeps bytes, whole or not at all; where that is impossible, does nothing."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()


def read_json(path: Path) -> dict[str, Any]:
    """A kept JSON object; empty if there is none."""
    data = read(path)
    try:
        value = json.loads(data) if data else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
