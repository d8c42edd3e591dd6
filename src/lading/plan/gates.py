"""Judges gates from measurements: pure, so moving a bound never runs a stage again."""

import difflib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from lading.config.gate import Gate, Level, parse_bound

State = Literal["pass", "warn", "fail"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One bound, and whether it holds."""

    measurement: str
    level: Level
    bound: str
    value: float | None
    """None where the stage did not measure it, or measured what is no number: no bound holds then."""
    ok: bool
    note: str = ""
    """Why there is no value, where the stage did not measure it."""


def judge(gates: Mapping[str, Gate], measurements: Mapping[str, float | None]) -> list[Judged]:
    """Every bound of every gate, in the order in which they are written."""
    return [
        Judged(name, level, bound, value := measurements.get(name), value is not None and _holds(bound, value), _absent(name, measurements))
        for name, gate in gates.items()
        for level, bound in gate.bounds().items()
    ]


def state(judged: list[Judged]) -> State:
    """`fail` if a `must` does not hold, `warn` if a `should` does not; a `nice` is only shown."""
    broken = {one.level for one in judged if not one.ok}
    return "fail" if "must" in broken else "warn" if "should" in broken else "pass"


def _absent(name: str, measurements: Mapping[str, float | None]) -> str:
    """That it was not measured, and what perhaps was meant; nothing where it was."""
    if name in measurements:
        return ""
    close = difflib.get_close_matches(name, measurements, n=1)
    return f"was not measured; did you mean {close[0]}?" if close else "was not measured"


def _holds(bound: str, value: float) -> bool:
    sign, number = parse_bound(bound)
    return _OPERATORS[sign](value, number)
