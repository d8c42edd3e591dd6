"""Triggers and the decision, from facts alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.config.retrain import Retrain
from lading.retrain.decide import decide
from lading.retrain.triggers import Facts, Past, Seen, Volume

DAY = 86400.0
DAILY = Retrain.model_validate({"time": {"every": "24h"}, "cooldown": "2h"})
GROWING = Retrain.model_validate({"volume": {"grows_by": 0.1}})


def past(state: Any = "succeeded", *, decided: float = 0.0, ended: float | None = 100.0, size: int | None = None) -> Past:
    """A launch of this check."""
    volumes = {} if size is None else {"data": Volume(files=1, bytes=size)}
    return Past(tick="t0", run="r0", decided=decided, state=state, ended=None if state == "live" else ended, volumes=volumes)


def facts(now: float, last: Past | None = None, *, success: Past | None = None, size: int | None = None) -> Facts:
    """Facts in which a succeeded last launch is the last success too."""
    known = success or (last if last and last.state == "succeeded" else None)
    volumes = {} if size is None else {"data": Volume(files=1, bytes=size)}
    return Facts(tick="t", now=now, last=last, success=known, volumes=volumes)


def test_the_first_check_launches() -> None:
    """Where nothing has succeeded yet, a time trigger is due."""
    assert decide(DAILY, facts(5.0)).act == "launch"


@pytest.mark.parametrize(("age", "act"), [(0, "nothing"), (0.9 * DAY, "nothing"), (DAY - 5, "launch"), (9 * DAY, "launch")])
def test_time_counts_from_the_last_success(age: float, act: str) -> None:
    """Due after a day; a schedule that fires seconds early does not lose a day."""
    assert act == decide(DAILY, facts(age, past())).act


@pytest.mark.parametrize(
    ("size", "act"), [(1000, "nothing"), (1099, "nothing"), (1100, "launch"), (5000, "launch"), (10, "nothing"), (None, "nothing")]
)
def test_volume_counts_from_the_last_success(size: int | None, act: str) -> None:
    """Due at ten percent more than what the last success saw; not when data went away or can't be measured."""
    assert act == decide(GROWING, facts(1.0, past(size=1000), size=size)).act


def test_bytes_count_too() -> None:
    """`grows_by_bytes` is enough by itself."""
    retrain = Retrain.model_validate({"volume": {"grows_by": 10.0, "grows_by_bytes": 50}})

    assert decide(retrain, facts(1.0, past(size=1000), size=1050)).act == "launch"
    assert decide(retrain, facts(1.0, past(size=1000), size=1049)).act == "nothing"


def test_nothing_grows_from_nothing() -> None:
    """An empty folder that is still empty is not due, however small the share."""
    assert decide(GROWING, facts(1.0, past(size=0), size=0)).act == "nothing"


def test_a_live_run_is_waited_for() -> None:
    """However due, while a run of this check lives no second one starts; it is named."""
    decided = decide(DAILY, facts(9 * DAY, past("live")))

    assert decided.act == "wait"
    assert "r0" in decided.why


@pytest.mark.parametrize("state", ["failed", "gate_failed", "cancelled"])
def test_after_a_failure_it_cools_down(state: str) -> None:
    """Nothing for two hours after the failed run's end; then the trigger, which still counts from the last success, is due again."""
    last = past(state, decided=9 * DAY, ended=9 * DAY + 100)
    soon, later = facts(9 * DAY + 7000, last, success=past()), facts(9 * DAY + 7301, last, success=past())

    assert [decide(DAILY, soon).act, decide(DAILY, later).act] == ["wait", "launch"]


def champion(at: float, *, run: str = "r9", size: int | None = None) -> Seen:
    """A model in use whose data was taken at a time."""
    volumes = {} if size is None else {"data": Volume(files=1, bytes=size)}
    return Seen(who="the model in use (digits/production, entry 1, of run r9)", run=run, at=at, volumes=volumes)


