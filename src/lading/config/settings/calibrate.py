"""What a calibrate stage is set by."""

from typing import Literal

from pydantic import Field

from lading.frozen import Frozen


class CalibrateSettings(Frozen):
    """Settings of a calibrate stage."""

    method: Literal["temperature"] = "temperature"
    """One number that divides the logits: it changes confidence and never the chosen class."""
    split: Literal["calibration", "validation"] = "calibration"
    """The part of the data that it is fitted on."""
    folds: int = Field(5, ge=2, le=50)
    """Cross-fitting: each sample's figures come from a temperature that was fitted without it."""
    bins: int = Field(15, ge=1, le=1000)
    """Bins of the expected calibration error."""
    bootstrap: int = Field(500, ge=50, le=100_000)
    """Resamplings behind each interval."""
    batch_size: int = Field(256, ge=1)
    """Samples at a time."""
    seed: int = Field(7, ge=0)
    """Of folds and resampling."""
