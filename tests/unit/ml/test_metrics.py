"""Reported figures against plain formulas and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from lading.ml import metrics

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(400, 4)) * 2
LABELS = np.where(RANDOM.random(400) < 0.6, LOGITS.argmax(1), RANDOM.integers(0, 4, 400))
P = metrics.probabilities(LOGITS)


def test_ece_is_the_plain_formula() -> None:
    """Bin by bin, by a loop over samples."""
    confidence, right = P.max(1), P.argmax(1) == LABELS
    bins: dict[int, list[tuple[float, bool]]] = {}
    for c, r in zip(confidence, right, strict=True):
        number = next(i for i in range(15) if c <= (i + 1) / 15)
        bins.setdefault(number, []).append((float(c), bool(r)))
    plain = sum(len(b) / 400 * abs(np.mean([c for c, _ in b]) - np.mean([r for _, r in b])) for b in bins.values())

    assert plain == pytest.approx(metrics.ece(confidence, right, 15), abs=1e-12)


def test_confidences_of_zero_and_one_have_a_bin() -> None:
    """Neither edge falls out."""
    assert metrics.bin_of(np.array([0.0, 0.1, 0.95, 1.0]), 10).tolist() == [0, 0, 9, 9]
    assert pytest.approx(0.5) == metrics.ece(np.array([1.0, 1.0]), np.array([True, False]), 15)


def test_figures_are_scikit_learns() -> None:
    """Accuracy, macro figures, MCC, AUROC and loss."""
    found = metrics.classification(P, LABELS, bins=15)
    chosen = P.argmax(1)

    assert sk.accuracy_score(LABELS, chosen) == found["accuracy"]
    assert sk.f1_score(LABELS, chosen, average="macro") == pytest.approx(found["f1_macro"], abs=1e-12)
    assert sk.matthews_corrcoef(LABELS, chosen) == pytest.approx(found["mcc"], abs=1e-12)
    assert sk.roc_auc_score(LABELS, P, multi_class="ovr") == pytest.approx(found["auroc"], abs=1e-12)
    assert sk.log_loss(LABELS, P) == pytest.approx(found["loss"], abs=1e-12)


def test_a_class_without_samples_makes_no_zero() -> None:
    """AUROC is the mean over the classes that have one; without any it is undefined."""
    some = LABELS < 3
    defined = np.mean([sk.roc_auc_score(LABELS[some] == k, P[some, k]) for k in range(3)])

    assert (pytest.approx(defined), 3) == metrics.auroc(P[some], LABELS[some])
    assert metrics.auroc(P[:5], np.zeros(5, dtype=np.int64)) == (None, 0)


def test_ends_that_never_come_leave_their_figures_undefined() -> None:
    """No end among the positions: no AUROC."""
    assert metrics.halting(np.zeros(9), np.zeros(9))["halt_auroc"] is None
