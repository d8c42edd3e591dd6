"""What a check stage is set by."""

from typing import Literal

from pydantic import Field

from lading.frozen import Frozen


class CheckSettings(Frozen):
    """Settings of a check stage: which inputs every format meets, and how near to PyTorch it must be."""

    batch_sizes: tuple[int, ...] = Field((1, 2, 5), min_length=1)
    """Every format runs at each."""
    random_inputs: int = Field(2, ge=1, le=1000)
    """Random batches at every batch size and length."""
    split: Literal["test", "validation", "calibration", "train"] = "calibration"
    """Where real samples come from, if the stage needs data."""
    samples: int = Field(64, ge=0, le=100_000)
    """How many real samples at most, at each length."""
    rtol: float | None = Field(None, ge=0)
    """Relative tolerance; by default that of the outputs' precision."""
    atol: float | None = Field(None, ge=0)
    """Absolute tolerance as a part of the largest reference value; by default that of the outputs' precision."""
    latency_runs: int = Field(50, ge=0, le=100_000)
    """Timed calls of each format, one after another in turn; 0 times nothing."""
    seed: int = 0
    """Of the random inputs."""
