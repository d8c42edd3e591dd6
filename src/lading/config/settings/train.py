"""What a train stage is set by: everything here can change the result, nothing here says where it runs."""

from typing import Literal

from pydantic import Field, model_validator

from lading.config.settings.models import CnnModel, ModelSettings
from lading.frozen import Frozen


class ScheduleSettings(Frozen):
    """How the learning rate moves."""

    name: Literal["constant", "cosine", "linear"] = "cosine"
    """After the warm-up: stays, or falls to `floor` along a cosine or a line."""
    warmup: float = Field(0.05, ge=0, le=1)
    """Share of all steps in which it rises from 0."""
    floor: float = Field(0.0, ge=0, le=1)
    """Where it ends, as a share of `learning_rate`."""


class TrainSettings(Frozen):
    """Settings of a train stage."""

    model: ModelSettings = Field(default_factory=CnnModel)
    """`{name: cnn, width: 16}`, one of lading's models, or `{file: net.py, factory: build}`, your own."""
    epochs: int | None = Field(None, ge=1)
    """Passes over the training split; or `max_steps`."""
    max_steps: int | None = Field(None, ge=1)
    """Steps of the optimizer; or `epochs`."""
    global_batch_size: int = Field(64, ge=1)
    """Samples of one step, over all processes together; the last, smaller batch of an epoch is left out."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """`sgd` has momentum 0.9."""
    learning_rate: float = Field(3e-3, gt=0, le=10)
    """The highest of the schedule."""
    weight_decay: float = Field(0.01, ge=0, le=1)
    """On matrices; biases, norms and tables of positions are left alone."""
    clip: float | None = Field(1.0, gt=0)
    """The largest norm of the whole gradient."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """How the learning rate moves."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of each target that is spread over all classes."""
    halt_weight: float = Field(0.1, ge=0)
    """Language models with a halt output: the weight of its loss."""
    precision: Literal["fp32", "bf16", "fp64"] = "fp32"
    """`bf16` is mixed; `fp64` is for proofs that two trainings are the same."""
    monitor: str = "loss"
    """A figure of the validation split (`loss`, `accuracy`, `bits_per_byte`): the best step by it is handed on."""
    mode: Literal["min", "max"] | None = None
    """Whether less or more of it is better; known by itself for figures of lading's own."""
    validate_every: int | None = Field(None, ge=1)
    """Steps between two looks at the validation split; by default once an epoch."""
    checkpoint_every: int = Field(200, ge=1)
    """Steps between two training states: what a disruption can cost."""
    seed: int = Field(7, ge=0)
    """Of weights, order and dropout."""

    @property
    def maximise(self) -> bool:
        """Whether more of the monitored figure is better."""
        return self.mode == "max" if self.mode else self.monitor == "accuracy"

    @model_validator(mode="after")
    def _ends(self) -> "TrainSettings":
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError("give either `epochs` or `max_steps`" + (", not both" if self.epochs else ", so that the training ends"))
        return self
