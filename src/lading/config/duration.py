"""Spans of time as people write them: `30m`, `24h`, `7d`, `2w`."""

import re
from typing import Any

PATTERN = r"^(\d+(?:\.\d+)?)\s*(s|m|h|d|w)$"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds_of(value: Any) -> Any:
    """What is written as text in seconds; numbers are seconds already.

    Raises:
        ValueError: it is text, and no such duration.
    """
    if not isinstance(value, str):
        return value
    match = re.match(PATTERN, value.strip())
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write one such as 30m, 24h, 7d or 2w")
    return float(match[1]) * _SECONDS[match[2]]
