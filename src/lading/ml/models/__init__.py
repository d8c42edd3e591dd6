"""The table of models, and how one is built, saved, loaded and fed by its spec."""

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lading.errors import WrongInputError
from lading.ml.models.lm import LanguageModel
from lading.ml.models.userfile import Source, build_from_files, saved
from lading.ml.models.vision import Cnn, Mlp, Vit
from lading.ml.spec import ModelSpec

MODELS: dict[str, type[nn.Module]] = {"cnn": Cnn, "mlp": Mlp, "vit": Vit, "lm": LanguageModel}
"""A new model is a line here, its settings in `config/settings/models` and a test."""
WEIGHTS, SPEC = "model.safetensors", "model.json"
_DTYPES = {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64, "int32": torch.int32}


def build(spec: ModelSpec, *, source: Source | None = None) -> nn.Module:
    """The module that a spec names, with fresh weights, in the precision of its outputs and in training mode.

    Args:
        spec: what to build.
        source: the files of a model of the user's own.
    """
    if spec.name == "file":
        if source is None:
            raise WrongInputError("a model of the user's own needs its file")
        module = build_from_files(source, spec.arguments)
        _check_inputs(module, spec)
    elif spec.name in MODELS:
        module = MODELS[spec.name](**spec.arguments)
    else:
        raise WrongInputError(f"there is no model {spec.name!r}; there are {', '.join(sorted(MODELS))} and `file`")
    return module.to(_DTYPES[spec.outputs[0].dtype])


def _check_inputs(module: nn.Module, spec: ModelSpec) -> None:
    """A user's forward names the data's inputs: exported formats are called by name, and a training would be over before one fails.

    Raises:
        WrongInputError: it does not.
    """
    wanted = [one.name for one in spec.inputs]
    taken = inspect.signature(module.forward).parameters.values()
    named = [one.name for one in taken if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}]
    needed = {one.name for one in taken if one.default is one.empty and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}}
    if named[: len(wanted)] != wanted or not needed <= set(wanted):
        raise WrongInputError(
            f"forward of the model that {spec.arguments['factory']} returns takes ({', '.join(named)}), "
            f"and the data's inputs are ({', '.join(wanted)})",
            do=f"name its parameters so: def forward(self, {', '.join(wanted)}); let a module of your own hold a bare nn.Sequential",
        )


def save_model(folder: Path, module: nn.Module, spec: ModelSpec, *, source: Source | None = None) -> None:
    """Writes `model.safetensors` and `model.json` (and the user's own files): equal weights and spec give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    save_file(state, str(folder / WEIGHTS))
    (folder / SPEC).write_text(json.dumps(spec.to_data(), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    if source is not None:
        source.save(folder)


def load_model(folder: Path) -> tuple[nn.Module, ModelSpec]:
    """The model of a train or import stage, in evaluation mode, and its spec.

    Raises:
        WrongInputError: weights and spec do not belong together.
    """
    spec = ModelSpec.model_validate_json((folder / SPEC).read_bytes())
    module = build(spec, source=saved(folder, spec.arguments) if spec.name == "file" else None)
    load_weights(module, load_file(str(folder / WEIGHTS)), where=str(folder / WEIGHTS))
    return module.eval(), spec


def model_files(spec: ModelSpec) -> list[str]:
    """The names of all that `load_model` reads."""
    own = saved(Path(), spec.arguments).files if spec.name == "file" else {}
    return [WEIGHTS, SPEC, *(path.as_posix() for path in own.values())]


def load_weights(module: nn.Module, state: dict[str, Tensor], *, where: str) -> None:
    """Puts weights into a module, name by name and shape by shape.

    Raises:
        WrongInputError: a name is missing or unknown, or a shape differs; the first of each are named.
    """
    own = module.state_dict()
    problems = [f"missing {name}" for name in own if name not in state]
    problems += [f"unknown {name}" for name in state if name not in own]
    problems += [
        f"{name} is {tuple(state[name].shape)}, the model's {tuple(own[name].shape)}"
        for name in own
        if name in state and own[name].shape != state[name].shape
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise WrongInputError(
            f"the weights in {where} are not this model's: {'; '.join(problems[:5])}{more}", do="check the model settings"
        )
    module.load_state_dict(state)


def example(spec: ModelSpec, *, batch: int, length: int | None = None, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs within the range that real data have, by input name; `length` defaults to the primary length."""
    generator = torch.Generator().manual_seed(seed)
    sizes: dict[str, int] = {"batch": batch, "length": length or spec.primary_length or 1}
    inputs = {}
    for tensor in spec.inputs:
        shape = [sizes[axis] if isinstance(axis, str) else axis for axis in tensor.shape]
        low, high = tensor.low if tensor.low is not None else 0.0, tensor.high if tensor.high is not None else 1.0
        if tensor.dtype.startswith("int"):
            value = torch.randint(int(low), int(high) + 1, shape, generator=generator)
        else:
            value = torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low
        inputs[tensor.name] = value.to(_DTYPES[tensor.dtype])
    return inputs


def outputs_by_name(spec: ModelSpec, outputs: Any) -> dict[str, Tensor]:
    """What forward returned, by the names of the spec."""
    values = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return {tensor.name: value for tensor, value in zip(spec.outputs, values, strict=True)}
