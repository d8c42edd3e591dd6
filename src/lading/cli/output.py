"""What the terminal shows: tables of 80 columns, colours where they are wanted, JSON as one document."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from lading.cli.streams import shows_all

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36"}
STATES: dict[str, tuple[str, str]] = {
    "hit": ("●", "cyan"),
    "miss": ("○", "yellow"),
    "waits": ("…", "dim"),
    "pending": ("…", "dim"),
    "running": ("▸", "blue"),
    "interrupted": ("‖", "yellow"),
    "succeeded": ("✓", "green"),
    "gate_failed": ("✗", "red"),
    "failed": ("✗", "red"),
    "skipped": ("-", "dim"),
    "cancelled": ("■", "yellow"),
    "pass": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "red"),
}
"""State to mark and colour; the word is always shown too, so that nothing rests on colour."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
MIN_WIDTH = 40


def clean(text: str) -> str:
    """Text from elsewhere without what a terminal would obey."""
    return _CONTROL.sub("�", _ANSI.sub("", text))


def colours(stream: TextIO) -> bool:
    """Whether a stream shows colours: a terminal, and the user has not said no (NO_COLOR)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def paint(text: str, *styles: str, stream: TextIO | None = None) -> str:
    """The text in a style, where the stream (stdout) shows styles."""
    codes = [STYLES[style] for style in styles if style]
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes and colours(stream or sys.stdout) else text


def state(word: str) -> str:
    """A state as its mark and its word."""
    mark, style = STATES.get(word, ("·", ""))
    return paint(f"{mark} {word.replace('_', ' ')}", style)


def width() -> int:
    """Columns to fill: the terminal's, 80 where there is none, never more than reads well."""
    return max(MIN_WIDTH, min(shutil.get_terminal_size((80, 24)).columns, 120))


def visible(text: str) -> int:
    """Columns that a text takes."""
    return len(_ANSI.sub("", text))


def say(text: str = "", *, end: str = "\n") -> None:
    """Writes to stdout."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def complain(message: str, *, do: str = "") -> None:
    """Writes an error to stderr: each problem on its own line, then what to do."""
    lines = clean_lines(message)
    mark = paint("error", "bold", "red", stream=sys.stderr)
    sys.stderr.write(f"{mark}  {lines[0]}\n" + "".join(f"       {line}\n" for line in lines[1:]))
    for line in clean_lines(do) if do else ():
        sys.stderr.write(f"  {paint('do', 'bold', stream=sys.stderr)}   {line}\n")
    sys.stderr.flush()


def clean_lines(text: str) -> list[str]:
    """The lines of a text from elsewhere, each safe to show; at least one."""
    return [clean(line) for line in text.splitlines()] or [""]


def print_json(value: Any) -> None:
    """Writes one JSON document to stdout; characters that it can't show are escaped."""
    json.dump(value, sys.stdout, indent=2, sort_keys=False, ensure_ascii=not shows_all(sys.stdout), default=str)
    sys.stdout.write("\n")
    sys.stdout.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """A table within the terminal's width: the last column wraps under itself, the others are as wide as they must be."""
    cells = [[str(cell) for cell in row] for row in rows]
    numeric = set(right)
    last = len(head) - 1
    widths = [max([len(head[i]), *(visible(row[i]) for row in cells)]) for i in range(last)]
    indent = sum(widths) + 2 * last
    room = max(20, width() - indent)
    lines = [paint("  ".join([*(pad(head[i].upper(), widths[i], i in numeric) for i in range(last)), head[last].upper()]), "dim")]
    for row in cells:
        first, *others = wrap(row[last], room) or [""]
        lines.append("  ".join([*(pad(row[i], widths[i], i in numeric) for i in range(last)), first]).rstrip())
        lines.extend(" " * indent + other for other in others)
    return "\n".join(lines)


def pad(text: str, size: int, right: bool = False) -> str:
    """The text in so many columns, styles not counted."""
    space = " " * (size - visible(text))
    return space + text if right else text + space


def wrap(text: str, room: int) -> list[str]:
    """The text in lines of at most `room` columns; a styled text, whose width can't be cut, stays whole."""
    if visible(text) <= room or "\x1b" in text:
        return text.splitlines()
    import textwrap

    return [line for part in text.splitlines() for line in textwrap.wrap(part, room, break_on_hyphens=False)]


def short(key: str | None, size: int = 10) -> str:
    """The beginning of a key or digest."""
    return (key or "")[:size]


def number(value: float | None) -> str:
    """A measurement: four significant digits, whole numbers whole."""
    if value is None:
        return "not a number"
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"


def ago(moment: str, *, now: datetime | None = None) -> str:
    """An ISO-8601 time as how long ago it was."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    seconds = ((now or datetime.now(UTC)) - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds()
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (129600, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) / unit:.0f} {name} ago"
    return f"{seconds / 86400:.0f} days ago"


def gates(judged: Iterable[Mapping[str, Any]]) -> str:
    """The gates of a stage in one cell: the first that does not hold speaks, otherwise how many hold."""
    rows = list(judged)
    if not rows:
        return ""
    broken = [row for row in rows if not row["ok"] and row["level"] != "nice"]
    if not broken:
        first = rows[0]
        more = len({row["measurement"] for row in rows}) - 1
        return paint("✓", "green") + f" {first['measurement']} {number(first['value'])}" + (f" and {more} more" if more else "")
    worst = next((row for row in broken if row["level"] == "must"), broken[0])
    mark = paint("✗", "red") if worst["level"] == "must" else paint("!", "yellow")
    if worst.get("note"):
        return f"{mark} {worst['measurement']} {worst['note']}"
    return f"{mark} {worst['measurement']} {number(worst['value'])}, {worst['level']} be {worst['bound']}"
