"""What a person is told to type next: commands that find the store that the one before used."""

import os
import re
import shlex
from collections.abc import Mapping

from lading.config.location import store_uri

_VERBS = (
    "cancel champion compare debug doctor gc logs plan promote pull render report resolve run runner runners runs show status submit verify"
)
_COMMAND = re.compile(rf"\blading (?:retrain (?:check|history)|{'|'.join(_VERBS.split())})(?![\w-])(?![^;,`\n]*--store)")
"""The beginning of a command that takes --store, in prose, where it does not name one."""


def option(store: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What a command must say so that it finds a store: nothing where LADING_STORE or the default folder leads to it."""
    found = store_uri(None, None, os.environ if environ is None else environ)
    return [] if _same(found) == _same(store) else ["--store", store]


def _same(uri: str) -> str:
    """One spelling for each store."""
    return uri.rstrip("/") if "://" in uri else os.path.realpath(uri)


def follow_up(store: str, *words: str) -> str:
    """A command to type next in the shell of the one that says it."""
    return shlex.join(["lading", *words, *option(store)])


def anywhere(store: str, *words: str) -> str:
    """A command that may be typed in another shell or on another machine, whose LADING_STORE and folder nobody knows."""
    return shlex.join(["lading", *words, "--store", store])


def completed(text: str, store: str, *, elsewhere: bool = False) -> str:
    """A hint in which commands are named, each so that it finds the store.

    Where a command ends can't be told from prose, so the option stands behind its verb. Documents of a store, and errors of what does not
    know how its store was chosen, leave it to whoever shows them; `elsewhere` is for a page, which is read in another shell.
    """
    said = shlex.join(["--store", store] if elsewhere else option(store))
    return _COMMAND.sub(lambda command: f"{command[0]} {said}", text) if said else text


def hinted(cause: str, store: str, *, elsewhere: bool = False) -> str:
    """The same of a cause: a sentence, which may be anybody's words, and below it hints of lading's, set in by two blanks."""
    first, *more = cause.split("\n")
    return "\n".join([first, *(completed(line, store, elsewhere=elsewhere) if line.startswith("  ") else line for line in more)])
