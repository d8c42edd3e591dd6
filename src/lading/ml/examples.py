"""The worst examples, small enough for a page: images as rows of numbers, texts as text."""

from typing import Any

import numpy as np

from lading.ml.data import Array, Split
from lading.ml.predict import Predictions
from lading.ml.spec import ModelSpec

MAX_EDGE = 32
"""Larger images are thinned out to this many pixels an edge."""


def worst(spec: ModelSpec, split: Split, found: Predictions, count: int) -> list[dict[str, Any]]:
    """The samples with the highest loss, worst first."""
    losses = found.nll.reshape(len(split), -1).mean(axis=1)
    rows = np.argsort(-losses, kind="stable")[:count]
    return [_shown(spec, split, found, int(row), float(losses[row])) for row in rows]


def _shown(spec: ModelSpec, split: Split, found: Predictions, row: int, loss: float) -> dict[str, Any]:
    base: dict[str, Any] = {"id": str(split.ids[row]), "loss": round(loss, 4)}
    value = split.inputs[spec.inputs[0].name][row]
    if spec.task == "language-model":
        return {**base, "text": bytes(value.astype(np.uint8)).decode("utf-8", errors="replace")}
    named = {
        "label": spec.classes[int(found.labels[row])],
        "chosen": spec.classes[int(found.chosen[row])],
        "confidence": round(float(found.confidence[row]), 4),
    }
    if value.ndim == 3:
        return {**base, **named, "image": picture(value)}
    return {**base, **named, "features": [round(float(x), 4) for x in value.ravel()[:32]]}


def picture(value: Array) -> list[list[int]]:
    """One image as grey values 0 to 255."""
    grey = value.mean(axis=0)
    step = max(1, -(-max(grey.shape) // MAX_EDGE))
    grey = grey[::step, ::step]
    low, high = float(grey.min()), float(grey.max())
    scaled = (grey - low) / (high - low) * 255 if high > low else np.zeros_like(grey)
    rows: list[list[int]] = np.rint(scaled).astype(int).tolist()
    return rows
