"""What a launcher tells whoever watches it: one value a change."""

from dataclasses import dataclass

from lading.launch.record import StageRecord


@dataclass(frozen=True, slots=True)
class Event:
    """A stage's record changed."""

    run: str
    stage: str
    record: StageRecord
    """As it is now; `record.state`, `percent`, `eta_s`, `metrics` and `reason` are what a progress bar shows."""
