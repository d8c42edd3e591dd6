"""How a run that goes on is shown where nothing moves: a launcher's log in a cluster, and CI."""

import io
from typing import Any

from lading.cli.live import Bars, Lines


def record(state: str, reason: str = "", **more: Any) -> dict[str, Any]:
    """A run with one stage."""
    return {"run": "r1", "stages": {"big": {"state": state, "reason": reason, **more}}}


SEEN = [
    record("pending"),
    record("running"),
    record("running", "Pending: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu"),
    record("running", "Pending: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu"),
    record("running", "tries again in 9 s: the store could not be reached"),
    record("running", "tries again in 8 s: the store could not be reached"),
    record("running", "Pending: 0/4 nodes are available: 4 Insufficient nvidia.com/gpu"),
    record("running"),
    record("succeeded", seconds=2.0),
]


def test_what_a_stage_waits_for_is_a_line(monkeypatch: Any) -> None:
    """Why nothing happens is told once, as it becomes known; a countdown in it, or a word that comes back, is no news."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    view = Lines(stream)
    for one in SEEN:
        view.update(one)
    lines = [line.split("  ", 1)[1] for line in stream.getvalue().splitlines()]
    assert len(lines) == 4, lines
    assert lines[0].split() == ["big", "▸", "running"]
    assert lines[1].endswith("Pending: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu")
    assert lines[2].endswith("tries again in 9 s: the store could not be reached")
    assert "succeeded" in lines[3]


def test_bars_say_it_too() -> None:
    """On a terminal it stands above the bars, in full."""
    stream = io.StringIO()
    view = Bars(stream)
    for one in SEEN:
        view.update(one)
    view.close()
    assert " ".join(stream.getvalue().split()).count("Insufficient nvidia.com/gpu") == 1
