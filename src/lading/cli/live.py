"""How a run is shown while it goes on: bars on a terminal, a line for each change elsewhere."""

import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from lading.cli.output import clean, colours, duration, gates, number, pad, state

HIDDEN = {"pending"}
NAME = 16
"""Columns of a stage's name."""


class Lines:
    """A line for each stage whose state changed; nothing moves, so logs of CI stay readable."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._known: dict[str, str] = {}

    def update(self, record: dict[str, Any]) -> None:
        """Writes what changed since the last call."""
        for name, stage in record["stages"].items():
            word = str(stage.get("state") or "pending")
            if word in HIDDEN or self._known.get(name) == word:
                continue
            self._known[name] = word
            seconds = duration(stage.get("seconds")) if word not in {"running", "hit"} else ""
            told = "  ".join(part for part in (seconds, gates(stage.get("gates") or ())) if part)
            self._stream.write(f"{datetime.now(UTC):%H:%M:%S}  {clean(name):<{NAME}}  {pad(state(word), 13)}  {told}".rstrip() + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is left to do."""


class Bars:
    """A bar for each stage that runs: percent, time to go, its main metric; what has ended stays above as lines."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(highlight=False)
        self._progress = Progress(
            TextColumn("[blue]▸[/] {task.description}"),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="green", pulse_style="blue"),
            TextColumn("{task.fields[percent]:>5}  {task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._ended: set[str] = set()
        self._progress.start()

    def update(self, record: dict[str, Any]) -> None:
        """Moves the bars."""
        from rich.markup import escape
        from rich.text import Text

        for name, stage in record["stages"].items():
            word = str(stage.get("state") or "pending")
            if word == "running":
                percent = stage.get("percent")
                if name not in self._tasks:
                    self._tasks[name] = self._progress.add_task(f"{escape(clean(name)):<{NAME}}", total=None, percent="", note="")
                shown = "" if percent is None else f"{percent:.0f} %"
                self._progress.update(
                    self._tasks[name], total=None if percent is None else 100, completed=percent or 0, percent=shown, note=note(stage)
                )
            elif word not in HIDDEN and name not in self._ended:
                self._ended.add(name)
                if name in self._tasks:
                    self._progress.remove_task(self._tasks.pop(name))
                seconds = duration(stage.get("seconds")) if word != "hit" else ""
                self._progress.console.print(
                    Text.from_ansi(f"{pad(state(word), 13)} {clean(name):<{NAME}} {seconds:>9}  {gates(stage.get('gates') or ())}".rstrip())
                )

    def close(self) -> None:
        """Takes the bars away."""
        self._progress.stop()


def note(stage: dict[str, Any]) -> str:
    """Time to go, the main metric, and what the stage waits for."""
    parts = []
    if stage.get("eta_s") is not None:
        parts.append(f"{duration(stage['eta_s'])} to go")
    metrics = {name: value for name, value in (stage.get("metrics") or {}).items() if value is not None}
    if metrics:
        name = next((one for one in metrics if "accuracy" in one), next((one for one in metrics if "loss" in one), next(iter(metrics))))
        parts.append(f"{name} {number(metrics[name])}")
    if stage.get("note"):
        parts.append(str(stage["note"]))
    return clean("  ".join(parts))[:60]


class Show:
    """Chooses how to show, when the first sight of the run comes: a run of hits alone is over before anything is imported."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._shown: Lines | Bars | None = None

    def update(self, record: dict[str, Any]) -> None:
        """Shows the run as it is now."""
        if self._shown is None:
            lines = self._as_json or not sys.stdout.isatty() or not colours(sys.stdout)
            self._shown = Lines(sys.stderr if self._as_json else sys.stdout) if lines else Bars()
        self._shown.update(record)

    def finish(self, record: dict[str, Any]) -> None:
        """Shows the last changes, where anything was shown before."""
        if self._shown is not None:
            self._shown.update(record)

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self._shown is not None:
            self._shown.close()

    @property
    def began(self) -> bool:
        """Whether anything was shown."""
        return self._shown is not None
