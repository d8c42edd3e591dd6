"""Core ML's operations as PyTorch kernels: shapes, slices, gathers and other moves."""

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lading.ml.mil_ops import Arguments, Kernel, flags, ints, number


def _slice_by_index(a: Arguments) -> Tensor:
    x, begin, end = a["x"], ints(a["begin"]), ints(a["end"])
    count = len(begin)
    stride = [1] * count if a.get("stride") is None else ints(a["stride"])
    from_start, to_end, squeeze = (flags(a.get(f"{name}_mask"), count) for name in ("begin", "end", "squeeze"))
    dropped = []
    for axis in range(count):
        size = x.shape[axis]
        if squeeze[axis]:
            place = begin[axis] + size if begin[axis] < 0 else begin[axis]
            x = x.narrow(axis, place, 1)
            dropped.append(axis)
            continue
        window = slice(None if from_start[axis] else begin[axis], None if to_end[axis] else end[axis], stride[axis])
        places = range(*window.indices(size))
        if stride[axis] == 1:
            x = x.narrow(axis, places.start if places else 0, len(places))
        else:
            x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    for axis in reversed(dropped):
        x = x.squeeze(axis)
    return x


def _slice_by_size(a: Arguments) -> Tensor:
    x = a["x"]
    for axis, (begin, size) in enumerate(zip(ints(a["begin"]), ints(a["size"]), strict=True)):
        start = begin + x.shape[axis] if begin < 0 else begin
        x = x.narrow(axis, start, x.shape[axis] - start if size == -1 else size)
    return x


def _reshape(a: Arguments) -> Tensor:
    x, shape = a["x"], ints(a["shape"])
    return x.reshape([x.shape[i] if size == 0 and x.numel() else size for i, size in enumerate(shape)])


def _gather(a: Arguments) -> Tensor:
    x, indices, axis, batch_dims = a["x"], torch.as_tensor(a["indices"]), number(a.get("axis", 0)), number(a.get("batch_dims", 0))
    if batch_dims:
        raise NotImplementedError("gather with batch_dims")
    axis = axis % x.ndim
    index = indices.reshape(-1).to(torch.int64)
    index = torch.where(index < 0, index + x.shape[axis], index)
    return x.index_select(axis, index).reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _gather_nd(a: Arguments) -> Tensor:
    x, indices = a["x"], a["indices"].to(torch.int64)
    if number(a.get("batch_dims", 0)):
        raise NotImplementedError("gather_nd with batch_dims")
    found: Tensor = x[tuple(indices.unbind(-1))]
    return found


def _gather_along_axis(a: Arguments) -> Tensor:
    found: Tensor = torch.gather(a["x"], number(a.get("axis", 0)), a["indices"].to(torch.int64))
    return found


def _concat(a: Arguments) -> Tensor:
    values = [torch.as_tensor(value) for value in a["values"]]
    axis = number(a["axis"])
    if a.get("interleave"):
        return torch.stack(values, axis % values[0].ndim + 1).flatten(axis % values[0].ndim, axis % values[0].ndim + 1)
    return torch.cat([value.reshape(1) if value.ndim == 0 else value for value in values], axis)


