"""Triggers: each says of the facts whether it is due, and why; pure. A new one is a function and a line in the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from lading.config.retrain import Retrain
from lading.frozen import Frozen

SLACK = 0.05
MAX_SLACK_S = 900.0
"""So much early counts as due: a schedule of 24 h fires a few seconds less than 24 h after a decision, every other time."""
NONE_YET = "no model is in use, and no run of this check has succeeded yet"
RunState = Literal["live", "succeeded", "failed", "gate_failed", "cancelled"]


class Volume(Frozen):
    """How much outside data a stage reads."""

    files: int
    bytes: int


class Fired(Frozen):
    """What one trigger says."""

    trigger: str
    due: bool
    why: str
    """A sentence for a person."""


class Past(Frozen):
    """A run that an earlier decision launched."""

    tick: str
    run: str
    decided: float
    """The store's time of the decision."""
    state: RunState
    ended: float | None = None
    """The store's time of the run's end."""
    volumes: dict[str, Volume] = Field(default_factory=dict)
    """What was there when it was decided."""


class Seen(Frozen):
    """What a model was made from, that of the last success or the one in use."""

    who: str
    """As a sentence names it."""
    run: str
    at: float
    """The store's time at which its data was taken, or at the earliest could have been."""
    volumes: dict[str, Volume] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision rests on; every time is the store's own."""

    tick: str
    now: float
    last: Past | None = None
    """The newest launch of this check."""
    success: Past | None = None
    """The newest one that succeeded."""
    champion: Seen | None = None
    """The model in use."""
    beside: str | None = None
    """A run of this pipeline that goes on, and that this check did not launch."""
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    """Stage to what is there now."""

    def seen(self) -> list[Seen]:
        """What the next model is compared with, the newest data first: the model in use, and what this check trained since, which
        may not have been good enough to be put in use; of one run the check's own word counts, which knows when it was decided."""
        found = []
        if (own := self.success) is not None:
            found.append(Seen(who=f"the last success of this check (run {own.run})", run=own.run, at=own.decided, volumes=own.volumes))
        if self.champion is not None and (own is None or self.champion.run != own.run):
            found.append(self.champion)
        return sorted(found, key=lambda one: -one.at)


def by_time(retrain: Retrain, facts: Facts) -> Fired | None:
    """Due when the newest data that a model has seen was taken long enough ago."""
    if (trigger := retrain.time) is None:
        return None
    if not (seen := facts.seen()):
        return Fired(trigger="time", due=True, why=NONE_YET)
    age = max(0.0, facts.now - seen[0].at)
    due = age >= trigger.every - min(SLACK * trigger.every, MAX_SLACK_S)
    why = f"the data of {seen[0].who} is {_span(age)} old; the trigger is every {_span(trigger.every)}"
    return Fired(trigger="time", due=due, why=why)


def by_volume(retrain: Retrain, facts: Facts) -> Fired | None:
    """Due when the data has grown enough since what a model has seen of it."""
    if (trigger := retrain.volume) is None:
        return None
    now = facts.volumes.get(trigger.stage)
    if now is None:
        return Fired(trigger="volume", due=False, why=f"stage {trigger.stage} reads no outside data that can be measured")
    seen = next((one for one in facts.seen() if trigger.stage in one.volumes), None)
    if seen is None:
        nobody = "how much of it the model in use has seen is not known" if facts.seen() else NONE_YET
        return Fired(trigger="volume", due=True, why=f"{now.bytes} bytes are there; {nobody}")
    before = seen.volumes[trigger.stage]
    grown = now.bytes - before.bytes
    share = trigger.grows_by is not None and grown > 0 and grown >= trigger.grows_by * before.bytes
    absolute = trigger.grows_by_bytes is not None and grown >= trigger.grows_by_bytes
    asked = " or ".join(
        filter(
            None,
            [
                f"{trigger.grows_by:.0%}" if trigger.grows_by is not None else "",
                f"{trigger.grows_by_bytes} bytes" if trigger.grows_by_bytes is not None else "",
            ],
        )
    )
    return Fired(
        trigger="volume",
        due=share or absolute,
        why=f"the data of {trigger.stage} is {now.bytes} bytes, {grown:+d} since {seen.who}; the trigger is {asked} more",
    )


TRIGGERS: dict[str, Callable[[Retrain, Facts], Fired | None]] = {"time": by_time, "volume": by_volume}


def _span(seconds: float) -> str:
    """A duration as a person says it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
