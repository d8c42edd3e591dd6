"""A run that is taken up again: with the pipeline, and the data, that it was begun with."""

import json
from pathlib import Path

import pytest

from lading.config.loader import from_data
from lading.config.pipeline import Pipeline
from lading.errors import UserError
from lading.launch.context import Context
from lading.launch.run import begin
from support.memory_store import MemoryStore


def pipeline(folder: Path, seed: int = 7) -> Pipeline:
    """One that reads a file of the user's."""
    settings = {"source": "npz", "path": "data.npz", "seed": seed}
    return from_data({"pipeline": "mine", "stages": {"data": {"settings": settings}}}, folder=folder)


def test_data_that_grew_meanwhile_does_not_keep_a_run_from_going_on(tmp_path: Path) -> None:
    """A launcher that is started again, and every firing of a retraining check, lists the data anew: the run goes on with the digest that
    it was planned with. Another seed is another pipeline."""
    store, data = MemoryStore(), tmp_path / "data.npz"
    data.write_bytes(b"small")
    first = begin(pipeline(tmp_path), store, "local", run="20260101T000000Z-abc", context=Context())
    data.write_bytes(b"grown since")

    again = begin(pipeline(tmp_path), store, "local", run="20260101T000000Z-abc", context=Context())

    assert again == first
    assert json.loads(store.read("runs/20260101T000000Z-abc/plan.json"))["pipeline"]["stages"]["data"]["outside"]
    with pytest.raises(UserError, match="begun with another pipeline"):
        begin(pipeline(tmp_path, seed=8), store, "local", run="20260101T000000Z-abc", context=Context())
