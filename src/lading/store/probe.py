"""Finds out whether a store keeps its one promise, write if absent, before anything is built upon it."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Literal

from pydantic import Field, ValidationError

from lading.errors import MissingObjectError, StoreDeniedError, StoreError
from lading.frozen import Frozen
from lading.names import PROBE
from lading.store.base import Store

WRITERS = 8
ROUNDS = 3
_DO = "use a server with conditional writes (AWS S3, MinIO, Ceph, versitygw, R2), bypass the proxy in front of it, or use a folder"


class Probe(Frozen):
    """What a probe found; probe.json."""

    schema_: Literal["lading/probe/v1"] = Field("lading/probe/v1", alias="schema")
    honest: bool
    problem: str = ""
    """One sentence, where it is not."""


def ensure_honest(store: Store) -> None:
    """Probes a store once and records the result; launchers and `doctor` call it before their first write.

    Raises:
        StoreError: the store does not keep write if absent, and two launchers would damage each other's work.
    """
    if (found := recorded(store)) is not None and found.honest:
        return
    found = probe(store)
    store.write(PROBE, found.to_bytes())
    _refuse(store, found)


def refuse_dishonest(store: Store) -> None:
    """What whoever decides something without launching calls: one read of the record, no write.

    A store that was not probed yet passes, and so does one whose record this identity may not read. A runner does not ask: its key may
    read no more than its tickets' work, and the launcher that offered them has probed.

    Raises:
        StoreError: a probe found the store dishonest.
    """
    with suppress(StoreDeniedError):
        if (found := recorded(store)) is not None:
            _refuse(store, found)


def recorded(store: Store) -> Probe | None:
    """What the last probe found, if there was one."""
    try:
        return Probe.model_validate_json(store.read(PROBE, limit=64 << 10))
    except (MissingObjectError, ValidationError):
        return None


def probe(store: Store) -> Probe:
    """Writes, and takes away, a few small objects under probe/ to see whether the store is honest."""
    prefix = f"probe/{secrets.token_hex(8)}/"
    keys = [f"{prefix}{name}" for name in ("one", *(f"round-{i}" for i in range(ROUNDS)))]
    try:
        problem = _one_after_another(store, keys[0]) or next(filter(None, (_at_once(store, key) for key in keys[1:])), "")
        return Probe(honest=not problem, problem=problem)
    finally:
        store.delete(keys)


def _refuse(store: Store, found: Probe) -> None:
    if not found.honest:
        raise StoreError(f"the store {store.uri} can't be used: {found.problem}", do=_DO)


def _one_after_another(store: Store, key: str) -> str:
    """A second writer must lose, what the first wrote must stand, and a LIST and a rewrite must show at once."""
    first, second = secrets.token_bytes(16), secrets.token_bytes(16)
    if not store.write(key, first, if_absent=True):
        return "a write if absent to a key that never was did not succeed"
    if store.write(key, second, if_absent=True) or store.read(key) != first:
        return "it ignores the condition of a write (If-None-Match: *), so a second writer overwrites the first"
    if [stat.key for stat in store.list(key)] != [key]:
        return "what was written does not show in a LIST"
    store.write(key, second)
    return "" if store.read(key) == second else "a read does not show what was written last"


def _at_once(store: Store, key: str) -> str:
    """Of several writers at the same time exactly one must win, and it must be the one that is read."""
    bodies = [secrets.token_bytes(16) for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        write: Callable[[bytes], bool] = lambda body: store.write(key, body, if_absent=True)  # noqa: E731
        won = [body for body, ours in zip(bodies, pool.map(write, bodies), strict=True) if ours]
    if len(won) != 1:
        return f"of {WRITERS} writers at once {len(won)} were told that their write if absent stands, and it must be one"
    return "" if store.read(key) == won[0] else "the writer that was told that its write stands is not the one that is read"
