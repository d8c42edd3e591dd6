"""Runs that are asked for wrongly: what a user reads."""

from pathlib import Path
from typing import Any

import pytest

from lading.backends.local import LocalBackend
from lading.config.loader import from_data
from lading.errors import UserError
from lading.launch.record import RunRecord
from lading.launch.run import launch
from lading.plan.selection import Selection
from lading.store.opening import open_store

STAGES = {name: {"kind": "script", "settings": {"command": ["true"]}} for name in ("a", "b")}


def run(place: Path, run_id: str, stages: dict[str, Any] | None = None, **asked: Any) -> RunRecord:
    """A run to its end, on a store in `place`."""
    store = open_store(str(place / "store"))
    backend = LocalBackend(store.uri)
    try:
        return launch(
            from_data({"pipeline": "p", "stages": stages or STAGES}, folder=place),
            store,
            backend,
            run=run_id,
            selection=Selection.of(**asked),
        )
    finally:
        backend.close()


@pytest.mark.parametrize("run_id", ["bad id", "../up", "a/b", "last", "-x", "x" * 101, "x\n"])
def test_an_id_that_names_no_folder_is_refused(tmp_path: Path, run_id: str) -> None:
    """Spaces, paths, options and the word `last` can't be a run's id; nothing is written for it."""
    with pytest.raises(UserError, match="can't be a run's id"):
        run(tmp_path, run_id)
    assert not list(open_store(str(tmp_path / "store")).list("runs/"))


def test_a_run_goes_on_as_it_was_begun_or_not_at_all(tmp_path: Path) -> None:
    """The same id with other --force, --only or --until, or with another pipeline, is refused, also when the run has ended."""
    first = run(tmp_path, "r1", only=["a"])
    assert list(first.stages) == ["a"]
    assert first == run(tmp_path, "r1", only=["a"])
    for asked in ({}, {"only": ["b"]}, {"only": ["a"], "force": ["a"]}, {"only": ["a"], "until": "a"}):
        with pytest.raises(UserError, match="run r1 was begun with") as refused:
            run(tmp_path, "r1", **asked)
        assert "leave out --run" in refused.value.do
    with pytest.raises(UserError, match="was begun with --only a, and"):
        run(tmp_path, "r1")
    with pytest.raises(UserError, match="another pipeline"):
        run(tmp_path, "r1", stages={"a": STAGES["a"]}, only=["a"])
