"""The verdict of an attempt: one, whatever the order in which its pods ended; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lading.attempt.records import CAUSE_OF, RANK, Cause, Outcome, Retry, Verdict
from lading.codes import STAGE_CODES, Code


@dataclass(frozen=True, slots=True)
class Then:
    """What follows from a cause."""

    retry: Retry
    charged: bool
    """Whether it counts against the stage's `retries`; what is not the stage's fault does not."""
    do: str = ""
    """What a person can do, where the code's own advice is not it."""


CONSEQUENCES: dict[Cause, Then] = {
    Cause.CANCELLED: Then("never", charged=False, do="run the pipeline again: what was done stays done"),
    Cause.DEADLINE: Then("backoff", charged=True, do="raise the stage's deadline_s, or make it faster"),
    Cause.DISRUPTED: Then("at_once", charged=False, do="nothing: the next attempt starts by itself"),
    Cause.OUT_OF_MEMORY: Then("backoff", charged=True, do="raise the stage's `memory:`, or make its batches smaller"),
    Cause.WRONG_INPUT: Then("never", charged=True),
    Cause.DAMAGED_INPUT: Then("backoff", charged=False),
    Cause.CANNOT_RUN_HERE: Then("never", charged=True),
    Cause.NO_SPACE: Then("never", charged=False, do="make room, then run the pipeline again: what was done stays done"),
    Cause.STORE: Then("backoff", charged=False),
    Cause.FAILED: Then("backoff", charged=True),
    Cause.KILLED: Then("backoff", charged=True),
    Cause.FAILED_IN_COLLECTIVE: Then("backoff", charged=True),
    Cause.PEER_LOST: Then("backoff", charged=False),
    Cause.STOPPED: Then("at_once", charged=False),
    Cause.LOST: Then("at_once", charged=False, do="nothing: the next attempt starts by itself"),
}
"""What follows: 65 with a backoff, but first the launcher reads the artifact itself and voids what is damaged."""


def judge(outcomes: Mapping[str, Outcome], *, pods: int, run: str, nonce: str) -> Verdict:
    """The verdict over all outcomes: the cause that is first in the fixed order speaks, never the first in time.

    Args:
        outcomes: pod to how it ended; pods may be missing.
        pods: how many there should be.
        run: whose launcher judges.
        nonce: fresh, so that this verdict can be told from another's.
    """
    speaking = [(pod, outcome) for pod, outcome in outcomes.items() if outcome.code != Code.DONE or outcome.cause is not None]
    if not speaking:
        if len(outcomes) < pods:
            return lost(f"{pods - len(outcomes)} of {pods} pods went away without a word", run=run, nonce=nonce)
        return _verdict(
            Cause.STOPPED, Code.STOPPED, "it ended because another attempt's manifest stood, which no longer counts", run=run, nonce=nonce
        )
    pod, outcome = min(speaking, key=lambda item: (RANK[cause_of(item[1])], _order(item[0])))
    cause = cause_of(outcome)
    if len(outcomes) < pods and cause is Cause.FAILED_IN_COLLECTIVE:
        # Not the stage's fault: what failed is that somebody was lost, who says nothing.
        gone = f"{pods - len(outcomes)} of {pods} pods went away without a word"
        return disrupted(f"{gone}; of the others: {outcome.message.splitlines()[0] if outcome.message else cause}", run=run, nonce=nonce)
    message = outcome.message or STAGE_CODES[outcome.code].meaning
    return _verdict(cause, outcome.code, f"pod {pod} of {pods}: {message}" if pods > 1 else message, run=run, nonce=nonce).but(
        where=outcome.where, traceback=outcome.traceback, pod=pod, need=outcome.need, artifact=outcome.artifact
    )


def cause_of(outcome: Outcome) -> Cause:
    """The cause that an outcome names, or that follows from its code."""
    return outcome.cause or CAUSE_OF.get(outcome.code, Cause.STOPPED)


def lost(message: str, *, run: str, nonce: str) -> Verdict:
    """For an attempt that went silent, with nobody there to ask."""
    return _verdict(Cause.LOST, Code.PEER_LOST, message, run=run, nonce=nonce)


def disrupted(message: str, *, run: str, nonce: str) -> Verdict:
    """For an attempt whose machine, or place on it, was taken away."""
    return _verdict(Cause.DISRUPTED, Code.STOPPED, message, run=run, nonce=nonce)


def cancelled(message: str, *, run: str, nonce: str) -> Verdict:
    """For an attempt that was stopped because nobody waits for it any more."""
    return _verdict(Cause.CANCELLED, Code.STOPPED, message, run=run, nonce=nonce)


def unstartable(message: str, *, code: Code, do: str = "", run: str, nonce: str) -> Verdict:
    """For an attempt that its backend could not start at all."""
    return _verdict(CAUSE_OF.get(code, Cause.FAILED), code, message, run=run, nonce=nonce).but(**({"do": do} if do else {}))


def _verdict(cause: Cause, code: Code, message: str, *, run: str, nonce: str) -> Verdict:
    then = CONSEQUENCES[cause]
    do = then.do or STAGE_CODES[code].do
    return Verdict(code=code, cause=cause, retry=then.retry, charged=then.charged, message=message, do=do, nonce=nonce, by=run)


def _order(pod: str) -> tuple[int, str]:
    """Pods by number, then by name."""
    return (int(pod) if pod.isascii() and pod.isdigit() and len(pod) < 10 else 1 << 30, pod)
