"""What in a Core ML package is wrong before a number is computed: fp16 hazards, weights of another model, a broken contract."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lading.ml.mil_replay import FP16_MAX, Replay, Trace
from lading.ml.spec import ModelSpec

Arrays = Mapping[str, NDArray[Any]]
_HAZARDS = {
    "softplus": "softplus gives 0 or infinity in fp16 on the Neural Engine beyond 10",
    "exp": "exp overflows fp16 above 11",
    "pow": "pow overflows fp16 early",
}


_SMALLEST = 2.0**-23
"""The converter may move a value in fp16's last subnormal steps."""


def hazards(replay: Replay) -> list[str]:
    """Sentences on constants that fp16 can't hold, and on operations known to go wrong in fp16."""
    found = []
    for name, value in replay.constants().items():
        found += _constant(name, value)
    softmaxes = {var for op in replay.operations() if op.op_type == "softmax" for var in op.outputs}
    for op in replay.operations():
        half = replay.is_half(op.outputs[0])
        for role, value in op.inputs.items():
            found += _scalar(replay, op, role, value, half=half)
        if op.op_type == "log" and op.inputs["x"] in softmaxes:
            found.append(f"log of softmax at {op.name}: minus infinity where fp16 rounds a probability to 0; use log_softmax's own formula")
        if half and op.op_type in _HAZARDS:
            found.append(f"{op.op_type} at {op.name}: {_HAZARDS[op.op_type]}")
    return found


def _constant(name: str, value: NDArray[Any]) -> list[str]:
    if value.dtype.kind != "f":
        return []
    if not np.isfinite(value).all():
        return [f"the constant {name} holds NaN or infinities: a value that its precision can't hold, such as a mask of finfo.min in fp16"]
    largest = float(np.abs(value).max())
    return [f"the constant {name} reaches {largest:.3g}, at the edge of fp16"] if largest >= FP16_MAX else []


def _scalar(replay: Replay, op: Any, role: str, value: Any, *, half: bool) -> list[str]:
    constant = None if isinstance(value, list | tuple) else replay.constant(value)
    if not half or constant is None or not hasattr(constant, "numel") or constant.numel() != 1 or not constant.is_floating_point():
        return []
    size = abs(float(constant))
    if np.isfinite(size) and size < FP16_MAX:
        return []
    return [f"{op.op_type} at {op.name}: its {role} is {float(constant):.3g}, which fp16 can't hold; a sentinel of -1e4 is enough"]


def range_hazards(trace: Trace) -> list[str]:
    """Operations whose values came near the end of fp16's range, or beyond it, on real inputs."""
    found = [f"{name} reaches {size:.3g}, near fp16's end at 65504" for name, size in trace.largest.items() if size > FP16_MAX / 2]
    return found[:20]


def compare_weights(replay: Replay, weights: Arrays, *, half: bool) -> tuple[int, list[str]]:
    """How many tensors of the model stand in the package under their own name, and which differ beyond their precision's rounding.

    Args:
        replay: of the package.
        weights: by the module's names.
        half: whether the package keeps its weights in fp16.
    """
    constants = replay.constants()
    matched, wrong = 0, []
    for name, value in sorted(weights.items()):
        stem = "_".join(name.split("."))
        keys = (f"p_{stem}", f"p_{stem}_to_fp16", f"b_{stem}", f"b_{stem}_to_fp16")
        key = next((key for key in keys if key in constants), None)
        if key is None or constants[key].size != value.size or value.dtype.kind != "f":
            continue
        matched += 1
        expected = value.astype(np.float16).astype(np.float32) if half else value.astype(np.float32)
        found = constants[key].reshape(value.shape)
        beyond = float(np.abs(expected - found).max(initial=0.0))
        if not beyond <= (_SMALLEST if half else 0.0):
            wrong.append(f"{name} differs from {key} in the package by up to {beyond:.3g}")
    return matched, wrong


def contract_problems(description: Any, spec: ModelSpec, *, batch: int, io_dtype: str) -> list[str]:
    """Where a package's interface is not the contract's: names, dtypes, shapes, enumerated lengths and their default."""
    inputs = {one.name: one.type.multiArrayType for one in description.input}
    outputs = {one.name: one.type.multiArrayType for one in description.output}
    found = []
    for what, have, want in (("inputs", inputs, spec.inputs), ("outputs", outputs, spec.outputs)):
        if sorted(have) != sorted(one.name for one in want):
            found.append(f"its {what} are {', '.join(sorted(have))} instead of {', '.join(one.name for one in want)}")
        for one in want:
            if one.name in have:
                wanted = "INT32" if one.dtype.startswith("int") else io_dtype.upper()
                dtype = _dtype_name(have[one.name].dataType)
                if dtype != wanted:
                    found.append(f"{one.name} is {dtype} instead of {wanted}")
    lengths = tuple(spec.lengths) or (None,)
    primary = spec.primary_length or lengths[0]
    for one in spec.inputs:
        if one.name not in inputs:
            continue
        array = inputs[one.name]

        def shape(length: int | None, one: Any = one) -> tuple[int, ...]:
            return tuple({"batch": batch, "length": length or 1}[axis] if isinstance(axis, str) else axis for axis in one.shape)

        if tuple(array.shape) != shape(primary):
            found.append(f"{one.name} has the default shape {tuple(array.shape)} instead of {shape(primary)}")
        have_shapes = {tuple(each.shape) for each in array.enumeratedShapes.shapes} or {tuple(array.shape)}
        want_shapes = {shape(length) for length in lengths}
        if have_shapes != want_shapes:
            found.append(f"{one.name} takes the shapes {sorted(have_shapes)} instead of {sorted(want_shapes)}")
        if array.HasField("shapeRange"):
            found.append(f"{one.name} has a range of shapes; only enumerated ones stay on the Neural Engine")
    return found


def _dtype_name(value: int) -> str:
    from coremltools.proto import FeatureTypes_pb2

    name: str = FeatureTypes_pb2.ArrayFeatureType.ArrayDataType.Name(value)
    return name
