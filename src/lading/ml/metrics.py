"""Every figure that is reported, in fp64 over all samples at once; a figure that the data leave undefined is None, never 0."""

from typing import Any

import numpy as np
from sklearn import metrics as sk

from lading.ml.data import Array


def probabilities(logits: Array, temperature: float | Array = 1.0) -> Array:
    """Softmax in fp64."""
    scaled = logits.astype(np.float64) / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    raised = np.exp(scaled)
    result: Array = raised / raised.sum(axis=-1, keepdims=True)
    return result


def bin_of(confidence: Array, bins: int) -> Array:
    """Which of `bins` equal bins each confidence falls into: (0, 1/bins], ..., the first also holds 0, the last holds 1."""
    which: Array = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return which


def reliability(confidence: Array, right: Array, bins: int) -> list[dict[str, float]]:
    """For each bin that holds any: its borders, how many, their mean confidence and how many of them are right."""
    which = bin_of(confidence, bins)
    found = []
    for number in range(bins):
        inside = which == number
        if inside.any():
            found.append(
                {
                    "low": number / bins,
                    "high": (number + 1) / bins,
                    "count": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(right[inside].mean()),
                }
            )
    return found


def ece(confidence: Array, right: Array, bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, over bins, by how many each holds."""
    total = len(confidence)
    return float(sum(one["count"] / total * abs(one["confidence"] - one["accuracy"]) for one in reliability(confidence, right, bins)))


def brier(probability: Array, labels: Array) -> float:
    """The mean squared distance between probabilities and the truth, summed over classes."""
    truth = np.eye(probability.shape[1])[labels]
    return float(((probability - truth) ** 2).sum(axis=1).mean())


def auroc(probability: Array, labels: Array) -> tuple[float | None, int]:
    """The mean one-against-the-rest AUROC over the classes for which it is defined, and how many those are."""
    found = []
    for number in range(probability.shape[1]):
        positive = labels == number
        if positive.any() and not positive.all():
            found.append(float(sk.roc_auc_score(positive, probability[:, number])))
    return (float(np.mean(found)), len(found)) if found else (None, 0)


def classification(probability: Array, labels: Array, *, bins: int) -> dict[str, float | None]:
    """The figures of a classifier."""
    chosen = probability.argmax(axis=1)
    right = chosen == labels
    count = probability.shape[1]
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        labels, chosen, labels=np.unique(labels), average="macro", zero_division=0.0
    )
    area, defined = auroc(probability, labels)
    picked = probability[np.arange(len(labels)), labels]
    return {
        "accuracy": float(right.mean()),
        "precision_macro": float(precision),
        "recall_macro": float(recall),
        "f1_macro": float(f1),
        "mcc": float(sk.matthews_corrcoef(labels, chosen)),
        "auroc": area,
        "auroc_classes": float(defined),
        "classes": float(count),
        "loss": float(-np.log(np.maximum(picked, np.finfo(np.float64).tiny)).mean()),
        "brier": brier(probability, labels),
        "ece": ece(probability.max(axis=1), right, bins),
        "samples": float(len(labels)),
    }


def confusion(labels: Array, chosen: Array, classes: int) -> list[list[int]]:
    """Row: what it is; column: what the model took it for."""
    table: list[list[int]] = sk.confusion_matrix(labels, chosen, labels=np.arange(classes)).tolist()
    return table


def per_class(labels: Array, chosen: Array, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class, and how many samples are of it; None where there are none."""
    precision, recall, f1, support = sk.precision_recall_fscore_support(labels, chosen, labels=np.arange(len(names)), zero_division=np.nan)
    rows = zip(names, precision, recall, f1, support, strict=True)
    return [
        {"class": name, "precision": _defined(p), "recall": _defined(r), "f1": _defined(f), "samples": int(n)} for name, p, r, f, n in rows
    ]


def language(nll: Array, right: Array, confidence: Array, *, bins: int) -> dict[str, float | None]:
    """The figures of a language model over bytes."""
    return {
        "loss": float(nll.mean()),
        "bits_per_byte": float(nll.mean() / np.log(2)),
        "accuracy": float(right.mean()),
        "ece": ece(confidence, right, bins),
        "positions": float(len(nll)),
    }


def halting(logits: Array, ends: Array) -> dict[str, float | None]:
    """How well the end of a text is known: AUROC, average precision, F1 at a half, and the share of ends."""
    if not ends.any() or ends.all():
        return {"halt_auroc": None, "halt_f1": None, "halt_share": float(ends.mean())}
    chosen = logits > 0
    return {
        "halt_auroc": float(sk.roc_auc_score(ends, logits)),
        "halt_f1": float(sk.f1_score(ends, chosen, zero_division=0.0)),
        "halt_average_precision": float(sk.average_precision_score(ends, logits)),
        "halt_share": float(ends.mean()),
    }


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
