"""Whether an attempt that failed is followed by another, and when; pure: the same history gives the same step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lading.attempt.records import Cause, Verdict

RESUMED = {Cause.OUT_OF_MEMORY, Cause.KILLED, Cause.FAILED_IN_COLLECTIVE}
"""Deaths, and no exception of the user's: after one in mid-training the next attempt goes on from a later state, which is not the same
again."""
MAX_WITHOUT_PROGRESS = 5
"""Attempts that ended through no fault of the stage's own, one after another without a later checkpoint, before a run gives up."""
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 120.0


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt that has its verdict."""

    verdict: Verdict
    checkpoint: int | None = None
    """The highest whole training state that the attempt left."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a launcher does next about a stage whose last attempt failed."""

    act: Literal["retry", "give_up"]
    after_s: float = 0.0
    why: str = ""
    """A sentence for a person."""


def next_step(history: Sequence[Tried], *, retries: int, jitter: float) -> Step:
    """Retry now, retry after a pause, or give up.

    Args:
        history: attempts whose verdict was reached while this run waited, oldest first; at least one.
        retries: how many failures of the stage's own are tried again.
        jitter: from 0 to 1, drawn by the caller: pauses are between half and all of their length.
    """
    last = history[-1].verdict
    if last.retry == "never":
        return Step("give_up", why=last.message)
    further = _further(history)
    charged = sum(_is_counted(tried, i in further) for i, tried in enumerate(history))
    if charged > retries:
        counted = f"\n  it failed {charged} times, and `retries` allows {retries}" if retries else ""
        return Step("give_up", why=last.message + counted)
    idle = [tried for tried in history[max(further, default=-1) + 1 :] if not tried.verdict.charged]
    if len(idle) >= MAX_WITHOUT_PROGRESS:
        return Step("give_up", why=f"{last.message} ({len(idle)} attempts in a row ended so, without a later checkpoint)")
    if last.retry == "at_once":
        return Step("retry", why=last.message)
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (_backoffs(history) - 1))
    return Step("retry", after_s=pause * (0.5 + 0.5 * min(max(jitter, 0.0), 1.0)), why=last.message)


def _is_counted(tried: Tried, further: bool) -> bool:
    """Whether an attempt counts against `retries`: one that died after it had got further than all before it does not."""
    return tried.verdict.charged and not (further and tried.verdict.cause in RESUMED)


def _further(history: Sequence[Tried]) -> set[int]:
    """Which attempts got further than all before them; they can't be without end, for a training has one."""
    best, found = -1, set()
    for i, tried in enumerate(history):
        if tried.checkpoint is not None and tried.checkpoint > best:
            best = tried.checkpoint
            found.add(i)
    return found


def _backoffs(history: Sequence[Tried]) -> int:
    """How many attempts in a row, up to the last, ask for a pause."""
    count = 0
    for tried in reversed(history):
        if tried.verdict.retry != "backoff":
            break
        count += 1
    return min(count, 30)
