"""stdout and stderr as a terminal, a pipe or a log gives them: some show few characters, some are not there at all."""

import codecs
import io
import os
import sys
from pathlib import Path
from typing import TextIO

SHOWN_AS = str.maketrans(
    {"●": "*", "○": "o", "…": "...", "▸": ">", "‖": "=", "✓": "+", "✗": "x", "■": "#", "·": ".", "→": "->", "–": "-", "—": "-", "±": "+-"}
    | {"≥": ">=", "≤": "<=", "×": "x", "█": "#", "░": "."}
)
"""Ours, where a stream can't show them; each is beside a word that says the same."""
HANDLER = "lading.shown_as"


def make_ready() -> None:
    """Nothing that is said ends a command because a stream can't show it, or is closed."""
    codecs.register_error(HANDLER, _shown_as)
    if sys.stdout is None:  # `>&-`
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not shows_all(stream):
            stream.reconfigure(errors=HANDLER)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def shows_all(stream: object) -> bool:
    """Whether a stream can show every character."""
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf-")
    except LookupError:
        return False


def _shown_as(error: UnicodeError) -> tuple[str, int]:
    """Our own marks by others, what else there is as a question mark."""
    assert isinstance(error, UnicodeEncodeError)
    told = error.object[error.start : error.end].translate(SHOWN_AS)
    return told.encode("ascii", "replace").decode(), error.end
