"""Temperature scaling."""

import numpy as np
import pytest

from lading.ml.calibration import compare, cross_fitted, fit_temperature, nll
from lading.ml.metrics import probabilities


def drawn(temperature: float, count: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from them at a temperature."""
    random = np.random.default_rng(1)
    logits = random.normal(size=(count, 5)) * 3
    gumbel = random.gumbel(size=logits.shape)
    return logits, (logits / temperature + gumbel).argmax(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature: float) -> None:
    """Labels drawn at a temperature give it back."""
    assert temperature == pytest.approx(fit_temperature(*drawn(temperature)), rel=0.08)


def test_it_is_the_minimum() -> None:
    """A little to either side the likelihood is worse."""
    logits, labels = drawn(2.0, 500)
    best = fit_temperature(logits, labels)

    assert nll(logits, labels, best) < min(nll(logits, labels, best * 1.02), nll(logits, labels, best / 1.02))


@pytest.mark.parametrize("count", [20, 200, 2000])
def test_a_model_without_a_mistake_does_not_become_certain(count: int) -> None:
    """Likelihood alone would run to 0 where every sample is right; then the first mistake on new data costs without bound."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, count)
    logits = 6 * np.eye(10)[labels] + random.normal(size=(count, 10))
    assert (logits.argmax(1) == labels).all()

    assert 0.2 < fit_temperature(logits, labels) < 1


def test_no_sample_is_judged_by_a_temperature_that_saw_it() -> None:
    """Another label of a sample changes the temperatures of all folds but its own."""
    logits, labels = drawn(2.0, 100)
    groups = np.arange(100)
    before = cross_fitted(logits, labels, groups, folds=4, seed=0)
    labels[17] = (labels[17] + 1) % 5
    after = cross_fitted(logits, labels, groups, folds=4, seed=0)

    assert before[17] == after[17]
    assert len(set(after[before != after])) == 3


def test_groups_are_in_one_fold() -> None:
    """All rows of a group have one temperature."""
    logits, labels = drawn(2.0, 100)
    groups = np.repeat(np.arange(10), 10)
    found = cross_fitted(logits, labels, groups, folds=5, seed=0).reshape(10, 10)

    assert (found == found[:, :1]).all()


def test_what_helps_is_seen_to_help() -> None:
    """An overconfident model's NLL and ECE fall, and the interval of the change says so."""
    logits, labels = drawn(3.0, 800)
    temperatures = cross_fitted(logits, labels, np.arange(800), folds=5, seed=0)
    found = compare(logits, labels, np.arange(800), temperatures, bins=15, resamplings=60, seed=0)

    assert found["nll"]["change"].high < 0
    assert found["ece"]["change"].high < 0
    assert found["nll"]["before"].value == pytest.approx(-np.log(probabilities(logits)[np.arange(800), labels]).mean())