def _split(a: Arguments) -> Any:
    x, axis = a["x"], number(a["axis"])
    if a.get("split_sizes") is not None:
        return torch.split(x, ints(a["split_sizes"]), axis)
    return torch.split(x, x.shape[axis] // number(a["num_splits"]), axis)


def _pad(a: Arguments) -> Tensor:
    x, pad, mode = a["x"], ints(a["pad"]), a.get("mode", "constant")
    pairs = [pad[i : i + 2] for i in range(0, len(pad), 2)]
    flat = [size for pair in reversed(pairs) for size in pair]
    if mode == "constant":
        return F.pad(x, flat, value=number(a.get("constant_val", 0.0)))
    while len(flat) > 2 and not any(flat[-2:]):
        flat = flat[:-2]
    return F.pad(x, flat, mode="reflect" if mode == "reflect" else "replicate")


def _band_part(a: Arguments) -> Tensor:
    x, lower, upper = a["x"], number(a.get("lower", -1)), number(a.get("upper", -1))
    row = torch.arange(x.shape[-2])[:, None]
    column = torch.arange(x.shape[-1])[None, :]
    kept = torch.ones(x.shape[-2:], dtype=torch.bool)
    if lower >= 0:
        kept &= row - column <= lower
    if upper >= 0:
        kept &= column - row <= upper
    return torch.where(kept, x, torch.zeros_like(x))


def _fill(a: Arguments) -> Tensor:
    value = torch.as_tensor(a.get("value", 0.0))
    return value.reshape(()).expand(ints(a["shape"])).clone()


def _squeeze(a: Arguments) -> Tensor:
    x, axes = a["x"], a.get("axes")
    chosen = range(x.ndim) if axes is None else [axis % x.ndim for axis in ints(axes)]
    return x.reshape([size for axis, size in enumerate(x.shape) if axis not in chosen or size != 1])


def _expand_dims(a: Arguments) -> Tensor:
    x, axes = a["x"], ints(a["axes"])
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _range(a: Arguments) -> Tensor:
    start, end, step = (number(a[name]) for name in ("start", "end", "step"))
    whole = not any(isinstance(value, float) for value in (start, end, step))
    count = max(0, math.ceil((end - start) / step))
    return start + step * torch.arange(count, dtype=torch.int32 if whole else torch.float32)


def _cumsum(a: Arguments) -> Tensor:
    x, axis = a["x"], number(a.get("axis", 0))
    x = x.flip(axis) if a.get("reverse") else x
    total = x.cumsum(axis, dtype=x.dtype)
    total = total - x if a.get("exclusive") else total
    return total.flip(axis) if a.get("reverse") else total


def _topk(a: Arguments) -> tuple[Tensor, Tensor]:
    values, places = torch.topk(a["x"], number(a.get("k", 1)), number(a.get("axis", -1)), largest=not a.get("ascending", False))
    return values, places.to(torch.int32)


def _argsort(a: Arguments) -> Tensor:
    places: Tensor = torch.argsort(a["x"], dim=number(a.get("axis", -1)), descending=not a.get("ascending", False), stable=True)
    return places.to(torch.int32)


def _one_hot(a: Arguments) -> Tensor:
    indices, size = a["indices"].to(torch.int64), number(a["one_hot_vector_size"])
    hot = (indices[..., None] == torch.arange(size)).movedim(-1, number(a.get("axis", -1)))
    return torch.where(hot, torch.as_tensor(a.get("on_value", 1)), torch.as_tensor(a.get("off_value", 0)))


def _flatten2d(a: Arguments) -> Tensor:
    x, axis = a["x"], number(a.get("axis", 1))
    return x.reshape(math.prod(x.shape[:axis]), -1)


MOVES: dict[str, Kernel] = {
    "argsort": _argsort,
    "band_part": _band_part,
    "concat": _concat,
    "cumsum": _cumsum,
    "expand_dims": _expand_dims,
    "fill": _fill,
    "fill_like": lambda a: torch.full_like(a["ref_tensor"], number(a.get("value", 0))),
    "flatten2d": _flatten2d,
    "gather": _gather,
    "gather_along_axis": _gather_along_axis,
    "gather_nd": _gather_nd,
    "one_hot": _one_hot,
    "pad": _pad,
    "range_1d": _range,
    "reshape": _reshape,
    "reverse": lambda a: a["x"].flip(ints(a["axes"]) if a.get("axes") is not None else list(range(a["x"].ndim))),
    "shape": lambda a: torch.tensor(a["x"].shape, dtype=torch.int32),
    "slice_by_index": _slice_by_index,
    "slice_by_size": _slice_by_size,
    "split": _split,
    "squeeze": _squeeze,
    "stack": lambda a: torch.stack([torch.as_tensor(v) for v in a["values"]], number(a["axis"])),
    "tile": lambda a: a["x"].repeat(ints(a["reps"])),
    "topk": _topk,
    "transpose": lambda a: a["x"].permute(ints(a["perm"])),
}
"""Operation to kernel."""
