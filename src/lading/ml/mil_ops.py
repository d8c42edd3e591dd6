"""Core ML's operations as PyTorch kernels: element by element, shapes and moves. Each takes an operation's arguments by name.

Floating values are held as float32; `mil_replay` rounds what each operation gives to the precision that the program names.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Arguments = dict[str, Any]
Kernel = Callable[[Arguments], Any]
OPS: dict[str, Kernel] = {}
"""Operation to kernel; layers are in `mil_ops_layers`."""
_CASTS = {
    "fp16": torch.float32,
    "fp32": torch.float32,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "uint16": torch.int32,
    "bool": torch.bool,
}


def ints(value: Any) -> list[int]:
    """A tensor, array or number as a list of integers."""
    return [int(v) for v in torch.as_tensor(value).reshape(-1).tolist()]


def flags(value: Any, count: int) -> list[bool]:
    """A mask, or all False where there is none."""
    return [False] * count if value is None else [bool(v) for v in torch.as_tensor(value).reshape(-1).tolist()]


def number(value: Any) -> Any:
    """A tensor of one element as a Python number."""
    return value.item() if isinstance(value, Tensor) else value


def _unary(function: Callable[[Tensor], Tensor]) -> Kernel:
    return lambda a: function(a["x"])


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Kernel:
    return lambda a: function(a["x"], a["y"])


OPS.update(
    {
        name: _unary(function)
        for name, function in {
            "abs": torch.abs,
            "acos": torch.acos,
            "asin": torch.asin,
            "atan": torch.atan,
            "atanh": torch.atanh,
            "ceil": torch.ceil,
            "cos": torch.cos,
            "cosh": torch.cosh,
            "erf": torch.erf,
            "exp": torch.exp,
            "exp2": torch.exp2,
            "floor": torch.floor,
            "logical_not": torch.logical_not,
            "relu": torch.relu,
            "relu6": F.relu6,
            "round": torch.round,
            "sigmoid": torch.sigmoid,
            "sign": torch.sign,
            "silu": F.silu,
            "sin": torch.sin,
            "sinh": torch.sinh,
            "softplus": lambda x: F.softplus(x, threshold=1e9),
            "softsign": F.softsign,
            "sqrt": torch.sqrt,
            "square": torch.square,
            "tan": torch.tan,
            "tanh": torch.tanh,
            "identity": lambda x: x,
        }.items()
    }
)
OPS.update(
    {
        name: _binary(function)
        for name, function in {
            "add": torch.add,
            "sub": torch.sub,
            "mul": torch.mul,
            "real_div": torch.true_divide,
            "floor_div": torch.floor_divide,
            "mod": torch.remainder,
            "pow": torch.pow,
            "maximum": torch.maximum,
            "minimum": torch.minimum,
            "equal": torch.eq,
            "not_equal": torch.ne,
            "greater": torch.gt,
            "greater_equal": torch.ge,
            "less": torch.lt,
            "less_equal": torch.le,
            "logical_and": torch.logical_and,
            "logical_or": torch.logical_or,
            "logical_xor": torch.logical_xor,
        }.items()
    }
)
_GELU: dict[str, Callable[[Tensor], Tensor]] = {
    "EXACT": F.gelu,
    "TANH_APPROXIMATION": lambda x: F.gelu(x, approximate="tanh"),
    "SIGMOID_APPROXIMATION": lambda x: x * torch.sigmoid(1.702 * x),
}
OPS.update(
    {
        "cast": lambda a: a["x"].to(_CASTS[a["dtype"]]),
        "clip": lambda a: a["x"].clamp(number(a["alpha"]), number(a["beta"])),
        "clamped_relu": lambda a: torch.where(a["x"] >= 0, a["x"], a["x"] * a["alpha"]).clamp(max=number(a["beta"])),
        "elu": lambda a: F.elu(a["x"], number(a["alpha"])),
        "gelu": lambda a: _GELU[a.get("mode", "EXACT")](a["x"]),
        "inverse": lambda a: 1 / (a["x"] + a.get("epsilon", 1e-4)),
        "leaky_relu": lambda a: F.leaky_relu(a["x"], number(a["alpha"])),
        "linear_activation": lambda a: a["x"] * a["alpha"] + a.get("beta", 0.0),
        "log": lambda a: torch.log(a["x"] + a.get("epsilon", 1e-45)),
        "prelu": lambda a: F.prelu(a["x"], a["alpha"]),
        "rsqrt": lambda a: torch.rsqrt(a["x"] + a.get("epsilon", 1e-12)),
        "scaled_tanh": lambda a: a["alpha"] * torch.tanh(a["beta"] * a["x"]),
        "sigmoid_hard": lambda a: (a["x"] * a.get("alpha", 0.2) + a.get("beta", 0.5)).clamp(0, 1),
        "softmax": lambda a: torch.softmax(a["x"], number(a.get("axis", -1))),
        "threshold": lambda a: a["x"].clamp(min=number(a["alpha"])),
        "thresholded_relu": lambda a: torch.where(a["x"] >= a["alpha"], a["x"], torch.zeros_like(a["x"])),
        "select": lambda a: torch.where(a["cond"].bool(), a["a"], a["b"]),
        "cond_select": lambda a: torch.where(a["cond"].bool(), a["a"], a["b"]),
    }
)


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


OPS.update(
    {
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
)
