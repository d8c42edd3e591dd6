"""Parity: the figures are right, the bound is the written one, and the score follows from the rows alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lading.ml import health, parity
from lading.ml.parity import Row, Tolerance, compare

ARRAYS = hnp.arrays(np.float32, (3, 5), elements=st.floats(-100, 100, width=32))
WHERE = {"format": "onnx", "case": "c", "batch": 1, "output": "logits"}
TOLERANCE = Tolerance.of("float32")


@given(ARRAYS)
@settings(deadline=None)
def test_equal_outputs_never_fail(values):
    """Whatever the values, outputs that are equal are no failure, and agree."""
    row = compare(values, values.copy(), TOLERANCE, logits=True, **WHERE)
    assert not row.failed
    assert (row.max_abs, row.top1, row.kl_max, row.psnr_db) == (0.0, 1.0, 0.0, None)


@given(ARRAYS, st.floats(1e-3, 1e3))
@settings(deadline=None)
def test_scale_of_the_model_does_not_matter(values, scale):
    """The same relative error is judged the same whatever the model's scale, in fp64."""
    ref = values.astype(np.float64) + 1.0
    got = ref * (1 + 1e-3)
    bound = Tolerance(1e-2, 0.0)
    assert bound.exceeded(ref, np.abs(ref - got)) == bound.exceeded(ref * scale, np.abs(ref - got) * scale) == 0
    assert Tolerance(1e-4, 1e-5).exceeded(ref * scale, np.abs(ref - got) * scale) > 0


@given(ARRAYS, hnp.arrays(np.float32, (3, 5), elements=st.floats(-1, 1, width=32)))
@settings(deadline=None)
def test_kl_is_never_negative_and_zero_only_for_equal_choices(logits, noise):
    """KL is at least 0, whatever the logits, and ignores a constant added to a row."""
    assert (parity.kl(logits.astype(np.float64), (logits + noise).astype(np.float64)) >= 0).all()
    assert parity.kl(logits.astype(np.float64), logits.astype(np.float64) + 7.0).max() < 1e-9


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_score_is_the_part_that_did_not_fail(failed):
    """The score can be computed again from the rows, also after they went through JSON."""
    rows = [Row(**WHERE, beyond=int(bad)) for bad in failed]
    again = [Row.model_validate(row.to_data()) for row in rows]
    assert parity.summary(again)["score"] == pytest.approx(1 - sum(failed) / len(failed))
    assert parity.summary(again)["failures"] == sum(failed)


def test_psnr_is_apples():
    """PSNR is 20 log10(max|ref| / RMSE)."""
    ref = np.array([[0.0, 10.0]])
    assert parity.psnr_db(ref, ref + 0.1) == pytest.approx(40.0)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (np.zeros((3, 4), np.float32), "shape"),
        (np.zeros((3, 5), np.float64), "dtype"),
        (np.full((3, 5), np.nan, np.float32), "NaN"),
        (np.full((3, 5), np.inf, np.float32), "infinite"),
    ],
)
def test_what_is_no_answer_is_a_problem(found, word):
    """A wrong shape, dtype, NaN or infinity fails by itself, and says so."""
    row = compare(np.ones((3, 5), np.float32), found, TOLERANCE, **WHERE)
    assert row.failed
    assert word in (row.problem or "")


def test_one_element_beyond_is_a_failure():
    """A single wrong element among many fails."""
    ref = np.linspace(-1, 1, 10_000, dtype=np.float32).reshape(100, 100)
    got = ref.copy()
    got[50, 50] += 1e-3
    row = compare(ref, got, TOLERANCE, **WHERE)
    assert (row.beyond, row.failed) == (1, True)


def test_error_ratio_tells_rounding_from_a_fault():
    """Near 1 for an answer as exact as PyTorch's, far above for a wrong one."""
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(20, 20))
    eager = exact + rng.normal(size=exact.shape) * 1e-7
    assert parity.error_ratio(exact, eager, exact + rng.normal(size=exact.shape) * 1e-7) < 3
    assert parity.error_ratio(exact, eager, exact + 1e-3) > 1e3


@pytest.mark.parametrize(
    ("outputs", "word"),
    [
        ([np.full((4, 3), 1e-37)], "never larger"),
        ([np.ones((4, 3))], "same for every input"),
        ([np.full((2, 3), np.nan)], "NaN"),
    ],
)
def test_outputs_that_say_nothing_are_inconclusive(outputs, word):
    """Outputs without scale, without variance or without numbers can't prove an export."""
    assert word in (health.inconclusive(outputs) or "")
    assert health.inconclusive([np.random.default_rng(0).normal(size=(4, 3))]) is None


def test_p99_needs_two_hundred_runs():
    """Below 200 runs p99 would be the slowest run under another name."""
    assert "p99_ms" not in parity.percentiles([0.1] * 199)
    assert parity.percentiles([0.1] * 200)["p99_ms"] == pytest.approx(100)


def test_single_samples_of_each_size_are_not_called_the_same():
    """With one sample of each length nothing can be said about variance, so nothing is."""
    rng = np.random.default_rng(0)
    assert health.inconclusive([rng.normal(size=(1, 3)), rng.normal(size=(1, 5))]) is None
