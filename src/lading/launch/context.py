"""What a launcher takes from its machine, as arguments: clock, wall time, randomness. A simulation gives its own."""

import os
import random
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lading.attempt.observe import STALE_S
from lading.backends.identity import host, lives, started
from lading.errors import UserError


def utc_now() -> str:
    """The time as people read it: ISO-8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def own_name() -> str:
    """This process, so that others on its machine can tell whether it still is there: `machine:pid@start`."""
    return f"{host()}:{os.getpid()}@{started(os.getpid())}"


def is_gone(who: str) -> bool:
    """Whether a launcher was a process of this very machine, and has ended; False where that can't be told."""
    machine, _, process = who.rpartition(":")
    pid, _, began = process.partition("@")
    return machine == host() and pid.isdigit() and bool(began) and not lives(int(pid), began)


@dataclass(frozen=True, slots=True)
class Context:
    """Clock and chance."""

    now: Callable[[], float] = time.monotonic
    """Seconds on this machine's monotonic clock; only ever compared with itself."""
    utc: Callable[[], str] = utc_now
    token: Callable[[], str] = lambda: secrets.token_hex(16)
    """A nonce that nobody else has."""
    jitter: Callable[[], float] = random.random
    stale_s: float = STALE_S
    """How long an attempt may be silent before it is lost; shorter only where a test can't wait."""
    who: str = field(default_factory=own_name)
    """Which launcher this is."""


def new_run_id(context: Context | None = None) -> str:
    """A run's id: the time, basic ISO-8601, and a suffix, so that ids sort by age and two never meet."""
    context = context or Context()
    moment = datetime.fromisoformat(context.utc()).astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{context.token()[:6]}"


def checked_run_id(run: str) -> str:
    """An id that somebody chose, fit to be a folder, a part of a key in S3 and a word on a command line.

    Raises:
        UserError: it is not.
    """
    if run == "last" or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", run):
        raise UserError(
            f"{run[:100]!r} can't be a run's id: letters, digits, '.', '_' and '-', at most 100, and not 'last'",
            do="leave out --run: it gets an id of its own",
        )
    return run
