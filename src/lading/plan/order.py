"""Which run began when: most ids begin with their time, those that the chart and retraining give do not."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from lading.store.base import Stat

_TIMED = re.compile(r"^(\d{8}T\d{6})Z")


def oldest_first(found: Iterable[Stat]) -> list[str]:
    """Runs by the time in their id, else by when the first of these documents of theirs was written.

    Args:
        found: what a LIST of `runs/` shows of plan.json or run.json.
    """
    began: dict[str, float] = {}
    for stat in found:
        run = stat.key.split("/")[1]
        began[run] = min(began.get(run, float("inf")), _named(run) or stat.modified)
    return sorted(began, key=lambda run: (began[run], run))


def _named(run: str) -> float | None:
    """The time that an id begins with."""
    if match := _TIMED.match(run):
        try:
            return datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None
    return None
