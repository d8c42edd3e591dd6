"""What a data stage is set by: where samples come from, and into which parts they are split."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lading.frozen import Frozen

Fraction = Annotated[float, Field(ge=0, lt=1)]


class SplitSettings(Frozen):
    """Shares of the whole that are kept from training; what remains trains."""

    validation: Fraction = 0.1
    """Looked at during training: the best step is chosen on it."""
    calibration: Fraction = 0.1
    """Fits temperatures and thresholds; no other stage looks at it."""
    test: Fraction = 0.2
    """Looked at once, by `evaluate`."""

    @model_validator(mode="after")
    def _leaves_something(self) -> "SplitSettings":
        kept = self.validation + self.calibration + self.test
        if kept >= 1:
            raise ValueError(f"validation, calibration and test take {kept:g} of the data: nothing is left to train on; keep them below 1")
        return self


class DataSettings(Frozen):
    """Settings of a data stage."""

    source: Literal["digits", "pydoc", "npz", "text"] = "digits"
    """`digits`: 1,797 images of 8 x 8 from scikit-learn; `pydoc`: the text of Python's own documentation topics;
    `npz`: arrays `inputs` (float) and `labels` (integer) in one file, optionally `groups` and `classes`; `text`: a folder of .txt files."""
    path: str | None = None
    """The file or folder of the sources `npz` and `text`; files whose name begins with a dot are not read."""
    split: SplitSettings = Field(default_factory=SplitSettings)
    """Shares that are kept from training."""
    seed: int = Field(7, ge=0)
    """Of the split."""
    lengths: tuple[Annotated[int, Field(ge=2, le=65536)], ...] = (64, 128, 256)
    """Texts: the sequence lengths that the model must hold at."""
    primary_length: int = Field(128, ge=2)
    """Texts: the length that is trained and evaluated at; one of `lengths`."""
    tick: str | None = None
    """Whatever makes the data of today other than yesterday's: a time trigger puts its tick here, so that nothing is a hit."""

    @model_validator(mode="after")
    def _fits(self) -> "DataSettings":
        if self.source in ("npz", "text") and not self.path:
            raise ValueError(f"source {self.source} needs `path`, the {'file' if self.source == 'npz' else 'folder'} to read")
        if self.source in ("digits", "pydoc") and self.path:
            raise ValueError(f"source {self.source} comes with the installation and takes no `path`; for your own data: source npz or text")
        if self.primary_length not in self.lengths:
            raise ValueError(f"primary_length {self.primary_length} is not one of lengths {list(self.lengths)}")
        return self
