"""How an attempt ended, from what its supervisor saw: one outcome, whose code and cause come from here alone."""

import errno
import json
import shutil
import signal
import traceback
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from lading import names
from lading.attempt.records import CAUSE_OF, RANK, Cause, Outcome
from lading.codes import Code, signal_name
from lading.errors import DamagedInputError, LadingError, StoreFullError
from lading.stages.asked import Asked

TAIL = 8000
"""Characters of a traceback that an outcome keeps."""
LEAST_FREE = 1 << 14
"""Bytes: a disk with less can't hold the few lines that a stage's process leaves about its end."""


def of_error(error: BaseException) -> Outcome:
    """The outcome of an error that the supervisor itself met."""
    if isinstance(error, LadingError):
        need, artifact = (error.need, error.artifact) if isinstance(error, DamagedInputError) else (None, None)
        code = error.code
        cause = Cause.NO_SPACE if isinstance(error, StoreFullError) else CAUSE_OF[code]
        return Outcome(code=code, cause=cause, message=str(error), need=need, artifact=artifact)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(str(error.filename or ""))
    text = "".join(traceback.format_exception(error))
    return Outcome(
        code=Code.FAILED,
        cause=Cause.FAILED,
        message=f"a bug in lading's supervisor: {type(error).__name__}: {error}",
        traceback=text[-TAIL:],
    )


def no_space(place: str = "") -> Outcome:
    """The outcome where the disk of this machine is full; the store may be another."""
    return Outcome(
        code=Code.STORE_UNREACHABLE,
        cause=Cause.NO_SPACE,
        message=f"no space is left on the disk where the stage works{f' ({place})' if place else ''}\n"
        f"  free some, or set {names.ENV_WORK} to a folder on a larger disk",
    )


def is_full(work: Path) -> bool:
    """Whether the disk of a folder has no space left, so that whoever works there can't even say why it ended."""
    try:
        return shutil.disk_usage(work).free < LEAST_FREE
    except OSError:
        return False


def of_asked(asked: Asked, detail: str = "") -> Outcome:
    """The outcome of an attempt that was asked to stop and did."""
    if asked.why == "deadline":
        return Outcome(code=Code.FAILED, cause=Cause.DEADLINE, message=asked.reason)
    if asked.why == "lost":
        return Outcome(code=Code.PEER_LOST, cause=Cause.PEER_LOST, message="; ".join(part for part in (asked.reason, detail) if part))
    return Outcome(code=Code.STOPPED, cause=Cause.STOPPED, message="; ".join(part for part in (asked.reason, detail) if part))


def of_signal(number: int, rank: int | None = None) -> Outcome:
    """The outcome of a stage's process that a signal ended.

    Args:
        number: of the signal.
        rank: which process it was, of several. One of those that ends by SIGABRT is not taken to be at fault: so does NCCL end a
            process whose peer is gone.
    """
    name = signal_name(number)
    hint = "; perhaps memory ran out on the machine" if number == signal.SIGKILL else ""
    which = "" if rank is None else f" of rank {rank}"
    cause = Cause.FAILED_IN_COLLECTIVE if rank is not None and number == signal.SIGABRT else Cause.KILLED
    return Outcome(code=Code.FAILED, cause=cause, message=f"the stage's process{which} was ended by {name}{hint}", where=name)


def place_in(work: Path, rank: int | None = None) -> Path:
    """Where in a working folder the stage's process (one of several: that of a rank) says how it ended."""
    return work / (names.WORK_OUTCOME if rank is None else f"outcome-{rank}.json")


def left_by_child(work: Path) -> Outcome | None:
    """The outcome that the stage's process (or, of several, the one whose cause speaks first) left behind; None if none did."""
    outcomes = list(_read(sorted(work.glob("outcome*.json"))))
    return min(outcomes, key=lambda outcome: RANK[outcome.cause or Cause.FAILED], default=None)


def _read(places: Iterable[Path]) -> Iterable[Outcome]:
    for place in places:
        try:
            yield Outcome.model_validate(json.loads(place.read_bytes()[: 1 << 20]))
        except (OSError, ValueError, ValidationError):
            continue


def of_child(status: int, left: Outcome | None, asked: Asked, *, killed_for_memory: bool, memory: str) -> Outcome:
    """The outcome of a stage's process that did not end well.

    Args:
        status: as subprocess has it: below zero the signal.
        left: what it said itself.
        asked: whether it was asked to stop before.
        killed_for_memory: whether the counter of the cgroup moved.
        memory: what it was allowed, for the sentence.
    """
    own = not asked or asked.why == "lost"  # a lost peer asks it to end, but is not why it died before
    if killed_for_memory and own and _of_memory(status, left):
        return Outcome(
            code=Code.FAILED,
            cause=Cause.OUT_OF_MEMORY,
            message=f"the stage was killed because memory ran out (memory: {memory})\n  give it more memory:, or a smaller batch",
        )
    if left is not None and (own or left.cause in {Cause.WRONG_INPUT, Cause.DAMAGED_INPUT, Cause.CANNOT_RUN_HERE, Cause.STOPPED}):
        return left
    if asked:
        return of_asked(asked, "it did not end by itself, and was killed" if status == -signal.SIGKILL else "")
    if status < 0:
        return of_signal(-status)
    text = f"with exit code {status} and said nothing about why" if status else "without a result"
    message = f"the stage's process ended {text}\n  lading logs RUN STAGE shows what it printed last"
    return Outcome(code=Code.FAILED, cause=Cause.KILLED, message=message)


def _of_memory(status: int, left: Outcome | None) -> bool:
    """Whether a death fits a kill for memory that was counted: of the process, of one of torchrun's, or of a script's command."""
    if status == -signal.SIGKILL or (left is None and status > 0):
        return True
    if left is None:
        return False
    killed = left.cause in {Cause.KILLED, Cause.PEER_LOST, Cause.FAILED_IN_COLLECTIVE}  # or its survivors said something first
    return killed or (left.cause is Cause.FAILED and any(word in left.message for word in ("by SIGKILL", "exit code 137")))
