"""Small trained-looking models, and a context to run a stage function on them directly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lading.ml.models import build, save_model
from lading.ml.spec import ModelSpec, TensorSpec
from lading.stages.context import Need, StageContext

CNN = ModelSpec(
    task="classification",
    name="cnn",
    arguments={"shape": [1, 8, 8], "classes": 4, "width": 8, "layers": 2},
    inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 1, 8, 8), low=0.0, high=16.0),),
    outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 4)),),
    classes=("a", "b", "c", "d"),
)
LM = ModelSpec(
    task="language-model",
    name="lm",
    arguments={"vocabulary": 32, "max_length": 16, "dim": 16, "depth": 1, "heads": 2, "halt": True},
    inputs=(TensorSpec(name="tokens", dtype="int64", shape=("batch", "length"), low=0, high=31),),
    outputs=(
        TensorSpec(name="logits", dtype="float32", shape=("batch", "length", 32)),
        TensorSpec(name="halt_logits", dtype="float32", shape=("batch", "length")),
    ),
    lengths=(4, 8, 16),
    primary_length=8,
)


def scaled(spec: ModelSpec, *, seed: int = 0) -> nn.Module:
    """A model with random weights large enough that its outputs say something."""
    torch.manual_seed(seed)
    module = build(spec).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def saved(folder: Path, spec: ModelSpec, *, seed: int = 0) -> Path:
    """A folder as a train stage leaves it."""
    save_model(folder, scaled(spec, seed=seed), spec)
    return folder


def run_stage(
    function: Any, settings: Any, output: Path, inputs: Mapping[str, Path], *, measurements: Mapping[str, float] | None = None
) -> StageContext[Any]:
    """Runs a stage function on folders, one for each role; returns its context."""
    output.mkdir(parents=True, exist_ok=True)
    scratch = output.parent / f"{output.name}.scratch"
    scratch.mkdir(exist_ok=True)
    needs = {role: Need(role, role, folder, measurements or {}) for role, folder in inputs.items()}
    context: StageContext[Any] = StageContext(settings, needs, output, scratch, scratch, 1, scratch / "progress.json")
    function(context)
    return context
