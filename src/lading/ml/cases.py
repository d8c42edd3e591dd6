"""Inputs that a model is checked on: random ones, the edges of their range, and real samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lading.ml.data import read_split
from lading.ml.spec import ModelSpec, TensorSpec

Arrays = dict[str, NDArray[Any]]
EDGES = ("zeros", "lowest", "highest", "alternating", "constant")


@dataclass(frozen=True, slots=True)
class Case:
    """One batch of inputs."""

    name: str
    batch: int
    length: int | None
    inputs: Arrays
    ordinary: bool
    """Such as real data are: says something about the model's outputs as such."""
    real: int = 0
    """How many real samples it holds; in a last batch with fewer than its size, they are repeated."""


def lengths_of(spec: ModelSpec) -> tuple[int | None, ...]:
    """The lengths to check at, or one `None` for a model without."""
    return tuple(spec.lengths) or (None,)


def shape_of(spec: TensorSpec, batch: int, length: int | None) -> tuple[int, ...]:
    """The sizes of one input or output."""
    sizes = {"batch": batch, "length": length or 1}
    return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in spec.shape)


def bounds_of(spec: TensorSpec) -> tuple[float, float]:
    """The smallest and largest value of an input's data; 0 and 1 where nothing is known."""
    return (0.0 if spec.low is None else spec.low), (1.0 if spec.high is None else spec.high)


def random_inputs(spec: ModelSpec, batch: int, length: int | None, rng: np.random.Generator) -> Arrays:
    """Uniform within each input's range."""
    found: Arrays = {}
    for one in spec.inputs:
        low, high = bounds_of(one)
        shape = shape_of(one, batch, length)
        if one.dtype.startswith("int"):
            found[one.name] = rng.integers(int(low), int(high) + 1, shape).astype(one.dtype)
        else:
            found[one.name] = rng.uniform(low, high, shape).astype(one.dtype)
    return found


def edge_inputs(spec: ModelSpec, edge: str, batch: int, length: int | None) -> Arrays:
    """Inputs at the edge of their range: zeros, the lowest or highest value, both in turn, or a constant between."""
    found: Arrays = {}
    for one in spec.inputs:
        low, high = bounds_of(one)
        shape = shape_of(one, batch, length)
        if edge == "alternating":
            values = np.where(np.arange(int(np.prod(shape))) % 2 == 0, high, low).reshape(shape)
        else:
            value = {"zeros": min(max(0.0, low), high), "lowest": low, "highest": high, "constant": (low + high) / 2}[edge]
            values = np.full(shape, int(value) if one.dtype.startswith("int") else value)
        found[one.name] = values.astype(one.dtype)
    return found


def cases(
    spec: ModelSpec,
    *,
    batch_sizes: Sequence[int],
    random: int,
    seed: int,
    data: Path | None = None,
    split: str = "calibration",
    samples: int = 0,
) -> Iterator[Case]:
    """Every case: at each length random batches of each size, each edge at the smallest size, and real samples.

    Args:
        spec: of the model.
        batch_sizes: of the random batches.
        random: how many of each size and length.
        seed: of the random batches.
        data: folder of a data stage's result.
        split: of the data.
        samples: how many real ones at most, at each length, in batches of the largest size: that of a package is fixed, so a last batch
            with fewer repeats its rows.
    """
    for length in lengths_of(spec):
        rng = np.random.default_rng([seed, length or 0])
        for batch in batch_sizes:
            for i in range(random):
                yield Case(f"random {i}", batch, length, random_inputs(spec, batch, length, rng), True)
        for edge in EDGES:
            yield Case(edge, min(batch_sizes), length, edge_inputs(spec, edge, min(batch_sizes), length), False)
        if data is not None and samples:
            found = read_split(data, split, length=length)
            size = max(batch_sizes)
            count = min(samples, len(found))
            for start in range(0, count, size):
                real = min(size, count - start)
                rows = start + np.arange(size) % real
                inputs = {one.name: found.inputs[one.name][rows].astype(one.dtype) for one in spec.inputs}
                yield Case(f"{split} {start}", size, length, inputs, True, real)
