"""The codes with which a stage ends, and those with which the command line ends: one table each; and the names of signals."""

import signal
from dataclasses import dataclass
from enum import IntEnum


class Code(IntEnum):
    """How a stage ended, as its supervisor says it; nothing else in lading hands these out."""

    DONE = 0
    """The manifest is committed, or another attempt's stands."""
    WRONG_INPUT = 64
    """Settings or input that only the user can mend."""
    DAMAGED_INPUT = 65
    """An input artifact was damaged, after a second download too."""
    STORE_UNREACHABLE = 69
    """The store could not be reached, after retries."""
    FAILED = 70
    """A bug or an exception in the stage."""
    STOPPED = 75
    """Stopped by SIGTERM, after its state was saved."""
    PEER_LOST = 76
    """A peer went away: connection closed, or rendezvous or collective timed out."""
    CANNOT_RUN_HERE = 78
    """This machine can't run the stage: no GPU, not macOS, a library is missing."""


class Exit(IntEnum):
    """How the command line ends."""

    OK = 0
    STAGE_FAILED = 1
    USAGE = 2
    GATE_FAILED = 3
    UNREACHABLE = 4
    RETRAINS = 10
    """Of `retrain check --exit-code` alone: it was decided to train again."""
    RETRAIN_WAITS = 11
    INTERRUPTED = 130
    """Cancelled, or Ctrl-C."""
    PIPE_CLOSED = 141
    """Nobody reads stdout any more (`lading logs ... | head`): as a shell counts an end by SIGPIPE."""
    TERMINATED = 143
    """A launcher that got SIGTERM: the work goes on without it."""


def signal_name(number: int) -> str:
    """A signal as a person knows it; real-time signals have a number alone."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one code means to a person."""

    meaning: str
    then: str
    """What lading does about it by itself."""
    do: str
    """What the person can do."""


STAGE_CODES: dict[Code, Explanation] = {
    Code.DONE: Explanation("the stage's manifest is committed, or another attempt's stands", "the next stages start", "nothing"),
    Code.WRONG_INPUT: Explanation(
        "a setting or an input is wrong, and only a person can mend it",
        "never tried again",
        "read the sentence that the stage left (lading status RUN), change the pipeline or the data, run again",
    ),
    Code.DAMAGED_INPUT: Explanation(
        "an input artifact did not have the bytes that its manifest promises, twice",
        "the launcher reads the artifact itself: sound, it counts as 69; damaged, its manifest is voided and made again",
        "nothing, unless it comes back: then look at the disk or bucket (lading verify RUN --deep)",
    ),
    Code.STORE_UNREACHABLE: Explanation(
        "the store could not be reached, after retries, or no space was left in it or on the machine",
        "tried again, with growing pauses; not where no space was left, which only a person can mend",
        "lading doctor says whether the store answers, and to whom, and how much space is left; lading gc makes room",
    ),
    Code.FAILED: Explanation(
        "an exception in the stage: a bug, in your code or in lading's",
        "tried again only as often as the stage's `retries` asks (default: never)",
        "lading logs RUN STAGE; lading debug RUN STAGE runs it here on the same inputs",
    ),
    Code.STOPPED: Explanation(
        "the stage was asked to stop (SIGTERM) and saved its state first", "the next attempt starts at once and resumes", "nothing"
    ),
    Code.PEER_LOST: Explanation(
        "another process of the same training went away", "follows the peer's own cause", "look at the cause that lading status shows"
    ),
    Code.CANNOT_RUN_HERE: Explanation(
        "this machine can't run the stage: no GPU, not macOS, a library is missing",
        "never tried again",
        "give the stage a machine that can (runner:, gpus:, image:), or install what is missing; lading doctor lists it",
    ),
}

EXIT_CODES: dict[Exit, Explanation] = {
    Exit.OK: Explanation("all well", "nothing", "nothing"),
    Exit.STAGE_FAILED: Explanation("a stage failed", "stages that depend on it are skipped", "lading status RUN; lading logs RUN STAGE"),
    Exit.USAGE: Explanation("the pipeline or the command is wrong", "nothing was started", "mend what the message names"),
    Exit.GATE_FAILED: Explanation(
        "a `must` gate does not hold", "stages behind the gate are skipped", "lading show RUN STAGE lists the measurements"
    ),
    Exit.UNREACHABLE: Explanation(
        "the store or the cluster is out of reach, or nobody drives the run that was waited for",
        "nothing is lost",
        "lading doctor; then the same command again; of a run that nobody drives lading status RUN says what goes on with it",
    ),
    Exit.RETRAINS: Explanation(
        "retrain check --exit-code: a trigger is due, and a run was launched", "the run goes on or has succeeded", "lading status RUN"
    ),
    Exit.RETRAIN_WAITS: Explanation(
        "retrain check --exit-code: a run of this check goes on, or one failed a short while ago",
        "the next firing looks again",
        "lading retrain history",
    ),
    Exit.INTERRUPTED: Explanation("cancelled", "the stages that only this run waited for are stopped", "the same command again goes on"),
    Exit.PIPE_CLOSED: Explanation(
        "whoever read the output went away, as in `lading logs ... | head`",
        "nothing is lost: a run goes on to its end before the command ends with this",
        "of a run, lading status RUN says how it ended",
    ),
    Exit.TERMINATED: Explanation(
        "the launcher was told to stop", "stages outside this process go on", "the same command with --run RUN goes on"
    ),
}
