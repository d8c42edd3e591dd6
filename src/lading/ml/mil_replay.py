"""Runs a Core ML package's own program on any machine: operation by operation, in fp32, each result rounded to the program's precision.

It shows what the program that Apple receives computes; it says nothing about Apple's kernels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lading.errors import CannotRunHereError
from lading.ml.mil_ops import OPS as _BASE
from lading.ml.mil_ops_layers import LAYERS
from lading.ml.mil_ops_moves import MOVES

OPS = {**_BASE, **MOVES, **LAYERS}
"""Every operation that replay knows."""
FP16_MAX = 65504.0


@dataclass(slots=True)
class Trace:
    """What happened on the way."""

    first_broken: str | None = None
    """The first operation that gave NaN or infinities from finite values: `softmax attn_3`."""
    largest: dict[str, float] = field(default_factory=dict)
    """Operation to the largest absolute value that it gave in fp16."""


class Replay:
    """One package's program, ready to run; weights are turned into float32 once.

    Args:
        program: from `coreml.load_program`.

    Raises:
        CannotRunHereError: it uses operations that no kernel is known for; all are named.
    """

    def __init__(self, program: Any) -> None:
        from coremltools.converters.mil.mil import types

        self._name_of = types.builtin_to_string
        self._function = program.functions["main"]
        self._constants: dict[Any, Any] = {}
        self._steps: list[Any] = []
        unknown = set()
        for op in self._function.operations:
            if op.op_type == "const" or op.op_type.startswith("constexpr_"):
                for var in op.outputs:
                    self._constants[var] = self._constant(op, var)
            else:
                self._steps.append(op)
                if op.op_type not in OPS:
                    unknown.add(op.op_type)
        if unknown:
            raise CannotRunHereError(
                f"the package uses operations that replay does not know: {', '.join(sorted(unknown))}",
                do="verify it on a Mac (`runner: macos` for convert), or add a kernel to lading.ml.mil_ops",
            )
        self._last_use = self._uses()
        self._half = {var: self.is_half(var) for op in self._steps for var in op.outputs}

    def __call__(self, inputs: Mapping[str, NDArray[Any]], trace: Trace | None = None) -> dict[str, NDArray[Any]]:
        """The outputs for these inputs; floats as float32, rounded as the program's outputs are."""
        values: dict[Any, Any] = {}
        for name, var in self._function.inputs.items():
            tensor = torch.from_numpy(np.ascontiguousarray(inputs[name]))
            values[var] = self._rounded(tensor.float(), self.is_half(var)) if tensor.is_floating_point() else tensor.to(torch.int32)
        with torch.inference_mode():
            for i, op in enumerate(self._steps):
                self._step(op, values, trace)
                for var in self._last_use.get(i, ()):
                    values.pop(var, None)
        return {var.name: self._value(var, values).numpy() for var in self._function.outputs}

    def _step(self, op: Any, values: dict[Any, Any], trace: Trace | None) -> None:
        arguments = {name: self._argument(value, values) for name, value in op.inputs.items() if value is not None}
        results = OPS[op.op_type](arguments)
        results = results if isinstance(results, tuple | list) else (results,)
        for var, result in zip(op.outputs, results, strict=True):
            values[var] = self._rounded(result, self._half[var])
            if trace is not None and values[var].is_floating_point() and values[var].numel():
                self._look(trace, op, values[var], arguments, half=self._half[var])

    @staticmethod
    def _look(trace: Trace, op: Any, result: Any, arguments: dict[str, Any], *, half: bool) -> None:
        largest = float(result.abs().max())
        if half:
            name = f"{op.op_type} {op.name}"
            trace.largest[name] = max(trace.largest.get(name, 0.0), largest) if np.isfinite(largest) else float("inf")
        if trace.first_broken is None and not np.isfinite(largest):
            given = [v for value in arguments.values() for v in (value if isinstance(value, list) else [value])]
            floats = [v for v in given if isinstance(v, torch.Tensor) and v.is_floating_point()]
            sound = all(bool(torch.isfinite(v).all()) for v in floats)
            trace.first_broken = f"{op.op_type} {op.name}" + ("" if sound else ", which already takes an infinite constant")

    def _argument(self, value: Any, values: dict[Any, Any]) -> Any:
        return [self._value(one, values) for one in value] if isinstance(value, list | tuple) else self._value(value, values)

    def _value(self, var: Any, values: dict[Any, Any]) -> Any:
        return values[var] if var in values else self._constants[var]

    def is_half(self, var: Any) -> bool:
        """Whether a value is fp16 in the program."""
        return bool(self._name_of(var.dtype) == "fp16")

    @staticmethod
    def _rounded(value: torch.Tensor, half: bool) -> torch.Tensor:
        if half and value.is_floating_point():
            return value.half().float()
        return value.float() if value.dtype == torch.float64 else value

    @staticmethod
    def _constant(op: Any, var: Any) -> Any:
        value = var.val if op.op_type == "const" else op.materialized_val_inference()
        if isinstance(value, str | bool | type(None)):
            return value
        array = np.asarray(value)
        if array.dtype.kind in "US":
            return str(array)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        elif array.dtype == np.uint16:
            array = array.astype(np.int32)
        elif array.dtype == np.uint32:
            array = array.astype(np.int64)
        return torch.from_numpy(np.ascontiguousarray(array).copy()).reshape(array.shape)

    def _uses(self) -> dict[int, list[Any]]:
        last: dict[Any, int] = {}
        for i, op in enumerate(self._steps):
            for value in op.inputs.values():
                for var in value if isinstance(value, list | tuple) else [value]:
                    last[var] = i
        kept = set(self._function.outputs)
        found: dict[int, list[Any]] = {}
        for var, i in last.items():
            if var not in kept and var not in self._constants:
                found.setdefault(i, []).append(var)
        return found

    def census(self) -> dict[str, int]:
        """How often each operation occurs, constants left out."""
        counts: dict[str, int] = {}
        for op in self._steps:
            counts[op.op_type] = counts.get(op.op_type, 0) + 1
        return dict(sorted(counts.items()))

    def constants(self) -> dict[str, NDArray[Any]]:
        """Weights and other constants with more than one element, by name, as float32 where they are floats."""
        return {var.name: value.numpy() for var, value in self._constants.items() if isinstance(value, torch.Tensor) and value.numel() > 1}

    def operations(self) -> list[Any]:
        """The operations in order."""
        return list(self._steps)

    def constant(self, var: Any) -> Any:
        """The value of a constant, or None."""
        return self._constants.get(var)
