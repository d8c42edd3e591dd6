"""Core ML's operations as PyTorch kernels: element by element. Each takes an operation's arguments by name.

Floating values are held as float32; `mil_replay` rounds what each operation gives to the precision that the program names.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Arguments = dict[str, Any]
Kernel = Callable[[Arguments], Any]
OPS: dict[str, Kernel] = {}
"""Operation to kernel; shapes and moves are in `mil_ops_moves`, layers in `mil_ops_layers`."""
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
