"""A gate: a bound on a measurement, as a user writes it and as the launcher judges it."""

import re
from typing import Any, Literal

from pydantic import model_validator

from lading.frozen import Frozen

Level = Literal["must", "should", "nice"]
LEVELS: tuple[Level, ...] = ("must", "should", "nice")
_BOUND = re.compile(r"^\s*(>=|<=|>|<|==)\s*([-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?)\s*$")


class Gate(Frozen):
    """`">= 0.97"` must hold; `{must: ..., should: ..., nice: ...}` gives pass, warn, fail."""

    must: str | None = None
    should: str | None = None
    nice: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"must": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _bounds(self) -> "Gate":
        if not any(self.bounds()):
            raise ValueError('a gate needs a bound, such as ">= 0.97" or {must: ">= 0.95", should: ">= 0.97"}')
        for bound in self.bounds().values():
            parse_bound(bound)
        return self

    def bounds(self) -> dict[Level, str]:
        """The levels that are set, in the order must, should, nice."""
        return {level: bound for level in LEVELS if (bound := getattr(self, level)) is not None}


def parse_bound(text: str) -> tuple[str, float]:
    """A bound as operator and number.

    Raises:
        ValueError: it is not one of >=, <=, >, <, == and a number.
    """
    match = _BOUND.match(text)
    if match is None:
        raise ValueError(f'{text!r} is not a bound; write an operator and a number, such as ">= 0.97"')
    return match[1], float(match[2])
