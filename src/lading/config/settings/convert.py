"""What a convert stage is set by."""

from typing import Literal

from pydantic import Field

from lading.frozen import Frozen

Target = Literal["iOS15", "iOS16", "iOS17", "iOS18", "macOS12", "macOS13", "macOS14", "macOS15"]


class ConvertSettings(Frozen):
    """Settings of a convert stage."""

    precision: Literal["fp16", "fp32"] = "fp16"
    """In which the package computes and keeps its weights."""
    target: Target = "iOS18"
    """The oldest system that must run it."""
    batch: int = Field(1, ge=1)
    """Samples a prediction; fixed in the package."""
    io_dtype: Literal["float32", "float16"] = "float32"
    """Of float inputs and outputs, named in the package whatever its precision."""
    description: str = ""
    """Shown by Xcode."""
