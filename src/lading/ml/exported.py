"""torch.export: the graph of a model with free axes, and the `.pt2` file."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lading.errors import WrongInputError
from lading.ml.models import example
from lading.ml.spec import ModelSpec

MAX_BATCH = 1 << 16


def free_axes(spec: ModelSpec, *, batch: bool = True) -> dict[str, dict[int, Any]]:
    """By input name, which axes are free, and how far: batches, and lengths up to the longest that the model is declared for."""
    longest = max(spec.lengths, default=2)
    dims = {"batch": torch.export.Dim("batch", min=1, max=MAX_BATCH), "length": torch.export.Dim("length", min=1, max=max(longest, 2))}
    if len(spec.lengths) < 2:
        del dims["length"]
    if not batch:
        del dims["batch"]
    return {one.name: {i: dims[axis] for i, axis in enumerate(one.shape) if isinstance(axis, str) and axis in dims} for one in spec.inputs}


def example_inputs(spec: ModelSpec, *, batch: int = 3) -> dict[str, Tensor]:
    """What a graph is traced with: sizes above one, so that no axis is taken for a constant."""
    length = None
    if spec.lengths:
        length = spec.lengths[0] if len(spec.lengths) == 1 else max(2, min(spec.lengths[-1] - 1, spec.primary_length or spec.lengths[0]))
    return example(spec, batch=batch, length=length, seed=1)


def export_program(module: nn.Module, spec: ModelSpec, *, batch: int | None = None) -> Any:
    """The exported program, with a free batch unless `batch` fixes it, and without stack traces.

    Raises:
        WrongInputError: the model can't be traced; the sentence is torch's own.
    """
    try:
        program = torch.export.export(
            module,
            (),
            kwargs=example_inputs(spec, batch=batch or 3),
            dynamic_shapes=free_axes(spec, batch=batch is None),
        )
    except (RuntimeError, torch._dynamo.exc.Unsupported, torch._dynamo.exc.UserError) as error:
        raise WrongInputError(
            f"torch.export can't trace {spec.name}: {str(error)[:1500]}",
            do="sizes must not be baked in: tables need a row more than the longest length, shapes come from the inputs",
        ) from error
    for part in program.graph_module.modules():
        for node in part.graph.nodes if hasattr(part, "graph") else ():
            node.meta.pop("stack_trace", None)
            node.meta.pop("from_node", None)
    return program


def export_pt2(module: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Writes `model.pt2`."""
    torch.export.save(export_program(module, spec), str(path))


def load_pt2(path: Path) -> nn.Module:
    """The module of a `.pt2` whose digest was checked: loading one can run code."""
    module: nn.Module = torch.export.load(str(path)).module()
    return module
