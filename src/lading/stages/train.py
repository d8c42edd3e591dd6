"""The train stage: a model from data, resumed from its newest training state, the best step handed on."""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load_file

from lading.config.settings.train import TrainSettings
from lading.ml.data import read_facts, read_split
from lading.ml.facts import describe
from lading.ml.models import WEIGHTS, build, load_weights
from lading.ml.processes import team
from lading.ml.training import Task, Trained, fit
from lading.stages.context import StageContext
from lading.stages.usermodel import hand_on, source_of


def run(context: StageContext[TrainSettings]) -> None:
    """Writes `model.safetensors model.json` (and the files of a user's model), and beside them `history.json`."""
    settings, folder = context.settings, context.need("data").folder
    name, arguments = settings.model.chosen()
    source = source_of(context)
    spec = describe(name, arguments, read_facts(folder), dtype="float64" if settings.precision == "fp64" else "float32")
    torch.manual_seed(settings.seed)
    module = build(spec, source=source)
    if "start" in context.inputs:
        start = context.need("start").path(WEIGHTS)
        load_weights(module, load_file(str(start)), where="the `start` model")
    task = Task(
        settings=settings,
        spec=spec,
        module=module,
        train=read_split(folder, "train"),
        validation=read_split(folder, "validation"),
        checkpoints=context.checkpoints,
        on_look=_say,
        progress=lambda percent, step, metrics, eta: context.progress(percent, step=step, metrics=metrics, eta_s=eta),
    )
    trained = fit(task)
    if not team().first:
        return
    module.load_state_dict(trained.weights)
    hand_on(context, module, spec, source)
    _tell(context, trained)


def _say(entry: Mapping[str, Any], best: bool) -> None:
    """A line of the log for each look at the validation split."""
    looked = {f"validation_{name}": value for name, value in entry.items() if name not in ("step", "epoch", "train_loss")}
    figures = "  ".join(f"{name} {value:.4g}" for name, value in {"train_loss": entry["train_loss"], **looked}.items())
    sys.stdout.write(f"step {entry['step']}  epoch {entry['epoch']:.3g}  {figures}{'  best so far' if best else ''}\n")
    sys.stdout.flush()


def _tell(context: StageContext[TrainSettings], trained: Trained) -> None:
    settings = context.settings
    figures: Mapping[str, float] = {k: v for k, v in trained.best.items() if k not in ("step", "epoch", "train_loss")}
    context.measure(**{f"validation_{name}": value for name, value in figures.items()})
    context.measure(train_loss=trained.best["train_loss"], best_step=trained.best["step"], steps=trained.steps)
    context.seed(train=settings.seed)
    history = {
        "monitor": settings.monitor,
        "best": trained.best,
        "history": trained.history,
        "resumed_from": trained.resumed_from,
        "world": trained.world,
        "threads": context.threads,
    }
    context.write_json("history.json", history, handed_on=False)
    if settings.monitor != "loss" and trained.best["step"] == trained.steps and len(trained.history) > 1:
        context.warn(f"the last step was the best by {settings.monitor}: a longer training may do better")
