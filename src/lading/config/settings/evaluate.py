"""What an evaluate stage is set by."""

from typing import Literal

from pydantic import Field

from lading.frozen import Frozen


class EvaluateSettings(Frozen):
    """Settings of an evaluate stage."""

    split: Literal["test", "validation", "calibration", "train"] = "test"
    """The part of the data that is looked at."""
    batch_size: int = Field(256, ge=1)
    """Samples at a time; does not change the figures beyond rounding."""
    bins: int = Field(15, ge=1, le=1000)
    """Bins of the expected calibration error."""
    worst: int = Field(12, ge=0, le=200)
    """How many of the worst examples the report shows."""
