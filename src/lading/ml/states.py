"""Training states on disk: safetensors and JSON, no pickle; whole when the folder has its final name."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TENSORS, WORDS = "state.safetensors", "state.json"


@dataclass(slots=True)
class TrainingState:
    """All that a training needs to go on as if it had never stopped; order, schedule and randomness follow from the step."""

    step: int
    """Steps taken."""
    tensors: dict[str, Tensor]
    """`model/...`, `optimizer/<parameter>/<name>` and `best/...`."""
    best: dict[str, Any] | None = None
    """Step and figures of the best so far."""
    history: list[dict[str, Any]] = field(default_factory=list)
    running: float = 0.0
    """Sum of the training loss since the last look at the validation split."""
    world: int = 1


def gather_tensors(module: nn.Module, optimizer: torch.optim.Optimizer, best: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """Copies of every tensor of a state, on the CPU."""
    found = {f"model/{name}": value for name, value in module.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        found |= {f"optimizer/{number}/{name}": value for name, value in values.items() if isinstance(value, Tensor)}
    found |= {f"best/{name}": value for name, value in (best or {}).items()}
    return {name: value.detach().cpu().contiguous().clone() for name, value in found.items()}


def put_tensors(tensors: dict[str, Tensor], module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor] | None:
    """Puts a state into module and optimizer; returns the weights of the best step so far."""
    module.load_state_dict({name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, number, key = name.split("/", 2)
            state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")} or None


def write_state(folder: Path, state: TrainingState) -> None:
    """Writes `<step>/`: under another name first, so that a folder with its final name is whole."""
    part = folder / f"{state.step}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_file(state.tensors, str(part / TENSORS))
    words = {"step": state.step, "best": state.best, "history": state.history, "running": state.running, "world": state.world}
    (part / WORDS).write_text(json.dumps(words), encoding="utf-8")
    _finish(part, folder / str(state.step))


def write_mark(folder: Path, step: int, pod: int) -> None:
    """What a pod without tensors of its own puts into a state, so that its part is there."""
    part = folder / f"{step}.part"
    part.mkdir(parents=True, exist_ok=True)
    (part / f"pod-{pod}.json").write_text(json.dumps({"step": step, "pod": pod}), encoding="utf-8")
    _finish(part, folder / str(step))


def _finish(part: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)


def newest_state(folder: Path) -> TrainingState | None:
    """The whole state of the highest step below a folder; None if there is none."""
    steps = sorted((int(place.name) for place in folder.glob("*") if place.name.isdigit() and (place / WORDS).is_file()), reverse=True)
    if not steps:
        return None
    place = folder / str(steps[0])
    words = json.loads((place / WORDS).read_bytes())
    return TrainingState(tensors=load_file(str(place / TENSORS)), **words)


def drop_older(folder: Path, step: int) -> None:
    """Deletes local states below a step's predecessor: the supervisor stores them as they come, and a laptop's disk is finite."""
    older = sorted(int(place.name) for place in folder.glob("*") if place.name.isdigit() and int(place.name) < step)
    for number in older[:-1]:
        shutil.rmtree(folder / str(number), ignore_errors=True)
