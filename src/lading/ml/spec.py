"""What a model takes and gives: the contract that training writes and every later stage checks against."""

from typing import Any, Literal

from pydantic import Field

from lading.frozen import Frozen

Task = Literal["classification", "language-model"]
Axis = int | Literal["batch", "length"]


class TensorSpec(Frozen):
    """One input or output."""

    name: str
    dtype: Literal["float32", "float64", "int64", "int32"]
    shape: tuple[Axis, ...]
    """Sizes; `batch` and `length` are free."""
    low: float | None = None
    """Inputs: the smallest and largest value that real data has (for token ids: 0 and vocabulary - 1)."""
    high: float | None = None


class ModelSpec(Frozen):
    """`model.json`, beside `model.safetensors`: enough to build the module again and to feed it."""

    schema_: Literal["lading/model/v1"] = Field("lading/model/v1", alias="schema")
    task: Task
    name: str
    """A name in the table of models."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What the model's factory takes."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    """In the order in which forward returns them."""
    classes: tuple[str, ...] = ()
    """Class names, in the order of the logits."""
    lengths: tuple[int, ...] = ()
    """Sequence lengths that the model must hold at, where an axis is `length`."""
    primary_length: int | None = None
