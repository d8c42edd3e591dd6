"""What a launcher does next about one stage."""

from typing import Any

from lading.attempt.observe import Attempt
from lading.attempt.records import Cause, Outcome
from lading.attempt.verdict import cancelled, judge, lost
from lading.backends.base import Sight
from lading.codes import Code
from lading.launch.decide import Facts, next_act
from support.results import make_claim

BUG = Outcome(code=Code.FAILED, cause=Cause.FAILED, message="a bug")
DONE = Outcome(code=Code.DONE)


def seen(number: int = 1, **fields: Any) -> dict[int, Attempt]:
    """One attempt."""
    values = {"beats": {}, "outcomes": {}, "verdict": None, "checkpoint": None, **fields}
    return {number: Attempt(number=number, claim=make_claim(number), **values)}


def failed(number: int = 1) -> dict[int, Attempt]:
    """One attempt that failed on its own account."""
    return seen(number, verdict=judge({"0": BUG}, pods=1, run="r1", nonce="n"))


def test_nobody_tried_so_the_first_number_is_claimed() -> None:
    """A stage with neither manifest nor claim is claimed at 1."""
    assert next_act(Facts({})).what == "claim"
    assert next_act(Facts({})).number == 1


def test_a_live_attempt_is_waited_for() -> None:
    """Whoever finds a live claim waits, whether its process is seen or only its heartbeat moves."""
    assert next_act(Facts(seen(), sight=Sight(alive=True), stale=True)).what == "wait"
    assert next_act(Facts(seen(), sight=Sight(alive=None), stale=False)).what == "wait"


def test_silence_alone_is_the_end_only_where_nobody_can_be_asked() -> None:
    """A minute without a sign, on another host: lost."""
    assert next_act(Facts(seen(), sight=Sight(alive=None), stale=True)).what == "lose"


def test_a_claim_that_never_began_is_begun_where_it_can_be() -> None:
    """Its Job was never created: it is created; but not once it had a heartbeat."""
    gone = Sight(alive=False)
    assert next_act(Facts(seen(), sight=gone, completes=True)).what == "begin"
    assert next_act(Facts(seen(beats={"0": ("e", 1.0)}), sight=gone, completes=True)).what == "lose"
    assert next_act(Facts(seen(), sight=gone, completes=False)).what == "lose"


def test_outcomes_are_judged_at_once() -> None:
    """What its pods, or its backend, say ends an attempt, though its process may still be there."""
    assert next_act(Facts(seen(outcomes={"0": BUG}), sight=Sight(alive=True))).what == "judge"
    assert next_act(Facts(seen(), sight=Sight(alive=False, outcomes={"0": BUG}))).what == "judge"
    assert next_act(Facts(seen(outcomes={"0": DONE}), sight=Sight(alive=True))).what == "look_again"


def test_a_failure_of_its_own_is_retried_as_often_as_asked() -> None:
    """With no retries it fails; with one it waits out a pause and then takes the next number."""
    counted = frozenset({1})
    assert next_act(Facts(failed(), counted=counted)).what == "fail"
    assert next_act(Facts(failed(), counted=counted, retries=1, waited_s=0.0)).what == "wait"
    after = next_act(Facts(failed(), counted=counted, retries=1, waited_s=1000.0))
    assert (after.what, after.number) == ("claim", 2)


def test_what_failed_before_this_run_does_not_count() -> None:
    """A person's new run starts with a fresh bound."""
    assert next_act(Facts(failed(3), counted=frozenset())).what == "claim"
    assert next_act(Facts(failed(3), counted=frozenset())).number == 4


def test_an_attempt_that_another_run_cancelled_is_made_again() -> None:
    """Cancelling a run never fails another one that waits for the same stage."""
    stopped = seen(verdict=cancelled("r2 was cancelled", run="r2", nonce="n"))
    assert next_act(Facts(stopped, counted=frozenset({1}))).what == "claim"


def test_a_lost_attempt_is_followed_at_once() -> None:
    """No pause after what was nobody's fault."""
    gone = seen(verdict=lost("silent", run="r1", nonce="n"))
    assert next_act(Facts(gone, counted=frozenset({1}))).number == 2
