"""What was seen of a pod that only says that it was stopped."""

from lading.attempt.observe import Attempt
from lading.attempt.records import Cause, Claim, Holder, Outcome
from lading.backends.base import Sight
from lading.codes import Code
from lading.launch.decide import Facts, next_act

CLAIM = Claim(kind="script", key="0" * 64, n=1, nonce="n", run="r", stage="s", holder=Holder(backend="kubernetes"))
EVICTED = Outcome(code=Code.STOPPED, cause=Cause.DISRUPTED, message="evicted")


def judged(said: Outcome, seen: Outcome = EVICTED) -> Outcome:
    """The outcome by which a pod that said this, and was seen to end so, is judged."""
    attempt = Attempt(number=1, claim=CLAIM, beats={}, outcomes={"0": said}, verdict=None, checkpoint=None)
    act = next_act(Facts(attempts={1: attempt}, sight=Sight(alive=False, outcomes={"0": seen})))
    assert act.what == "judge"
    assert act.outcomes is not None
    return act.outcomes["0"]


def test_a_stopped_pod_does_not_know_why() -> None:
    """A pod that was evicted and says `stopped by SIGTERM` was disrupted."""
    assert judged(Outcome(code=Code.STOPPED, cause=Cause.STOPPED, message="SIGTERM")) == EVICTED


def test_a_failure_speaks_for_itself() -> None:
    """A pod that failed, and was evicted while it ended, failed."""
    failed = Outcome(code=Code.FAILED, cause=Cause.FAILED, message="bug")
    assert judged(failed) == failed


def test_what_is_seen_without_a_cause_knows_no_better() -> None:
    """The bare exit code of a pod that said why it stopped adds nothing to it."""
    said = Outcome(code=Code.STOPPED, cause=Cause.STOPPED, message="stopped at step 176 of 240; the state is saved")
    assert judged(said, Outcome(code=Code.STOPPED, message="File torchrun.py, line 3")) == said
