"""The training loop, over Lightning's Fabric: deterministic by step, stoppable at any step, resumed bit for bit."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lading.config.settings.train import TrainSettings
from lading.errors import LadingError, StoppedError, WrongInputError
from lading.ml.data import Split
from lading.ml.losses import loss, sample_figures
from lading.ml.models import outputs_by_name
from lading.ml.processes import Team, anyone, fabric_for, from_first, part_ways, team, together
from lading.ml.sampler import Order, part
from lading.ml.schedule import optimizer, rate
from lading.ml.spec import ModelSpec
from lading.ml.states import TrainingState, drop_older, gather_tensors, newest_state, put_tensors, write_mark, write_state

REPORT_EVERY_S = 1.0
VALIDATION_BATCH = 256
Progress = Callable[[float, int, Mapping[str, float], float | None], None]
"""Percent, step, metrics, seconds left."""


@dataclass(slots=True)
class Task:
    """One training, as the stage hands it over."""

    settings: TrainSettings
    spec: ModelSpec
    module: nn.Module
    train: Split
    validation: Split
    checkpoints: Path
    progress: Progress = field(default=lambda *_: None)
    on_look: Callable[[Mapping[str, Any], bool], None] = field(default=lambda *_: None)
    """Called on the first process after each look at the validation split: the entry of the history, and whether it is the best so far."""
    on_step: Callable[[int], None] = field(default=lambda _: None)
    """Called after each step with the number of steps taken: for tests and benchmarks."""


@dataclass(slots=True)
class Trained:
    """What came out: the weights of the best step, on every process."""

    weights: dict[str, Tensor]
    best: dict[str, Any]
    history: list[dict[str, Any]]
    steps: int
    epochs: float
    resumed_from: int
    world: int


def fit(task: Task) -> Trained:
    """Trains to the end, from the newest training state if there is one.

    Raises:
        StoppedError: SIGTERM came, and the state is saved.
        LadingError: the loss is no number any more.
    """
    mates = team()
    with stopping() as stop, _floats(task.settings):
        trained = _Loop(task, mates, stop).run()
        part_ways(mates)
        return trained


@contextmanager
def _floats(settings: TrainSettings) -> Iterator[None]:
    """Makes fp64 the default where it is asked for: Fabric rounds what a model returns to the default type."""
    before = torch.get_default_dtype()
    if settings.precision == "fp64":
        torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM sets; the handler does nothing else, because it may come at any moment."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


class _Loop:
    """The state of one running training."""

    def __init__(self, task: Task, mates: Team, stop: threading.Event) -> None:
        self.task, self.mates, self.stop, self.settings = task, mates, stop, task.settings
        self.fabric = fabric_for(self.settings, mates)
        self.order = Order(len(task.train), self.settings.global_batch_size, self.settings.seed)
        self.steps = self.settings.max_steps or (self.settings.epochs or 1) * self.order.steps_per_epoch
        self.every = self.settings.validate_every or self.order.steps_per_epoch
        self.inputs, self.targets = self._tensors(task.train)
        made = optimizer(self.settings, task.module)
        wrapped, self.optimizer = self.fabric.setup(task.module, made)
        # On one process in its own precision Fabric's wrapper has nothing to cast or to average, and its hooks cost a short step 5 %.
        alone = mates.world == 1 and self.settings.precision in ("fp32", "fp64")
        self.module: nn.Module = task.module if alone else wrapped
        self.parameters = list(task.module.parameters())
        self.step, self.best, self.history = 0, None, []  # type: int, dict[str, Any] | None, list[dict[str, Any]]
        self.best_weights: dict[str, Tensor] | None = None
        self.running = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        self.resumed_from = self._resume()
        self.saved = self.step
        self.began, self.reported = time.monotonic(), 0.0

    def run(self) -> Trained:
        """Steps, looks, states; then what the best step knew."""
        self.module.train()
        while self.step < self.steps:
            self._step()
            self.step += 1
            if self.step % self.every == 0 or self.step == self.steps:
                self._validate()
            self.task.on_step(self.step)
            self._report()
            if self.step < self.steps:
                self._save_if_due()
        if self.best is None or self.best_weights is None:
            raise LadingError("the training ended without a look at its validation split")
        epochs = self.step / self.order.steps_per_epoch
        return Trained(self.best_weights, self.best, self.history, self.step, epochs, self.resumed_from, self.mates.world)

    def _step(self) -> None:
        settings, mates = self.settings, self.mates
        rows = torch.from_numpy(self.order.share(self.step, mates.rank, mates.world))
        torch.default_generator.manual_seed(_mix(settings.seed, self.step, mates.rank))
        if self.fabric.device.type == "cuda":
            torch.cuda.manual_seed(_mix(settings.seed, self.step, mates.rank))
            rows = rows.to(self.fabric.device)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate(settings.schedule, self.step, self.steps)
        outputs = outputs_by_name(self.task.spec, self.module(*(value[rows] for value in self.inputs)))
        value = loss(settings, self.task.spec, outputs, {name: target[rows] for name, target in self.targets.items()})
        # Averaging over processes weighs each alike: a share larger than the mean share counts for as much more.
        share = len(rows) * mates.world / settings.global_batch_size
        self.optimizer.zero_grad()
        self.fabric.backward(value if share == 1 else value * share)
        if settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, settings.clip)
        self.optimizer.step()
        self.running += value.detach() * (share / mates.world)

    def _tensors(self, split: Split) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Inputs in the order of the spec, and targets, on the device."""
        dtype = torch.float64 if self.settings.precision == "fp64" else torch.float32
        tensors = {name: torch.from_numpy(value) for name, value in split.inputs.items()}
        inputs = tuple(tensors[one.name] for one in self.task.spec.inputs)
        placed = tuple((value.to(dtype) if value.is_floating_point() else value).to(self.fabric.device) for value in inputs)
        return placed, {name: torch.from_numpy(value).to(self.fabric.device) for name, value in split.targets.items()}

    def _validate(self) -> None:
        """Figures of the whole validation split, the same on every process; keeps the best weights."""
        rows = part(np.arange(len(self.task.validation)), self.mates.rank, self.mates.world)
        inputs, targets = self._tensors(self.task.validation)
        found: dict[str, list[Any]] = {}
        self.task.module.eval()
        with torch.inference_mode(), self.fabric.autocast():
            for start in range(0, len(rows), VALIDATION_BATCH):
                some = torch.from_numpy(rows[start : start + VALIDATION_BATCH]).to(self.fabric.device)
                outputs = outputs_by_name(self.task.spec, self.task.module(*(value[some] for value in inputs)))
                figures = sample_figures(self.task.spec, outputs, {name: target[some] for name, target in targets.items()})
                for name, value in figures.items():
                    found.setdefault(name, []).append(value.cpu().numpy())
        self.module.train()
        joined = together(self.mates, {name: np.concatenate(values) for name, values in found.items()})
        figures_now = {name: float(values.mean()) for name, values in joined.items()}
        self._note(figures_now)

    def _note(self, figures: dict[str, float]) -> None:
        settings = self.settings
        if settings.monitor not in figures:
            raise WrongInputError(f"monitor {settings.monitor!r} is no figure of this task; there are {', '.join(sorted(figures))}")
        taken = self.step - (self.history[-1]["step"] if self.history else 0)
        total = sum(together(self.mates, {"loss": self.running.cpu().numpy().reshape(1)})["loss"].tolist())
        self.running.zero_()
        entry = {"step": self.step, "epoch": self.step / self.order.steps_per_epoch, "train_loss": total / taken, **figures}
        if not all(math.isfinite(value) for value in entry.values()):
            raise LadingError(
                f"the loss is no finite number any more at step {self.step} (training {entry['train_loss']:g}, "
                f"validation {figures['loss']:g})",
                do="lower learning_rate, or look for odd values in the data",
            )
        self.history.append(entry)
        value, sign = figures[settings.monitor], 1 if settings.maximise else -1
        if best := self.best is None or sign * value > sign * self.best[settings.monitor]:
            self.best = entry
            self.best_weights = {name: t.detach().cpu().clone() for name, t in self.task.module.state_dict().items()}
        if self.mates.first:
            self.task.on_look(entry, best)

    def _report(self) -> None:
        now = time.monotonic()
        if not self.mates.first or (now - self.reported < REPORT_EVERY_S and self.step < self.steps):
            return
        self.reported = now
        done = self.step - self.resumed_from
        eta = (now - self.began) / done * (self.steps - self.step) if done else None
        metrics = {k: v for k, v in (self.history[-1] if self.history else {}).items() if k not in ("step", "epoch")}
        self.task.progress(100 * self.step / self.steps, self.step, metrics, eta)

    def _save_if_due(self) -> None:
        """Writes the state every so many steps, and before stopping."""
        asked = anyone(self.mates, self.stop.is_set())
        if asked or self.step - self.saved >= self.settings.checkpoint_every:
            self._save()
        if asked:
            raise StoppedError(f"stopped at step {self.step} of {self.steps}; the state is saved", do="the next attempt goes on from there")

    def _save(self) -> None:
        sums = together(self.mates, {"loss": self.running.cpu().numpy().reshape(1)})["loss"].tolist()
        self.saved = self.step
        if self.mates.first:
            tensors = gather_tensors(self.task.module, self.optimizer.optimizer, self.best_weights)
            state = TrainingState(self.step, tensors, self.best, self.history, sum(sums), self.mates.world)
            write_state(self.task.checkpoints, state)
            drop_older(self.task.checkpoints, self.step)
        elif self.mates.local_rank == 0:
            write_mark(self.task.checkpoints, self.step, self.mates.node)

    def _resume(self) -> int:
        """Puts the newest state in, as the first process has it; returns its step, 0 for none."""
        state = from_first(self.mates, newest_state(self.task.checkpoints) if self.mates.first else None)
        if state is None:
            return 0
        self.best_weights = put_tensors(state.tensors, self.task.module, self.optimizer.optimizer)
        self.step, self.best, self.history = state.step, state.best, state.history
        if self.mates.first:
            self.running += state.running
        return int(state.step)


def _mix(seed: int, step: int, rank: int) -> int:
    """One seed out of three numbers, far from its neighbours."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB + 1) & (2**64 - 1)
    value ^= value >> 31
    return (value * 0xD6E8FEB86659FD93) & (2**63 - 1)
