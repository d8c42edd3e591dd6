"""The evaluate stage: figures of a model on a split that it never saw, and what a person should look at."""

from typing import Any

from lading.config.settings.evaluate import EvaluateSettings
from lading.ml import metrics
from lading.ml.data import Split, read_split, write_arrays
from lading.ml.examples import worst
from lading.ml.models import load_model
from lading.ml.predict import Predictions, predict
from lading.ml.spec import ModelSpec
from lading.stages.context import StageContext


def run(context: StageContext[EvaluateSettings]) -> None:
    """Writes `report.json` and `predictions.npz`, both kept beside: the measurements are the result."""
    settings = context.settings
    module, spec = load_model(context.need("model").folder)
    split = read_split(context.need("data").folder, settings.split, length=spec.primary_length)
    found = predict(module, spec, split, batch_size=settings.batch_size, keep_logits=spec.task == "classification")
    figures, more = _figures(spec, split, found, settings)
    context.measure(**{name: value for name, value in figures.items() if value is not None})
    for name in sorted(name for name, value in figures.items() if value is None):
        context.warn(f"{name} is undefined: split {settings.split} lacks one of its classes")
    report = {
        "split": settings.split,
        "task": spec.task,
        "figures": figures,
        "classes": list(spec.classes),
        "reliability": metrics.reliability(found.confidence, found.chosen == found.labels, settings.bins),
        "worst": worst(spec, split, found, settings.worst),
        **more,
    }
    context.write_json("report.json", report, handed_on=False)
    arrays = {"ids": split.ids, "labels": found.labels, "chosen": found.chosen, "confidence": found.confidence, "nll": found.nll}
    if found.logits is not None:
        arrays["logits"] = found.logits
    if found.halts is not None:
        arrays["halt_logits"] = found.halts
    write_arrays(context.file("predictions.npz", handed_on=False), arrays)
    # What the next stages see of an evaluation: the figures alone, in an artifact of their own.
    context.write_json("evaluation.json", {"split": settings.split, "figures": figures})
    context.progress(100)


def _figures(
    spec: ModelSpec, split: Split, found: Predictions, settings: EvaluateSettings
) -> tuple[dict[str, float | None], dict[str, Any]]:
    right = found.chosen == found.labels
    if spec.task == "language-model":
        figures = metrics.language(found.nll, right, found.confidence, bins=settings.bins)
        if found.halts is not None and found.ends is not None:
            figures |= metrics.halting(found.halts, found.ends)
        return figures, {"length": split.inputs[spec.inputs[0].name].shape[1]}
    assert found.logits is not None
    figures = metrics.classification(metrics.probabilities(found.logits), found.labels, bins=settings.bins)
    table = metrics.confusion(found.labels, found.chosen, len(spec.classes))
    return figures, {"confusion": table, "per_class": metrics.per_class(found.labels, found.chosen, spec.classes)}
