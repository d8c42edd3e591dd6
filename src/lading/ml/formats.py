"""The table of exchange formats: how each is written, and how each is run."""

import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lading.canonical import sha256_file
from lading.ml import exported, onnx, torchscript
from lading.ml.cases import lengths_of, random_inputs
from lading.ml.contract import FILES
from lading.ml.parity import percentiles
from lading.ml.spec import ModelSpec

Arrays = dict[str, NDArray[Any]]
Runner = Callable[[Arrays], Arrays]


def write(format: str, module: nn.Module, spec: ModelSpec, folder: Path, *, opset: int) -> dict[str, str | int]:
    """Writes one format into `folder`; returns what the contract says of it beyond the file."""
    path = folder / FILES[format]
    if format == "onnx":
        onnx.export_onnx(module, spec, path, opset=opset)
        data = path.with_name(path.name + ".data")
        return {"opset": opset, **({"data_file": data.name, "data_sha256": sha256_file(data)} if data.is_file() else {})}
    if format == "torchscript":
        torchscript.export_torchscript(module, spec, path)
    else:
        exported.export_pt2(module, spec, path)
    return {"torch": torch.__version__.partition("+")[0]}


def runner(format: str, folder: Path, spec: ModelSpec, *, threads: int) -> Runner:
    """A function from inputs to outputs of one format; its file's digest must have been checked before."""
    path = folder / FILES[format]
    if format == "onnx":
        onnx.check_onnx(path)
        return onnx.onnx_runner(path, threads=threads)
    if format == "torchscript":
        return module_runner(torchscript.load_torchscript(path), spec, by_name=False)
    return module_runner(exported.load_pt2(path), spec)


def module_runner(module: Any, spec: ModelSpec, *, by_name: bool = True, dtype: torch.dtype | None = None) -> Runner:
    """A function from arrays to arrays, by a PyTorch module in inference mode.

    Args:
        module: what forward belongs to.
        spec: names of inputs and outputs.
        by_name: whether forward takes its inputs by name.
        dtype: what float inputs are turned into first.
    """
    return functools.partial(_call, module, spec, by_name, dtype)


def _call(module: Any, spec: ModelSpec, by_name: bool, dtype: torch.dtype | None, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
    tensors = {one.name: torch.from_numpy(np.ascontiguousarray(inputs[one.name])) for one in spec.inputs}
    if dtype is not None:
        tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    with torch.no_grad():
        outputs = module(**tensors) if by_name else module(*tensors.values())
    values = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return {one.name: value.numpy() for one, value in zip(spec.outputs, values, strict=True)}


def timed(runners: Mapping[str, Runner], spec: ModelSpec, runs: int, *, batch: int = 1) -> dict[str, dict[str, float]]:
    """Latencies at the primary length, in milliseconds, format after format in turn, so that all meet the same noise."""
    inputs = random_inputs(spec, batch, spec.primary_length or lengths_of(spec)[0], np.random.default_rng(0))
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(runs + 2):
        for name, kept in times.items():
            begin = time.perf_counter()
            runners[name](inputs)
            kept.append(time.perf_counter() - begin)
    return {name: {"first_ms": kept[0] * 1e3, **percentiles(kept[2:])} for name, kept in times.items()}
