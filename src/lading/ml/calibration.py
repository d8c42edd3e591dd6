"""Temperature scaling: fitted by likelihood, judged on samples that the fit did not see, with intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from lading.ml.data import Array
from lading.ml.metrics import ece, probabilities, reliability

LOW, HIGH = -4.0, 4.0
"""Borders of the logarithm of a temperature: beyond them the model's confidence says nothing."""
PRIOR = 1.0
"""Before any sample is seen, the logarithm of a temperature is taken to be normal around 0 with this standard deviation."""


def nll(logits: Array, labels: Array, temperature: float | Array = 1.0) -> float:
    """The mean negative log-likelihood."""
    return float(_nlls(logits, labels, temperature).mean())


def _nlls(logits: Array, labels: Array, temperature: float | Array = 1.0) -> Array:
    scaled = logits.astype(np.float64) / np.reshape(temperature, (-1, 1))
    top = scaled.max(axis=1)
    total = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top
    result: Array = total - scaled[np.arange(len(labels)), labels]
    return result


def fit_temperature(logits: Array, labels: Array) -> float:
    """The most likely temperature, given the labels and a weak prior; it never changes which class is preferred.

    Likelihood alone (Guo et al. 2017, arXiv:1706.04599) has no maximum where the model is right on every sample, as a good model
    is on a small split: the temperature runs to 0, and the first mistake on new data costs without bound. Platt (1999) evened out
    his targets for the same reason. The prior weighs as much as one sample and is forgotten as samples come.
    """

    def lost(log: float) -> float:
        return nll(logits, labels, float(np.exp(log))) + (log / PRIOR) ** 2 / 2 / len(labels)

    return float(np.exp(minimize_scalar(lost, bounds=(LOW, HIGH), method="bounded", options={"xatol": 1e-6}).x))


def cross_fitted(logits: Array, labels: Array, groups: Array, *, folds: int, seed: int) -> Array:
    """For each sample the temperature that was fitted without its fold; a group is never in two folds."""
    names, which = np.unique(groups, return_inverse=True)
    folds = min(folds, len(names))
    fold = np.empty(len(names), dtype=np.int64)
    fold[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names)) % folds
    mine, temperatures = fold[which], np.ones(len(labels))
    for number in range(folds):
        outside, inside = mine != number, mine == number
        if outside.any() and inside.any():
            temperatures[inside] = fit_temperature(logits[outside], labels[outside])
    return temperatures


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def compare(
    logits: Array, labels: Array, groups: Array, temperatures: Array, *, bins: int, resamplings: int, seed: int
) -> dict[str, dict[str, Interval]]:
    """NLL, Brier and ECE before, after, and the change, each with an interval from resampling whole groups, paired."""
    rows_of = {"before": _rows(logits, labels, np.ones(1)), "after": _rows(logits, labels, temperatures)}
    figures: dict[str, Callable[[dict[str, Array], Array], float]] = {
        "nll": lambda of, rows: float(of["nll"][rows].mean()),
        "brier": lambda of, rows: float(of["brier"][rows].mean()),
        "ece": lambda of, rows: ece(of["confidence"][rows], of["right"][rows], bins),
    }
    samples = [_resample(groups, np.random.default_rng([seed, number])) for number in range(resamplings)]
    everything = np.arange(len(labels))
    found: dict[str, dict[str, Interval]] = {}
    for name, figure in figures.items():
        values = {when: np.array([figure(rows_of[when], rows) for rows in samples]) for when in ("before", "after")}
        points = {when: figure(rows_of[when], everything) for when in ("before", "after")}
        found[name] = {when: _interval(points[when], values[when]) for when in ("before", "after")}
        found[name]["change"] = _interval(points["after"] - points["before"], values["after"] - values["before"])
    return found


def curves(logits: Array, labels: Array, temperatures: Array, bins: int) -> dict[str, list[dict[str, float]]]:
    """Accuracy over confidence, in bins, before and after each sample was divided by its temperature."""
    of = {"before": _rows(logits, labels, np.ones(1)), "after": _rows(logits, labels, temperatures)}
    return {when: reliability(rows["confidence"], rows["right"], bins) for when, rows in of.items()}


def _rows(logits: Array, labels: Array, temperatures: Array) -> dict[str, Array]:
    """What each sample adds to the figures: resampling then only picks."""
    probability = probabilities(logits, temperatures.reshape(-1, 1))
    picked = probability[np.arange(len(labels)), labels]
    return {
        "nll": _nlls(logits, labels, temperatures),
        "brier": (probability**2).sum(axis=1) - 2 * picked + 1,
        "confidence": probability.max(axis=1),
        "right": probability.argmax(axis=1) == labels,
    }


def _resample(groups: Array, random: np.random.Generator) -> Array:
    """Rows of as many groups as there are, drawn with replacement."""
    names, which = np.unique(groups, return_inverse=True)
    order = np.argsort(which, kind="stable")
    borders = np.searchsorted(which[order], np.arange(len(names) + 1))
    return np.concatenate([order[borders[g] : borders[g + 1]] for g in random.integers(0, len(names), len(names))])


def _interval(value: float, values: Array) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(value, float(low), float(high))
