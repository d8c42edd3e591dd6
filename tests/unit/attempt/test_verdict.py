"""Verdicts: one for every mixture of ends, whatever their order."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.attempt.records import Cause, Outcome
from lading.attempt.verdict import CONSEQUENCES, cancelled, disrupted, judge, lost, unstartable
from lading.codes import Code

ENDS = {
    "disrupted": Outcome(code=Code.STOPPED, cause=Cause.DISRUPTED),
    "oom": Outcome(code=Code.FAILED, cause=Cause.OUT_OF_MEMORY),
    "64": Outcome(code=Code.WRONG_INPUT),
    "65": Outcome(code=Code.DAMAGED_INPUT, need="data", artifact="train.npz"),
    "78": Outcome(code=Code.CANNOT_RUN_HERE),
    "69": Outcome(code=Code.STORE_UNREACHABLE),
    "70": Outcome(code=Code.FAILED, cause=Cause.FAILED),
    "70-killed": Outcome(code=Code.FAILED, cause=Cause.KILLED),
    "70-collective": Outcome(code=Code.FAILED, cause=Cause.FAILED_IN_COLLECTIVE),
    "76": Outcome(code=Code.PEER_LOST),
    "75": Outcome(code=Code.STOPPED),
    "0": Outcome(code=Code.DONE),
}
ORDER = ["disrupted", "oom", "64", "65", "78", "69", "70", "70-killed", "70-collective", "76", "75", "0"]
CAUSES = {
    "disrupted": Cause.DISRUPTED,
    "oom": Cause.OUT_OF_MEMORY,
    "64": Cause.WRONG_INPUT,
    "65": Cause.DAMAGED_INPUT,
    "78": Cause.CANNOT_RUN_HERE,
    "69": Cause.STORE,
    "70": Cause.FAILED,
    "70-killed": Cause.KILLED,
    "70-collective": Cause.FAILED_IN_COLLECTIVE,
    "76": Cause.PEER_LOST,
    "75": Cause.STOPPED,
    "0": Cause.STOPPED,
}


@pytest.mark.parametrize("ends", itertools.chain(itertools.product(ORDER, repeat=2), itertools.combinations(ORDER, 3)))
def test_every_combination_has_the_cause_that_is_first_in_the_order(ends: tuple[str, ...]) -> None:
    """Two or three ends: the first in the fixed order speaks, on whichever pod it is."""
    first = min(ends, key=ORDER.index)

    verdict = judge({str(i): ENDS[end] for i, end in enumerate(ends)}, pods=len(ends), run="r", nonce="n")

    assert CAUSES[first] is verdict.cause
    assert ENDS[first].code == verdict.code or first == "0"
    if first != "0":
        assert str(ends.index(first)) == verdict.pod


@given(st.dictionaries(st.integers(0, 40).map(str), st.sampled_from(ORDER), max_size=8), st.randoms())
def test_the_order_in_which_pods_end_is_nothing(ends: dict[str, str], random: object) -> None:
    """Any permutation of the same outcomes gives the same verdict."""
    items = list(ends.items())
    random.shuffle(items)  # type: ignore[attr-defined]

    one = judge({pod: ENDS[end] for pod, end in ends.items()}, pods=8, run="r", nonce="n")
    other = judge({pod: ENDS[end] for pod, end in items}, pods=8, run="r", nonce="n")

    assert one == other


@given(
    st.dictionaries(
        st.integers(0, 9).map(str), st.builds(Outcome, code=st.sampled_from(Code), cause=st.none() | st.sampled_from(Cause)), max_size=5
    )
)
def test_every_mixture_has_a_verdict(outcomes: dict[str, Outcome]) -> None:
    """No combination of codes and causes is without one, and its consequences are those of its cause."""
    verdict = judge(outcomes, pods=5, run="r", nonce="n")

    then = CONSEQUENCES[verdict.cause]
    assert (then.retry, then.charged) == (verdict.retry, verdict.charged)
    assert verdict.message


def test_consequences_are_the_designs() -> None:
    """At once after a disruption, a stop and a loss; a pause after 69 (but for a full disk) and 70; never after 64 and 78."""
    retry = {cause: then.retry for cause, then in CONSEQUENCES.items()}

    assert set(Cause) == set(retry)
    assert {Cause.DISRUPTED, Cause.STOPPED, Cause.LOST} == {cause for cause in retry if retry[cause] == "at_once"}
    assert {Cause.WRONG_INPUT, Cause.CANNOT_RUN_HERE, Cause.CANCELLED, Cause.NO_SPACE} == {
        cause for cause in retry if retry[cause] == "never"
    }
    never_charged = {Cause.DISRUPTED, Cause.STOPPED, Cause.LOST, Cause.PEER_LOST, Cause.DAMAGED_INPUT, Cause.CANCELLED}
    assert never_charged | {Cause.STORE, Cause.NO_SPACE} == {cause for cause, then in CONSEQUENCES.items() if not then.charged}


def test_what_the_speaking_pod_said_is_kept() -> None:
    """Message, place, traceback and the damaged artifact come from the pod that speaks."""
    said = Outcome(code=Code.FAILED, message="boom", where="user.py:3 in f", traceback="Traceback")

    verdict = judge({"0": Outcome(code=Code.PEER_LOST, message="closed"), "1": said}, pods=2, run="r", nonce="n")
    damaged = judge({"0": ENDS["65"]}, pods=1, run="r", nonce="n")

    assert (verdict.pod, verdict.message, verdict.where, verdict.traceback) == ("1", "pod 1 of 2: boom", "user.py:3 in f", "Traceback")
    assert (damaged.need, damaged.artifact) == ("data", "train.npz")


def test_pods_without_a_word_are_lost() -> None:
    """No outcome at all, or only ends with 0 beside silent pods, is a loss and retried at once."""
    assert Cause.LOST is judge({}, pods=2, run="r", nonce="n").cause
    assert Cause.LOST is judge({"1": ENDS["0"]}, pods=2, run="r", nonce="n").cause
    assert Cause.PEER_LOST is judge({"1": ENDS["76"]}, pods=2, run="r", nonce="n").cause
    failed = Outcome(code=Code.FAILED, cause=Cause.FAILED_IN_COLLECTIVE)
    assert Cause.DISRUPTED is judge({"1": failed}, pods=2, run="r", nonce="n").cause
    assert Cause.FAILED_IN_COLLECTIVE is judge({"1": failed, "0": failed}, pods=2, run="r", nonce="n").cause


def test_ten_is_after_nine() -> None:
    """Of pods with the same cause the one with the lowest number speaks, as a number."""
    assert judge({"10": ENDS["70"], "9": ENDS["70"]}, pods=11, run="r", nonce="n").pod == "9"


def test_what_launchers_say_themselves() -> None:
    """Losses and disruptions cost nothing, cancelled is the end."""
    told = {"run": "r", "nonce": "n"}

    assert (lost("m", **told).retry, lost("m", **told).charged) == ("at_once", False)
    assert (disrupted("m", **told).retry, disrupted("m", **told).charged) == ("at_once", False)
    assert (cancelled("m", **told).retry, cancelled("m", **told).by, cancelled("m", **told).nonce) == ("never", "r", "n")
    assert (
        unstartable("m", code=Code.CANNOT_RUN_HERE, do="do it", **told).retry,
        unstartable("m", code=Code.FAILED, do="do it", **told).do,
    ) == ("never", "do it")
