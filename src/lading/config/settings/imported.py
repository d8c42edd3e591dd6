"""What an import stage is set by: a checkpoint from outside, and the model that it belongs to."""

from typing import Annotated

from pydantic import Field, model_validator

from lading.config.settings.models import ModelSettings
from lading.config.userfile import FileField
from lading.frozen import Frozen


class ImportSettings(Frozen):
    """Settings of an import stage: safetensors and what they are the weights of."""

    checkpoint: FileField
    """A .safetensors file; nothing else is read, because everything else may run code."""
    model: ModelSettings
    """The model that the weights belong to; names and shapes must match exactly."""
    shape: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Images and rows: the shape of one input, such as [1, 28, 28]."""
    classes: tuple[str, ...] = ()
    """Images and rows: class names, in the order of the logits."""
    low: float = 0.0
    """The smallest value that a real input has."""
    high: float = 1.0
    """The largest."""
    lengths: tuple[Annotated[int, Field(ge=2)], ...] = (64, 128, 256)
    """Texts: the lengths that the model must hold at."""
    primary_length: int = Field(128, ge=2)
    """Texts: one of `lengths`."""
    vocabulary: int = Field(256, ge=2)
    """Texts: how many tokens there are."""

    @model_validator(mode="after")
    def _complete(self) -> "ImportSettings":
        if not self.checkpoint.path.endswith(".safetensors"):
            raise ValueError(f"checkpoint {self.checkpoint.path} is not a .safetensors file; convert it with safetensors.torch.save_file")
        if getattr(self.model, "name", "") == "lm":
            if self.primary_length not in self.lengths:
                raise ValueError(f"primary_length {self.primary_length} is not one of lengths {list(self.lengths)}")
        elif self.shape is None or len(self.classes) < 2:
            raise ValueError("a model of images or rows needs `shape` (of one input) and `classes` (at least two names)")
        return self