@pytest.mark.parametrize(("age", "act"), [(0.5 * DAY, "nothing"), (2 * DAY, "launch")])
def test_time_counts_from_the_model_in_use(age: float, act: str) -> None:
    """A release that has just trained and promoted is not trained again at its first tick; a model that grew old is."""
    decided = decide(DAILY, Facts(tick="t", now=age, champion=champion(0.0)))

    assert act == decided.act
    assert "the model in use (digits/production" in decided.why


@pytest.mark.parametrize(("size", "act"), [(1050, "nothing"), (1100, "launch")])
def test_volume_counts_from_the_model_in_use(size: int, act: str) -> None:
    """Ten percent more than what it was trained on."""
    now = {"data": Volume(files=1, bytes=size)}

    assert act == decide(GROWING, Facts(tick="t", now=9.0, champion=champion(0.0, size=1000), volumes=now)).act


def test_what_was_trained_since_and_not_promoted_is_not_trained_again() -> None:
    """The model in use is old, and this check has trained on today's data already: the same once more would be no better."""
    old, since = champion(0.0, size=1000), past(decided=9 * DAY, ended=9 * DAY + 5, size=2000)
    soon = facts(9 * DAY + 60, since, size=2000)

    for retrain in (DAILY, GROWING):
        decided = decide(retrain, Facts(tick="t", now=soon.now, last=since, success=since, champion=old, volumes=soon.volumes))
        assert decided.act == "nothing"
        assert "the last success of this check (run r0)" in decided.why


def test_a_newer_model_in_use_counts_more_than_an_older_success() -> None:
    """Somebody trained and promoted beside the check."""
    success = past(decided=0.0)

    assert decide(DAILY, Facts(tick="t", now=2 * DAY, last=success, success=success, champion=champion(1.9 * DAY))).act == "nothing"
    # of one run, what the check knows counts: it was decided before its data stage ran
    own = Facts(tick="t", now=DAY, last=success, success=success, champion=champion(0.1 * DAY, run="r0"))
    assert decide(DAILY, own).act == "launch"


def test_a_champion_of_which_nobody_knows_what_it_saw_is_due() -> None:
    """It says so: a model that was brought along has no data stage behind it."""
    decided = decide(GROWING, Facts(tick="t", now=9.0, champion=champion(0.0), volumes={"data": Volume(files=1, bytes=5)}))

    assert decided.act == "launch"
    assert "how much of it the model in use has seen is not known" in decided.why


def test_a_run_that_somebody_else_started_is_waited_for() -> None:
    """The release's own first training goes on: due or not, no second one starts beside it."""
    assert decide(DAILY, Facts(tick="t", now=9.0, beside="r5")).act == "wait"
    assert "r5" in decide(DAILY, Facts(tick="t", now=9.0, beside="r5")).why
    assert decide(DAILY, Facts(tick="t", now=9.0, beside="r5", champion=champion(1.0))).act == "nothing"


STATES = st.sampled_from(["live", "succeeded", "failed", "gate_failed", "cancelled"])
SIZED = st.none() | st.integers(0, 9999)
MADE = st.builds(lambda state, at, size: past(state, decided=at, ended=at + 5, size=size), STATES, st.floats(0, 1e6), SIZED)
PASTS = st.none() | MADE


@given(st.sampled_from([DAILY, GROWING]), st.floats(0, 2e6), PASTS, st.none() | st.integers(0, 9999))
def test_no_launch_beside_a_live_run_or_without_a_due_trigger(retrain: Retrain, now: float, last: Past | None, size: int | None) -> None:
    """Whatever the facts: launched only if a trigger is due and nothing lives; every decision has a sentence."""
    decided = decide(retrain, facts(now, last, size=size))

    assert decided.why
    if decided.act == "launch":
        assert any(said.due for said in decided.fired)
        assert last is None or last.state != "live"
    assert decided == decide(retrain, facts(now, last, size=size))
