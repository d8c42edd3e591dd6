"""What a launcher does next about one stage whose key is known: decided from what was seen; no clock, no store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lading.attempt.observe import Attempt
from lading.attempt.records import Cause, Outcome
from lading.attempt.retrying import Tried, next_step
from lading.backends.base import Sight
from lading.codes import Code

UNSEEN = Sight(alive=None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of the attempts at a key of which no manifest stands."""

    attempts: Mapping[int, Attempt]
    sight: Sight = UNSEEN
    """Of the newest attempt, where it has no verdict."""
    stale: bool = False
    """Whether nothing of it moved for a minute, on this launcher's own clock."""
    counted: frozenset[int] = frozenset()
    """Attempts whose verdict was reached while this run waited for them."""
    retries: int = 0
    jitter: float = 0.0
    waited_s: float = 0.0
    """Since the newest verdict was first seen."""
    completes: bool = False
    """Whether the backend can begin an attempt that another launcher claimed and never began."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do.

    `claim`: write the next claim. `begin`: submit an attempt that was claimed and never began. `judge`: write the verdict that
    `outcomes` give. `lose`: write the verdict that it was lost, says `why`. `look_again`: all its pods say that a result stands, so ask
    for the manifest once more before they are judged. `wait`: nothing now. `fail`: give the stage up.
    """

    what: Literal["claim", "begin", "judge", "lose", "wait", "look_again", "fail"]
    number: int = 0
    outcomes: Mapping[str, Outcome] | None = None
    why: str = ""


def next_act(facts: Facts) -> Act:
    """The one thing to do now."""
    if not facts.attempts:
        return Act("claim", number=1)
    last = facts.attempts[max(facts.attempts)]
    return _live(facts, last) if last.verdict is None else _judged(facts, last)


def history(attempts: Mapping[int, Attempt], counted: frozenset[int]) -> Sequence[Tried]:
    """The attempts that count for this run; one that somebody cancelled says nothing about the stage."""
    return [
        Tried(attempt.verdict, attempt.checkpoint)
        for number, attempt in sorted(attempts.items())
        if number in counted and attempt.verdict is not None and attempt.verdict.cause is not Cause.CANCELLED
    ]


def _judged(facts: Facts, last: Attempt) -> Act:
    tried = history(facts.attempts, facts.counted)
    if last.number not in facts.counted or not tried or last.verdict is None or last.verdict.cause is Cause.CANCELLED:
        return Act("claim", number=last.number + 1)
    step = next_step(tried, retries=facts.retries, jitter=facts.jitter)
    if step.act == "give_up":
        return Act("fail", number=last.number, why=step.why)
    if facts.waited_s < step.after_s:
        return Act("wait", why=f"tries again in {step.after_s - facts.waited_s:.0f} s: {step.why}")
    return Act("claim", number=last.number + 1)


def _live(facts: Facts, last: Attempt) -> Act:
    outcomes = _merged(facts.sight.outcomes or {}, last.outcomes)
    if len(outcomes) >= last.claim.pods:
        if all(outcome.code is Code.DONE for outcome in outcomes.values()):
            return Act("look_again", number=last.number, outcomes=outcomes)
        return Act("judge", number=last.number, outcomes=outcomes)
    if facts.sight.alive:
        return Act("wait", why=facts.sight.note)
    if facts.sight.alive is False:
        return _gone(facts, last, outcomes)
    if facts.stale:
        return Act("lose", number=last.number, why="nothing was heard of it for a minute")
    return Act("wait", why=facts.sight.note)


def _gone(facts: Facts, last: Attempt, outcomes: Mapping[str, Outcome]) -> Act:
    """Its backend is certain that nothing of it is there: it never began, or it ended."""
    untouched = not last.beats and not outcomes and not last.taken
    if untouched and (facts.sight.unbegun or (facts.completes and not facts.stale)):
        return Act("begin", number=last.number)
    if outcomes:
        return Act("judge", number=last.number, outcomes=outcomes)
    if facts.sight.unbegun:
        return Act("wait")  # it was begun between the two looks
    return Act("lose", number=last.number, why="its process ended without a word (killed, or the machine ran out of memory)")


def _merged(seen: Mapping[str, Outcome], said: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """What pods said speaks before what was seen of them, but a pod that says no more than that it was stopped does not know why."""
    why = {pod: one for pod, one in seen.items() if one.cause is not None and pod in said and said[pod].code is Code.STOPPED}
    return {**seen, **said, **why}
