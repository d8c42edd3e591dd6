"""Secrets in what a stage prints: values of variables that are named like secrets are masked, across chunk borders too.

Masked are the value as it is, escaped for a URL or for JSON, and in base64, also as a part of a longer text (`user:password`).
Other codes (hex, a value that the stage took apart, base64 in lines) are not known here.
"""

import json
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from lading import names

MASK = b"****"
SHORTEST = 6
"""Shorter values are not masked: they would blot out ordinary text."""
_NAMED = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE|_KEY$|^KEY$|_PAT$|_AUTH|COOKIE|CONNECTION_STRING|DSN$",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:([^/\s@]+)@", re.IGNORECASE)


def passed_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that LADING_PASS_ENV lets through to the stage."""
    return tuple(name.strip() for name in environ.get(names.ENV_PASSED, "").split(",") if name.strip())


def secrets_of(environ: Mapping[str, str]) -> frozenset[str]:
    """The values to mask: of variables named like secrets, of those passed on by name, and passwords inside URLs."""
    passed = set(passed_names(environ))
    values = {value for name, value in environ.items() if name in passed or _NAMED.search(name)}
    values |= {match[1] for value in environ.values() for match in _IN_URL.finditer(value)}
    lines = {line.strip() for value in values if "\n" in value for line in value.splitlines()}
    return frozenset(value for value in values | lines if len(value) >= SHORTEST)


def spellings(value: str) -> Iterator[str]:
    """The ways in which a secret may be written."""
    yield value
    yield json.dumps(value)[1:-1]
    for escaped in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield escaped
        yield re.sub("%..", lambda match: match[0].lower(), escaped)
    for one in _in_base64(value.encode()):
        yield one
        yield one.replace("+", "-").replace("/", "_")


def _in_base64(value: bytes) -> Iterator[str]:
    """Its base64, whole, and as it stands in that of a longer text: at three places, without the letters that its neighbours share."""
    yield b64encode(value).decode()
    for before in range(3):
        text = b64encode(bytes(before) + value).decode()
        core = text[-(-before * 8 // 6) : (before + len(value)) * 8 // 6]
        if len(core) >= SHORTEST:
            yield core


class Masker:
    """Masks secrets in a stream of bytes; holds back only what may be the beginning of one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        written = {form for value in secrets for form in spellings(value)}
        self._secrets = sorted((value.encode() for value in written), key=len, reverse=True)
        self._begin: dict[int, list[bytes]] = defaultdict(list)
        """Those that begin with a byte: most places in a text can't be the beginning of any."""
        for secret in self._secrets:
            self._begin[secret[0]].append(secret)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets))) if self._secrets else None
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What of the stream so far may be shown and was not yet."""
        if self._pattern is None:
            return data
        data = self._held + data
        shown, position = [], 0
        for match in self._pattern.finditer(data):
            if self._may_grow(data[match.start() :]):
                break
            shown += [data[position : match.start()], MASK]
            position = match.end()
        rest = data[position:]
        keep = self._beginning(rest)
        self._held = rest[len(rest) - keep :] if keep else b""
        shown.append(rest[: len(rest) - keep])
        return b"".join(shown)

    def _may_grow(self, data: bytes) -> bool:
        """Whether a longer secret may begin with all that came from there on."""
        return any(len(secret) > len(data) and secret.startswith(data) for secret in self._secrets)

    def _beginning(self, data: bytes) -> int:
        """The length of the longest end of `data` that may be the beginning of a secret."""
        most = min(len(data), len(self._secrets[0]) - 1 if self._secrets else 0)
        for length in range(most, 0, -1):
            tail = data[len(data) - length :]
            if any(len(secret) > length and secret.startswith(tail) for secret in self._begin.get(tail[0], ())):
                return length
        return 0

    def finish(self) -> bytes:
        """What was held back, at the end of the stream."""
        rest, self._held = self._held, b""
        return self._pattern.sub(MASK, rest) if self._pattern else rest

    def text(self, text: str) -> str:
        """A whole text, masked."""
        return self._pattern.sub(MASK, text.encode()).decode(errors="replace") if self._pattern else text
