"""Stage functions of training run directly, on small data made once a session."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch

from lading.config.settings.data import DataSettings
from lading.config.settings.train import TrainSettings
from lading.stages import data, train
from lading.stages.context import Need, StageContext
from support.kept import KEPT


def context_for(settings: Any, needs: Mapping[str, Path] | None = None, base: Path | None = None) -> StageContext[Any]:
    """A context over a fresh folder, or over one whose checkpoints are to be resumed from."""
    base = base or Path(mkdtemp(dir=KEPT.name))
    for name in ("output", "scratch", "checkpoints", "files"):
        (base / name).mkdir(parents=True, exist_ok=True)
    inputs = {role: Need(role, role, folder) for role, folder in (needs or {}).items()}
    return StageContext(
        settings, inputs, base / "output", base / "scratch", base / "checkpoints", 1, base / "progress.json", files=base / "files"
    )


@cache
def digits_folder() -> Path:
    """The digits, split."""
    context = context_for(DataSettings())
    data.run(context)
    return context.output


@cache
def pydoc_folder() -> Path:
    """Python's documentation topics, split, in short windows."""
    context = context_for(DataSettings(source="pydoc", lengths=(16, 32), primary_length=32))
    data.run(context)
    return context.output


def train_with(folder: Path, base: Path | None = None, **settings: Any) -> StageContext[TrainSettings]:
    """A finished train stage, with one thread."""
    torch.set_num_threads(1)
    context = context_for(TrainSettings(**settings), {"data": folder}, base)
    train.run(context)
    return context


@cache
def digits_model() -> Path:
    """A small CNN that was trained on the digits for a few epochs."""
    return train_with(digits_folder(), model={"name": "cnn", "width": 8}, epochs=4, learning_rate=1e-2).output


Runner = Callable[..., StageContext[TrainSettings]]
