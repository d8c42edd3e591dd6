"""Losses by task: what training lessens, as the mean over the samples at hand."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from lading.config.settings.train import TrainSettings
from lading.ml.spec import ModelSpec


def loss(settings: TrainSettings, spec: ModelSpec, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """The mean loss of a batch."""
    smoothing = settings.label_smoothing
    if spec.task == "classification":
        return functional.cross_entropy(outputs["logits"], targets["label"], label_smoothing=smoothing)
    logits = outputs["logits"]
    value = functional.cross_entropy(logits.flatten(0, 1), targets["next"].flatten(), label_smoothing=smoothing)
    if "halt_logits" in outputs and settings.halt_weight:
        halts = outputs["halt_logits"]
        value = value + settings.halt_weight * functional.binary_cross_entropy_with_logits(halts, targets["halt"].to(halts.dtype))
    return value


def sample_figures(spec: ModelSpec, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For each sample, in fp64: its mean loss and the share that is predicted right; their means are the validation figures."""
    logits = outputs["logits"].double()
    wanted = targets["label" if spec.task == "classification" else "next"]
    lost = functional.cross_entropy(logits.movedim(-1, 1), wanted, reduction="none")
    right = (logits.argmax(dim=-1) == wanted).double()
    found = {"loss": lost, "accuracy": right}
    if "halt_logits" in outputs:
        halts = outputs["halt_logits"].double()
        found["halt_loss"] = functional.binary_cross_entropy_with_logits(halts, targets["halt"].double(), reduction="none")
    if spec.task == "language-model":
        found["bits_per_byte"] = lost / torch.log(torch.tensor(2.0, dtype=torch.float64))
    return {name: value.flatten(1).mean(dim=1) if value.ndim > 1 else value for name, value in found.items()}
