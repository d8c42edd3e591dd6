"""Gates, judged from measurements."""

from lading.config.gate import Gate
from lading.plan.gates import judge, state

GATE = Gate.model_validate({"must": ">= 0.9", "should": ">= 0.95"})


def test_each_bound_is_judged_and_the_worst_level_counts() -> None:
    """A must that fails, a should that is missed, and all well."""
    for value, expected in ((0.8, "fail"), (0.92, "warn"), (0.97, "pass")):
        assert expected == state(judge({"accuracy": GATE}, {"accuracy": value}))


def test_what_was_not_measured_is_told_from_what_is_no_number() -> None:
    """Neither holds; the one that was never measured names the measurement that was perhaps meant."""
    missing = judge({"acuracy": GATE}, {"accuracy": 0.97, "loss": 0.1})[0]
    strange = judge({"other": GATE}, {"accuracy": 0.97})[0]
    nan = judge({"accuracy": GATE}, {"accuracy": None})[0]

    assert (missing.ok, strange.ok, nan.ok) == (False, False, False)
    assert missing.note == "was not measured; did you mean accuracy?"
    assert strange.note == "was not measured"
    assert nan.note == ""
