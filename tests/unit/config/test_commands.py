"""What is told to be typed next names the store where it must, and is what a shell takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

import lading
from lading.cli import app
from lading.config.commands import anywhere, completed, follow_up


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell that names no store, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    return tmp_path


def test_nothing_is_said_of_a_store_that_is_found_anyway(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default folder, and LADING_STORE however it is spelled; any other is named, quoted."""
    assert follow_up(str(folder / ".lading"), "status", "r") == "lading status r"
    assert follow_up("s3://b/p", "status", "r") == "lading status r --store s3://b/p"
    assert follow_up("/my store", "logs", "r", "a", "-f") == "lading logs r a -f --store '/my store'"
    monkeypatch.setenv("LADING_STORE", "s3://b/p/")
    assert follow_up("s3://b/p", "status", "r") == "lading status r"
    assert follow_up(str(folder / ".lading"), "status", "r").endswith(f" --store {folder / '.lading'}")
    (folder / "link").symlink_to(folder)
    monkeypatch.setenv("LADING_STORE", "link/here")
    assert follow_up(str(folder / "here"), "status", "r") == "lading status r"
    assert anywhere(str(folder / "here"), "runner").endswith(f" --store {folder / 'here'}")


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("lading doctor", "lading doctor --store s3://b"),
        ("lading status RUN; lading logs RUN STAGE", "lading status --store s3://b RUN; lading logs --store s3://b RUN STAGE"),
        ("run it, or `lading gc` makes room", "run it, or `lading gc --store s3://b` makes room"),
        ("lading retrain check FILE makes one", "lading retrain check --store s3://b FILE makes one"),
        ("lading status r --store s3://x; lading runs lists all", "lading status r --store s3://x; lading runs --store s3://b lists all"),
        ("lading runner --store s3://x --platform any", "lading runner --store s3://x --platform any"),
        ("lading explain 3, lading init FILE", "lading explain 3, lading init FILE"),
        ("a new lading, or lading running", "a new lading, or lading running"),
    ],
)
def test_commands_in_a_hint(hint: str, expected: str) -> None:
    """Each that takes --store and has none gets one, where a shell takes it; prose stays."""
    assert completed(hint, "s3://b") == expected


def test_every_command_with_the_option_is_known() -> None:
    """A verb that takes --store gets it in a hint, one that does not stays as it is."""
    group: Any = typer.main.get_command(app.app)
    for verb in group.list_commands(None):
        command = group.get_command(None, verb)
        inner = {f"{verb} {name}": one for name, one in getattr(command, "commands", {}).items()} or {verb: command}
        for words, one in inner.items():
            takes = any("--store" in parameter.opts for parameter in one.params)
            assert completed(f"lading {words}", "s3://b") == f"lading {words}" + (" --store s3://b" if takes else ""), words


RAW = re.compile(r"lading (?:retrain )?[a-z]+ [^\"`;]*\{[^}]*(?:run|found)")
"""A command that is put together by hand with the id of a run, which is known where the store is known, too."""


def test_nobody_puts_a_command_together_by_hand() -> None:
    """What names a run names its store as well: by follow_up or anywhere; a hint of a document is completed where it is shown."""
    source = Path(lading.__file__).parent
    lines = [(path, line) for path in source.rglob("*.py") for line in path.read_text().splitlines() if RAW.search(line)]
    mended = ("completed(", "hinted(", ".replace(")
    by_hand = [f"{path.relative_to(source)}: {line.strip()}" for path, line in lines if not any(word in line for word in mended)]
    assert [line for line in by_hand if not line.startswith("launch/promotion.py")] == []
