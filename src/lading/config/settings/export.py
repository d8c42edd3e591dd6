"""What an export stage is set by."""

from typing import Literal

from pydantic import Field, field_validator

from lading.frozen import Frozen

Format = Literal["onnx", "torchscript", "exported"]


class ExportSettings(Frozen):
    """Settings of an export stage."""

    formats: tuple[Format, ...] = Field(("exported", "onnx", "torchscript"), min_length=1)
    """What is written beside the weights: `model.onnx`, `model.ts.pt`, `model.pt2`."""
    opset: int = Field(20, ge=18, le=23)
    """ONNX operator set."""

    @field_validator("formats")
    @classmethod
    def _once(cls, formats: tuple[Format, ...]) -> tuple[Format, ...]:
        return tuple(sorted(set(formats)))
