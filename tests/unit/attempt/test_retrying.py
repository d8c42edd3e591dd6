"""What follows a failed attempt."""

from hypothesis import given
from hypothesis import strategies as st

from lading.attempt.records import Cause, Outcome
from lading.attempt.retrying import LONGEST_PAUSE_S, MAX_WITHOUT_PROGRESS, RESUMED, Tried, next_step
from lading.attempt.verdict import CONSEQUENCES, judge
from lading.codes import Code

NEVER = (Cause.WRONG_INPUT, Cause.CANNOT_RUN_HERE, Cause.CANCELLED)


def tried(cause: Cause, checkpoint: int | None = None) -> Tried:
    """An attempt that ended so."""
    return Tried(judge({"0": Outcome(code=Code.FAILED, cause=cause)}, pods=1, run="r", nonce="n"), checkpoint)


def test_a_bug_is_not_tried_again_unless_asked() -> None:
    """70 with `retries: 0` gives up; with 2, the third failure does."""
    bug = tried(Cause.FAILED)

    assert next_step([bug], retries=0, jitter=0).act == "give_up"
    assert [next_step([bug] * n, retries=2, jitter=0).act for n in (1, 2, 3)] == ["retry", "retry", "give_up"]


def test_what_is_not_the_stages_fault_costs_no_retries() -> None:
    """Disruptions before and after a failure are not counted as failures."""
    history = [tried(Cause.DISRUPTED), tried(Cause.FAILED), tried(Cause.STORE)]

    assert next_step(history, retries=1, jitter=0).act == "retry"


def test_never_is_never() -> None:
    """64 and 78 are given up, however many retries are allowed."""
    assert {"give_up"} == {next_step([tried(c)], retries=99, jitter=0).act for c in NEVER}


def test_disruption_is_followed_at_once() -> None:
    """No pause after a disruption, a stop or a loss."""
    assert {0.0} == {next_step([tried(c)], retries=0, jitter=1).after_s for c in (Cause.DISRUPTED, Cause.STOPPED, Cause.LOST)}


def test_five_without_a_later_checkpoint_are_the_end() -> None:
    """The fifth attempt in a row that brought nothing forward is the last; one that did starts the count anew."""
    idle = tried(Cause.DISRUPTED)
    stuck = tried(Cause.DISRUPTED, 100)

    assert [next_step([idle] * n, retries=0, jitter=0).act for n in range(1, 6)] == ["retry"] * 4 + ["give_up"]
    assert next_step([stuck, *[idle] * 5], retries=0, jitter=0).act == "give_up"
    assert next_step([stuck] * 6, retries=0, jitter=0).act == "give_up"
    assert next_step([*[idle] * 4, tried(Cause.DISRUPTED, 101), *[idle] * 4], retries=0, jitter=0).act == "retry"


def test_a_death_in_mid_training_is_resumed_without_being_asked() -> None:
    """Killed for memory or by anybody after it had stored a later state: the next attempt goes on from there, which is not the same
    again. One that dies before it gets any further is counted, and so is an exception, however far it came."""
    for cause in (Cause.OUT_OF_MEMORY, Cause.KILLED, Cause.FAILED_IN_COLLECTIVE):
        assert next_step([tried(cause)], retries=0, jitter=0).act == "give_up"
        assert next_step([tried(cause, 100)], retries=0, jitter=0).act == "retry"
        assert next_step([tried(cause, 100), tried(cause, 200)], retries=0, jitter=0).act == "retry"
        assert next_step([tried(cause, 100), tried(cause, 100)], retries=0, jitter=0).act == "give_up"
        assert next_step([tried(cause, 100), tried(cause)], retries=0, jitter=0).act == "give_up"
    assert next_step([tried(Cause.FAILED, 100)], retries=0, jitter=0).act == "give_up"


@given(st.integers(1, 30), st.floats(0, 1))
def test_an_attempt_that_gets_further_may_always_go_on(count: int, jitter: float) -> None:
    """Preempted a hundred times, each time further: it goes on."""
    history = [tried(Cause.DISRUPTED, step) for step in range(count)]

    assert next_step(history, retries=0, jitter=jitter).act == "retry"


def test_pauses_grow_are_bounded_and_jittered() -> None:
    """Each pause is twice the one before, up to the longest; jitter takes off at most half."""
    history = [tried(Cause.FAILED)]
    pauses = [next_step(history * n, retries=99, jitter=1).after_s for n in range(1, 12)]

    assert pauses[:3] == [2.0, 4.0, 8.0]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pauses[2] / 2 == next_step(history * 3, retries=99, jitter=0).after_s


TRIED = st.builds(tried, st.sampled_from(Cause), st.none() | st.integers(0, 5))


@given(st.lists(TRIED, min_size=1, max_size=30), st.integers(0, 3), st.floats(0, 1))
def test_every_history_comes_to_an_end(history: list[Tried], retries: int, jitter: float) -> None:
    """With checkpoints bounded, no history of retries is longer than what the bounds allow; pauses are never negative."""
    for n in range(1, len(history) + 1):
        step = next_step(history[:n], retries=retries, jitter=jitter)
        assert 0 <= step.after_s <= LONGEST_PAUSE_S
        if step.act == "give_up":
            assert step.why
            return
    best, counted = -1, 0
    for t in history:
        further = t.checkpoint is not None and t.checkpoint > best
        best = max(best, t.checkpoint if t.checkpoint is not None else -1)
        counted += CONSEQUENCES[t.verdict.cause].charged and not (further and t.verdict.cause in RESUMED)
    assert counted <= retries
    assert len(history) - counted < MAX_WITHOUT_PROGRESS * 7 + 6
