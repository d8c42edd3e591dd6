"""When to train again: what a pipeline's `retrain:` may say."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from lading.config.duration import PATTERN, seconds_of
from lading.config.settings.promote import Name
from lading.errors import ConfigError
from lading.frozen import Frozen

_NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"

Duration = Annotated[
    float,
    BeforeValidator(seconds_of, json_schema_input_type=Annotated[str, Field(pattern=PATTERN)] | float),
    Field(gt=0, le=10 * 365 * 86400),
]


class TimeTrigger(Frozen):
    """Due when the data of the model in use, and of the last success, is older than this."""

    every: Duration
    """`24h`, `7d`; seconds where no unit is written."""
    stage: str = "data"
    """The stage whose settings get the tick, so that the data is taken anew and nothing behind it is a hit."""


class VolumeTrigger(Frozen):
    """Due when a stage's outside data has grown since what the model in use, or the last success, was made of."""

    stage: str = "data"
    """The stage that reads the data."""
    grows_by: float | None = Field(None, gt=0)
    """Share of the bytes that were there: 0.1 is ten percent more."""
    grows_by_bytes: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one(self) -> "VolumeTrigger":
        if self.grows_by is None and self.grows_by_bytes is None:
            raise ValueError("a volume trigger needs grows_by (0.1 is ten percent) or grows_by_bytes")
        return self


class Champion(Frozen):
    """Which model in use the triggers compare with."""

    model: Name | None = None
    """By default the pipeline's name."""
    alias: Name = "production"


class Retrain(Frozen):
    """The whole of `retrain:`."""

    check: str | None = Field(None, pattern=_NAME)
    """The name under which decisions are kept; by default the pipeline's. Runs of one check wait for each other."""
    schedule: str | None = None
    """When a cluster looks, as cron writes it; read by the chart alone."""
    time: TimeTrigger | None = None
    volume: VolumeTrigger | None = None
    champion: Champion | None = None
    """By default what the pipeline's promote stage promotes to; without one, the pipeline's name and production."""
    cooldown: Duration = 3600.0
    """How long nothing is launched after a run of this check failed."""

    @model_validator(mode="after")
    def _some(self) -> "Retrain":
        if self.time is None and self.volume is None:
            raise ValueError("it needs a trigger: time: {every: 24h}, or volume: {grows_by: 0.1}")
        return self

    def misnamed(self, stages: Collection[str]) -> dict[str, str]:
        """Trigger to the stage that it names, where the pipeline has none of that name."""
        triggers = {"time": self.time, "volume": self.volume}
        return {name: trigger.stage for name, trigger in triggers.items() if trigger is not None and trigger.stage not in stages}


def parse(retrain: Mapping[str, Any]) -> Retrain:
    """A loaded pipeline's `retrain:` as a model.

    Raises:
        ConfigError: what is wrong with it, all at once; the loader has said the same with lines.
    """
    try:
        return Retrain.model_validate(dict(retrain))
    except ValidationError as error:
        wrong = [f"retrain{''.join(f'.{part}' for part in e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
        raise ConfigError(wrong, do="lading schema pipeline shows what `retrain:` may hold") from error
