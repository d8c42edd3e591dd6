"""docs/schemas holds what the models say, and stages are shown after their needs."""

import json
from pathlib import Path

import pytest

from lading.cli.schemas import SCHEMAS
from lading.ledger.documents import in_order

DOCS = Path(__file__).parents[3] / "docs/schemas"


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_docs_hold_every_schema(name: str) -> None:
    """A change of a model without `make docs` fails here."""
    assert json.loads((DOCS / f"{name}.v1.json").read_text()) == json.loads(json.dumps(SCHEMAS[name]()))


def test_stages_follow_their_needs() -> None:
    """Whatever the order of a document, and also where needs go in a circle or are unknown."""
    pipeline = {"stages": {"a": {"needs": {"x": "z"}}, "z": {}, "m": {"needs": {"x": "a", "y": "gone"}}}}

    assert list(in_order({"a": 1, "m": 2, "z": 3}, pipeline)) == ["z", "a", "m"]
    assert list(in_order({"a": 1}, {"stages": {"a": {"needs": {"x": "a"}}}})) == ["a"]
    written = {"stages": {"z": {}, "k": {"needs": {"x": "z"}}, "b": {"needs": {"x": "z"}}, "a": {}}}
    assert list(in_order({"a": 1, "b": 2, "k": 3, "z": 4}, written)) == ["z", "k", "b", "a"]
