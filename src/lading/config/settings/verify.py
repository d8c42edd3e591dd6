"""What a verify stage is set by."""

from typing import Literal

from pydantic import Field

from lading.frozen import Frozen


class VerifySettings(Frozen):
    """Settings of a verify stage: which inputs the package's own program meets, and how near to PyTorch it must be."""

    random_inputs: int = Field(2, ge=1, le=1000)
    """Random batches at every enumerated length."""
    split: Literal["test", "validation", "calibration", "train"] = "calibration"
    """Where real samples come from, if the stage needs data."""
    samples: int = Field(16, ge=0, le=10_000)
    """How many real samples at most, at each length."""
    min_psnr_db: float | None = None
    """A case below it is a failure; by default 35 for fp16 (Apple's own bound) and 80 for fp32."""
    allowed_ops: tuple[str, ...] = ()
    """Where not empty: an operation of the package outside this list is a failure."""
    seed: int = 0
    """Of the random inputs."""
