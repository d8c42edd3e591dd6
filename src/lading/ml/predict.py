"""A model over a whole split, in batches: what every figure is made of."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lading.ml.data import Array, Split
from lading.ml.models import outputs_by_name
from lading.ml.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Predictions:
    """One row a decision: a sample of a classifier, a position of a text."""

    labels: Array
    """What is right."""
    chosen: Array
    """What the model prefers."""
    confidence: Array
    """Its probability, fp64."""
    nll: Array
    """Minus the logarithm of the right answer's probability, in nats, fp64."""
    logits: Array | None
    """All of them, where they were asked for."""
    halts: Array | None = None
    """Logits of 'the text ends after this byte', where the model has them."""
    ends: Array | None = None
    """Whether it does."""


def predict(module: nn.Module, spec: ModelSpec, split: Split, *, batch_size: int, keep_logits: bool = True) -> Predictions:
    """Runs the model once over the split; figures are computed in fp64 from its logits."""
    names = [one.name for one in spec.inputs]
    dtype = torch.float64 if spec.outputs[0].dtype == "float64" else torch.float32
    wanted = split.targets["label" if spec.task == "classification" else "next"]
    parts: dict[str, list[Array]] = {"chosen": [], "confidence": [], "nll": [], "logits": [], "halts": []}
    module.eval()
    with torch.inference_mode():
        for start in range(0, len(split), batch_size):
            here = slice(start, start + batch_size)
            inputs = [torch.from_numpy(split.inputs[name][here]) for name in names]
            outputs = outputs_by_name(spec, module(*(x.to(dtype) if x.is_floating_point() else x for x in inputs)))
            logits = outputs["logits"].double().flatten(0, -2)
            logs = logits.log_softmax(dim=-1)
            best = logs.max(dim=-1)
            right = torch.from_numpy(wanted[here]).reshape(-1, 1)
            parts["chosen"].append(best.indices.numpy())
            parts["confidence"].append(best.values.exp().numpy())
            parts["nll"].append(-logs.gather(1, right)[:, 0].numpy())
            if keep_logits:
                parts["logits"].append(logits.numpy())
            if "halt_logits" in outputs:
                parts["halts"].append(outputs["halt_logits"].double().flatten().numpy())
    joined = {name: np.concatenate(found) if found else None for name, found in parts.items()}
    chosen, confidence, nll = joined["chosen"], joined["confidence"], joined["nll"]
    assert chosen is not None
    assert confidence is not None
    assert nll is not None
    halts = joined["halts"]
    ends = split.targets["halt"].ravel() if halts is not None else None
    return Predictions(wanted.ravel(), chosen, confidence, nll, joined["logits"], halts, ends)
