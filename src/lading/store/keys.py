"""Which keys a store takes: plain ones, that name the same object in a folder and in S3 and can't leave the store."""

from lading.errors import UserError

TEMP = ".tmp"
"""Where a folder store keeps files that are not whole yet; no key begins with it."""


def check_key(key: str) -> str:
    """The key itself, if it is plain.

    Raises:
        UserError: it is empty, absolute, climbs, holds control characters or backslashes, or is too long.
    """
    if problem := _problem(key):
        raise UserError(f"{key[:80]!r} can't be a key in a store: {problem}", do="keys are plain relative paths such as files/abc")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, if a plain key can begin with it; the empty one stands for the whole store."""
    if prefix:
        check_key(prefix.removesuffix("/") if prefix != "/" else prefix)
    return prefix


def _problem(key: str) -> str:
    """What is wrong with a key, or nothing."""
    if len(key.encode("utf-8", "surrogatepass")) > 900:
        return "it is longer than 900 bytes"
    if not key.isprintable() or "\\" in key:
        return "it holds a control character, a character that can't be printed or a backslash"
    parts = key.split("/")
    if parts[0] == TEMP:
        return f"{TEMP}/ is the store's own"
    if any(part in {"", ".", ".."} for part in parts):
        return "it is absolute, has an empty part, or climbs"
    if any(len(part.encode()) > 255 for part in parts):
        return "a part of it is longer than 255 bytes"
    return ""
