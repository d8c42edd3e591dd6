"""How a page writes numbers, sizes, times and states."""

import re
from datetime import datetime
from typing import Any

_DIGEST = re.compile(r"^[0-9a-f]{64}$")


def number(value: Any) -> str:
    """A value in a table: numbers with five significant digits, the rest as it is."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.5g}"
    if isinstance(value, list | dict):
        return ", ".join(map(number, value)) or "none"
    return str(value)


def cell(value: Any) -> str:
    """A value in a table of evidence: digests and long texts by their beginning."""
    text = number(value)
    if _DIGEST.match(text):
        return text[:16] + "…"
    return text if len(text) <= 80 else text[:79] + "…"


def size(count: float) -> str:
    """Bytes for a person."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: Any) -> str:
    """Seconds for a person."""
    if not isinstance(seconds, int | float):
        return ""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def word(state: Any) -> str:
    """A state as words."""
    return str(state or "running").replace("_", " ")


def moment(text: Any) -> str:
    """An ISO-8601 time to the second; what is none, as it is."""
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return str(text or "")
