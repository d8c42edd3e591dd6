"""How an ending becomes an outcome."""

import errno
import json
import signal
from pathlib import Path

import pytest

from lading import errors
from lading.attempt.records import Cause, Outcome
from lading.codes import Code
from lading.stages.agent import leave
from lading.stages.asked import Asked
from lading.stages.ending import left_by_child, of_child, of_error, of_signal


def left(code: Code, cause: Cause) -> Outcome:
    """What a stage's process says."""
    return Outcome(code=code, cause=cause, message=cause.value)


def ended(status: int, said: Outcome | None, *, asked: bool = False, lost: bool = False, oom: bool = False) -> Outcome:
    """The outcome of a child."""
    ask = Asked()
    if asked:
        ask.signal(signal.SIGTERM)
    if lost:
        ask.lost("pod 0 is gone without a word")
    made = of_child(status, said, ask, killed_for_memory=oom, memory="2Gi")
    ask.close()
    return made


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        (errors.UserError("x"), 64, Cause.WRONG_INPUT),
        (errors.StoreDeniedError("x"), 64, Cause.WRONG_INPUT),
        (errors.DamagedInputError("x", need="n", artifact="a"), 65, Cause.DAMAGED_INPUT),
        (errors.StoreError("x"), 69, Cause.STORE),
        (errors.StoreFullError("x"), 69, Cause.NO_SPACE),
        (OSError(errno.ENOSPC, "No space left on device", "/disk/x"), 69, Cause.NO_SPACE),
        (errors.StoppedError("x"), 75, Cause.STOPPED),
        (errors.CannotRunHereError("x"), 78, Cause.CANNOT_RUN_HERE),
        (RuntimeError("x"), 70, Cause.FAILED),
    ],
)
def test_every_error_has_its_code(error: BaseException, code: int, cause: Cause) -> None:
    """Each class of the error tree ends an attempt with its own code and cause."""
    assert (of_error(error).code, of_error(error).cause) == (code, cause)


def test_a_kill_is_for_memory_only_if_the_counter_moved() -> None:
    """SIGKILL alone says nothing; with the cgroup's counter it is out of memory; another end with the counter moved is not."""
    assert ended(-9, None, oom=True).cause is Cause.OUT_OF_MEMORY
    assert "memory: 2Gi" in ended(-9, None, oom=True).message
    assert ended(-9, None).cause is Cause.KILLED
    assert ended(1, None).cause is Cause.KILLED, "no exception of the stage's own was seen"
    assert ended(1, None, oom=True).cause is Cause.OUT_OF_MEMORY, "torchrun ends with 1 when a worker was killed"
    assert ended(-11, None).where == "SIGSEGV"


def test_a_death_speaks_although_the_peer_was_gone_before_it_was_seen() -> None:
    """A peer notices a death and ends while torchrun is still about to say it: the dead one's supervisor says the cause all the same."""
    dead = of_signal(signal.SIGKILL, 1)
    assert ended(1, dead, lost=True).message == "the stage's process of rank 1 was ended by SIGKILL; perhaps memory ran out on the machine"
    assert ended(1, dead, lost=True, oom=True).cause is Cause.OUT_OF_MEMORY
    assert ended(1, None, lost=True, oom=True).cause is Cause.OUT_OF_MEMORY
    assert ended(1, None, lost=True).cause is Cause.PEER_LOST


def test_torchrun_says_which_process_was_killed_and_by_what(tmp_path: Path) -> None:
    """Of two processes one is killed: torchrun itself ends with 1; the folder holds the signal and the rank. What a process said itself
    stays; one that aborted, as NCCL does when a peer is gone, is not at fault."""
    (tmp_path / "outcome-0.json").write_text(json.dumps(left(Code.PEER_LOST, Cause.PEER_LOST).to_data()))
    leave(tmp_path, {0: -9, 1: -11, 2: 1})
    found = left_by_child(tmp_path)
    assert found is not None
    assert (found.cause, found.where, found.message) == (Cause.KILLED, "SIGSEGV", "the stage's process of rank 1 was ended by SIGSEGV")
    assert not (tmp_path / "outcome-2.json").exists()
    assert json.loads((tmp_path / "outcome-0.json").read_text())["cause"] == "peer_lost"
    assert of_signal(signal.SIGABRT, 0).cause is Cause.FAILED_IN_COLLECTIVE
    assert of_signal(signal.SIGABRT).cause is Cause.KILLED


def test_codes_are_not_taken_from_the_child() -> None:
    """Whatever code the child exits with, without an outcome it is 70."""
    for status in (1, 64, 65, 69, 75, 78, 0):
        assert ended(status, None).code is Code.FAILED


def test_after_sigterm_it_is_75_unless_it_had_failed_for_good() -> None:
    """An attempt that was asked to stop ends with 75, also when the child fell over; what no other attempt can mend stays."""
    assert ended(-15, None, asked=True).code is Code.STOPPED
    assert ended(1, left(Code.FAILED, Cause.FAILED), asked=True).code is Code.STOPPED
    assert ended(1, left(Code.STOPPED, Cause.STOPPED), asked=True).code is Code.STOPPED
    assert ended(1, left(Code.WRONG_INPUT, Cause.WRONG_INPUT), asked=True).code is Code.WRONG_INPUT


def test_of_several_processes_the_cause_speaks_not_the_first(tmp_path: Path) -> None:
    """The survivor's complaint comes after the cause, whatever the ranks and times; an unreadable one is passed over."""
    for rank, said in enumerate(
        [left(Code.PEER_LOST, Cause.PEER_LOST), left(Code.FAILED, Cause.FAILED_IN_COLLECTIVE), left(Code.FAILED, Cause.FAILED)]
    ):
        (tmp_path / f"outcome-{rank}.json").write_text(json.dumps(said.to_data()))
    (tmp_path / "outcome-3.json").write_text("{")
    found = left_by_child(tmp_path)
    assert found is not None
    assert found.cause is Cause.FAILED
