"""A training step against the same loop in plain PyTorch: same model, same data, same optimizer, side by side."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.row import Row
from lading.config.settings.models import CnnModel, VitModel
from lading.config.settings.train import TrainSettings
from lading.ml.data import Split
from lading.ml.facts import DataFacts, describe
from lading.ml.models import build
from lading.ml.schedule import optimizer
from lading.ml.training import Task, fit

BATCH, SAMPLES, ROUNDS, WARM = 64, 1024, 25, 4


def run() -> list[Row]:
    """Two models: one whose step is short, so that overhead shows, and a usual one."""
    torch.set_num_threads(1)
    return [_row("cnn", CnnModel(), 160), _row("vit", VitModel(), 24)]


def _row(name: str, model: Any, steps: int) -> Row:
    random = np.random.default_rng(0)
    images = random.random((SAMPLES, 1, 8, 8)).astype(np.float32)
    labels = random.integers(0, 10, SAMPLES)
    ids = np.arange(SAMPLES).astype(str)
    whole = Split({"image": images}, {"label": labels}, ids)
    few = Split({"image": images[:1]}, {"label": labels[:1]}, ids[:1])
    facts = DataFacts(
        source="bench", task="classification", counts={}, input="image", shape=(1, 8, 8), low=0, high=1, classes=tuple("0123456789")
    )
    settings = TrainSettings(model=model, max_steps=steps, global_batch_size=BATCH, checkpoint_every=10**6, validate_every=steps)
    spec = describe(*model.chosen(), facts)
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> float:
            watch = _Watch()
            fit(Task(settings, spec, build(spec), whole, few, Path(folder), on_step=watch))
            return watch.between(WARM, steps - 1)

        def theirs() -> float:
            watch = _Watch()
            _plain(settings, build(spec), torch.from_numpy(images), torch.from_numpy(labels), steps, watch)
            return watch.between(WARM, steps - 1)

        ours()
        theirs()
        mine, other = zip(*((ours(), theirs()) for _ in range(ROUNDS)), strict=True)
    return Row(f"{steps} training steps, {name}", 1.05, mine, "the same loop in plain PyTorch", other, notes={"batch": BATCH, "threads": 1})


class _Watch:
    """Notes when each step ended: the set-up, the first steps and the look at the validation split are no step."""

    def __init__(self) -> None:
        self.ends: dict[int, float] = {}

    def __call__(self, step: int) -> None:
        self.ends[step] = time.perf_counter()

    def between(self, first: int, last: int) -> float:
        """Seconds from the end of one step to the end of a later one."""
        return self.ends[last] - self.ends[first]


def _plain(settings: TrainSettings, module: nn.Module, images: torch.Tensor, labels: torch.Tensor, steps: int, watch: "_Watch") -> None:
    """As one writes it by hand: shuffled batches by index, forward, backward, clip, step."""
    made = optimizer(settings, module)
    module.train()
    order = torch.randperm(len(images))
    for step in range(steps):
        start = step * BATCH % SAMPLES
        rows = order[start : start + BATCH]
        made.zero_grad()
        value = nn.functional.cross_entropy(module(images[rows]), labels[rows])
        value.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        made.step()
        watch(step + 1)
