"""How a run is shown while it goes on: bars on a terminal, a table that changes in a notebook, a line for each change elsewhere."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape
from importlib import import_module
from typing import Any, Protocol, TextIO

from lading.cli.output import clean, colours, gates, number, pad, state
from lading.config.commands import follow_up
from lading.report.words import duration

HIDDEN = {"pending"}
NAME = 16
"""Columns of a stage's name."""


class View(Protocol):
    """One way to show it."""

    def update(self, record: dict[str, Any]) -> None:
        """Shows the run as it is now."""

    def close(self) -> None:
        """Leaves what is shown as it should stay."""


class Reasons:
    """What running stages wait for, or why they are tried again: said once for each attempt, however the words of a cluster change to and
    fro; a figure that moves is no news."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._told: set[tuple[str, Any, str]] = set()

    def news(self, name: str, stage: dict[str, Any]) -> str:
        """What is new about a stage; empty where nothing is."""
        reason = str(stage.get("reason") or "") if stage.get("state") == "running" else ""
        if self._seen.get(name, "") == reason:
            return ""
        self._seen[name] = reason
        said = (name, stage.get("attempt"), re.sub(r"[0-9.]+", "", reason))
        if not reason or said in self._told:
            return ""
        self._told.add(said)
        return clean(" ".join(reason.split()))


class Lines:
    """A line for each stage whose state changed or that waits; nothing moves, so logs of CI stay readable."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._known: dict[str, str] = {}
        self._reasons = Reasons()

    def update(self, record: dict[str, Any]) -> None:
        """Writes what changed since the last call."""
        for name, stage in record["stages"].items():
            word, news = str(stage.get("state") or "pending"), self._reasons.news(name, stage)
            if word in HIDDEN or (self._known.get(name) == word and not news):
                continue
            self._known[name] = word
            seconds = duration(stage.get("seconds")) if word not in {"running", "hit"} else ""
            told = "  ".join(part for part in (seconds, gates(stage.get("gates") or ()), news) if part)
            line = f"{datetime.now(UTC):%H:%M:%S}  {clean(name):<{NAME}}  {pad(state(word), 13)}  {told}".rstrip()
            self._stream.write((line if colours(self._stream) else clean(line)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is left to do."""


class Bars:
    """A bar for each stage that runs: percent, time to go, its main metric; what has ended stays above as lines."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(file=stream, highlight=False)
        self._progress = Progress(
            TextColumn("[blue]▸[/] {task.description}"),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="green", pulse_style="blue"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[percent]:>5}  {task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._reasons = Reasons()
        self._ended: set[str] = set()
        self._progress.start()

    def update(self, record: dict[str, Any]) -> None:
        """Moves the bars."""
        from rich.markup import escape
        from rich.text import Text

        for name, stage in record["stages"].items():
            word = str(stage.get("state") or "pending")
            if news := self._reasons.news(name, stage):
                self._progress.console.print(Text.from_ansi(f"{pad(state(word), 13)} {clean(name):<{NAME}} {news}"))
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
    """Time to go and the main metric; else what the stage waits for."""
    parts = []
    if stage.get("eta_s") is not None:
        parts.append(f"{duration(stage['eta_s'])} to go")
    metrics = {name: value for name, value in (stage.get("metrics") or {}).items() if value is not None}
    if metrics:
        name = next((one for one in metrics if "accuracy" in one), next((one for one in metrics if "loss" in one), next(iter(metrics))))
        parts.append(f"{name} {number(metrics[name])}")
    if not parts and stage.get("reason"):
        parts.append(" ".join(str(stage["reason"]).split()))
    return clean("  ".join(parts))[:60]


class Cell:
    """In a notebook: one output below the cell, which changes with the run."""

    BAR = 24

    def __init__(self) -> None:
        display: Any = import_module("IPython.display").display
        self._text = ""
        self._handle = display(self._bundle(), raw=True, display_id=True)

    def update(self, record: dict[str, Any]) -> None:
        """Shows the run as it is now, where that differs from what is shown."""
        lines = [self._line(name, stage) for name, stage in record["stages"].items()]
        if (text := "\n".join([f"{record.get('pipeline') or ''}  {record['run']}", *lines])) != self._text:
            self._text = text
            self._handle.update(self._bundle(), raw=True)

    def _line(self, name: str, stage: dict[str, Any]) -> str:
        word = str(stage.get("state") or "pending")
        if word == "running":
            percent = min(100.0, max(0.0, float(stage.get("percent") or 0)))
            full = round(self.BAR * percent / 100)
            told = f"{'█' * full}{'░' * (self.BAR - full)} {percent:3.0f} %  {note(stage)}"
        else:
            told = f"{duration(stage.get('seconds')) if word != 'hit' else '':>9}  {gates(stage.get('gates') or ())}"
        return clean(f"{pad(state(word), 13)} {clean(name):<{NAME}} {told}").rstrip()

    def _bundle(self) -> dict[str, str]:
        return {"text/plain": self._text, "text/html": f"<pre style='line-height:1.35'>{escape(self._text)}</pre>"}

    def close(self) -> None:
        """It stays: it says how the run ended."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class Show:
    """Chooses how to show, when the first sight of the run comes: a run of hits alone is over before anything is imported.

    What can't be shown is no reason to end a run: a display that fails (nobody reads it any more, its disk is full) is dropped, with a word
    on stderr, and the run goes on.

    Args:
        stream: where to; by default stdout.
        lines: never anything that moves.
        store: of the run, for the command that looks at it when it is not shown any more.
    """

    def __init__(self, *, stream: TextIO | None = None, lines: bool = False, store: str) -> None:
        self._stream, self._lines, self._store = stream or sys.stdout, lines, store
        self._shown: View | None = None
        self._dropped = False

    def update(self, record: dict[str, Any]) -> None:
        """Shows the run as it is now."""
        self._safely(lambda: self._view().update(record), str(record.get("run") or "RUN"))

    def _view(self) -> View:
        if self._shown is None:
            self._shown = self._chosen()
        return self._shown

    def _chosen(self) -> View:
        if self._lines:
            return Lines(self._stream)
        if in_notebook():
            return Cell()
        return Bars(self._stream) if self._stream.isatty() and colours(self._stream) else Lines(self._stream)

    def finish(self, record: dict[str, Any]) -> None:
        """Shows the last changes, where anything was shown before."""
        if self._shown is not None:
            self.update(record)

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self._shown is not None:
            self._safely(self._shown.close, "RUN")

    @contextlib.contextmanager
    def last_word(self, run: str) -> Iterator[None]:
        """While the end is told: where nobody reads it, and that was not noticed before, it is told how to look."""
        try:
            yield
        except BrokenPipeError as error:
            if not self._dropped:
                self._drop(error, run, "the run has ended")
            raise

    @property
    def began(self) -> bool:
        """Whether anything was shown."""
        return self._shown is not None

    def _safely(self, act: Callable[[], None], run: str) -> None:
        if self._dropped:
            return
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever a display does, the run is worth more
            self._drop(error, run, "the run goes on")

    def _drop(self, error: Exception, run: str, but: str) -> None:
        self._dropped = True
        why = "nobody reads it any more" if isinstance(error, BrokenPipeError) else f"{type(error).__name__}: {error}"
        with contextlib.suppress(Exception):
            sys.stderr.write(f"what the run does is not shown any more ({why}); {but}: {follow_up(self._store, 'status', run)}\n")
            sys.stderr.flush()
