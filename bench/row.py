"""One figure of a benchmark, and whether it keeps its bound."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """What was measured, against what, and the bound.

    With `theirs`, the bound is on the ratio of the best of each: noise only ever adds. Without, it is on the best of `ours`
    itself. The median is shown beside, so that a lucky best is seen.
    """

    what: str
    bound: float | None
    """None: the figure is shown, and nothing is promised."""
    ours: tuple[float, ...] = ()
    against: str = ""
    theirs: tuple[float, ...] = ()
    unit: str = "s"
    left_out: str = ""
    """Why there is no figure."""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> float | None:
        return self._figure(min)

    @property
    def median(self) -> float | None:
        return self._figure(statistics.median)

    @property
    def met(self) -> bool | None:
        return None if self.best is None or self.bound is None else self.best <= self.bound

    def _figure(self, of: Callable[..., float]) -> float | None:
        if not self.ours or (self.against and not self.theirs):
            return None
        return of(self.ours) / of(self.theirs) if self.theirs else of(self.ours)

    def to_data(self) -> dict[str, Any]:
        return asdict(self) | {"best": self.best, "median": self.median, "met": self.met}


def seconds(act: Callable[[], object]) -> float:
    """The wall time of one call."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def side_by_side(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Wall times of both, taken in turns, so that whatever else the machine does meets both alike."""
    mine, other = [], []
    for number in range(rounds):
        pair = [(mine, ours), (other, theirs)]
        for times, act in pair if number % 2 else reversed(pair):
            times.append(seconds(act))
    return tuple(mine), tuple(other)
