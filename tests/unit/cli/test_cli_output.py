"""How the terminal shows numbers, times, tables and gates."""

from datetime import UTC, datetime

import pytest

from lading.cli import output
from lading.report import words


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, ""), (0.04, "0.0 s"), (9.94, "9.9 s"), (61, "61 s"), (125, "2 min 5 s"), (7300, "2 h 1 min")]
)
def test_durations_read_well(seconds: float | None, expected: str) -> None:
    """Seconds, minutes, hours."""
    assert expected == words.duration(seconds)


@pytest.mark.parametrize(("value", "expected"), [(0.97512, "0.9751"), (3.0, "3"), (1e-9, "1e-09"), (None, "not a number"), (8554, "8554")])
def test_numbers_read_well(value: float | None, expected: str) -> None:
    """Four digits; whole numbers whole; null said."""
    assert expected == output.number(value)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000_000, "2.5 GB"), (5e15, "5000.0 TB")]
)
def test_sizes_read_well(count: float, expected: str) -> None:
    """Decimal units."""
    assert expected == words.size(count)


def test_ago_counts_from_now() -> None:
    """Seconds, minutes, hours, days; what is no time stays as it is."""
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)

    assert output.ago("2026-11-25T11:30:00+00:00", now=now) == "30 min ago"
    assert output.ago("2026-11-21T12:00:00Z", now=now) == "4 days ago"
    assert output.ago("never", now=now) == "never"


def test_a_table_wraps_its_last_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wider than the terminal, and nothing is cut off."""
    monkeypatch.setenv("COLUMNS", "60")
    words = "because " * 20

    shown = output.table(("stage", "why"), [("train", words)])
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.count("because") == 20


def test_the_worst_gate_speaks() -> None:
    """A must that fails goes before a should that is missed; when all hold, the first is shown."""
    must = {"measurement": "accuracy", "level": "must", "bound": ">= 0.97", "value": 0.9, "ok": False}
    should = must | {"level": "should", "measurement": "ece"}

    assert output.gates([should, must]) == "✗ accuracy 0.9, must be >= 0.97"
    assert output.gates([should]).startswith("! ece")
    assert output.gates([must | {"ok": True}]).startswith("✓ accuracy 0.9")
    assert output.gates([]) == ""
    assert output.gates([must | {"value": None, "note": "was not measured"}]) == "✗ accuracy was not measured"


def test_clean_takes_what_a_terminal_would_obey() -> None:
    """Escape sequences and control characters do not pass; text does."""
    assert output.clean("\x1b[31mred ä") == "red ä"
    assert "\x07" not in output.clean("a\x07\x9bb")
