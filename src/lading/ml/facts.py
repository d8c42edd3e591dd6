"""What the data say about a model: `data.json` as a value, and the spec that follows from it and from the settings."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from lading.errors import WrongInputError
from lading.frozen import Frozen
from lading.ml.spec import ModelSpec, Task, TensorSpec


class DataFacts(Frozen):
    """`data.json`: what the splits hold."""

    schema_: Literal["lading/data/v1"] = Field("lading/data/v1", alias="schema")
    source: str
    task: Task
    counts: dict[str, int]
    """Split to number of samples (texts: bytes)."""
    input: str
    """The input's name: `image`, `features` or `tokens`."""
    shape: tuple[int, ...] = ()
    """Of one input; empty for texts."""
    low: float
    high: float
    """The smallest and largest value of the training split (texts: 0 and vocabulary - 1)."""
    classes: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    primary_length: int | None = None
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Texts: split to the names of its texts."""

    @property
    def counts_unit(self) -> str:
        """What `counts` counts."""
        return "bytes" if self.task == "language-model" else "samples"


Float = Literal["float32", "float64"]


def describe(name: str, settings: Mapping[str, Any], facts: DataFacts, *, dtype: Float = "float32") -> ModelSpec:
    """The spec of a model on these data.

    Args:
        name: in the table of models, or `file`.
        settings: what shapes the model; for `file`: file, modules, factory, arguments, trust.
        facts: of the data.
        dtype: of weights, float inputs and outputs.
    """
    language = facts.task == "language-model"
    if language != (name == "lm") and name != "file":
        what = "text" if language else "images or rows"
        raise WrongInputError(f"model {name} does not fit {what}", do="use `lm` for text, `cnn`, `vit` or `mlp` for images and rows")
    known: dict[str, Any] = (
        {"vocabulary": int(facts.high) + 1, "max_length": max(facts.lengths)}
        if language
        else {"shape": list(facts.shape), "classes": len(facts.classes)}
    )
    arguments = {**settings, "data": known} if name == "file" else {**settings, **known}
    inputs = TensorSpec(
        name=facts.input,
        dtype="int64" if language else dtype,
        shape=("batch", "length") if language else ("batch", *facts.shape),
        low=facts.low,
        high=facts.high,
    )
    if language:
        outputs = [TensorSpec(name="logits", dtype=dtype, shape=("batch", "length", int(facts.high) + 1))]
        halt = settings.get("halt", False) if name == "lm" else settings.get("arguments", {}).get("halt", False)
        if halt:
            outputs.append(TensorSpec(name="halt_logits", dtype=dtype, shape=("batch", "length")))
    else:
        outputs = [TensorSpec(name="logits", dtype=dtype, shape=("batch", len(facts.classes)))]
    return ModelSpec(
        task=facts.task,
        name=name,
        arguments=arguments,
        inputs=(inputs,),
        outputs=tuple(outputs),
        classes=facts.classes,
        lengths=facts.lengths,
        primary_length=facts.primary_length,
    )
