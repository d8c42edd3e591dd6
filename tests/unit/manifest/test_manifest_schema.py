"""The schemas in docs/schemas are the models', and say what can be said."""

import json
from pathlib import Path

import jsonschema
import pytest

from lading.manifest.schema import champion_schema, schema, void_schema
from unit.manifest.make_hostile import CHANGED, samples, sound

DOCS = Path(__file__).parents[3] / "docs/schemas"
COLLISIONS = {"case-collision", "file-and-folder"}
DIGESTS = {"wrong-result", "size-changed"}
PLACES = {"other-key", "other-kind"}
# `$` of Python's expressions lets one newline pass; that of JSON Schema's own dialect does not.
SAID_BY_PROSE = COLLISIONS | DIGESTS | PLACES | {"no-nonce", "measurement-name", "trailing-dot", "newline"}
"""What a schema alone can't see; docs/manifest.md says it."""


@pytest.mark.parametrize(("name", "made"), [("manifest.v1", schema), ("void.v1", void_schema), ("champion.v1", champion_schema)])
def test_docs_hold_what_the_models_say(name: str, made: object) -> None:
    """A change of a model without `make docs` fails here."""
    assert json.loads((DOCS / f"{name}.json").read_text()) == made()  # type: ignore[operator]


def test_the_sound_one_is_valid() -> None:
    """The schema accepts what the reader accepts."""
    jsonschema.Draft202012Validator(schema()).validate(sound())


@pytest.mark.parametrize("name", sorted(set(CHANGED) - SAID_BY_PROSE))
def test_the_schema_refuses_what_it_can(name: str) -> None:
    """Each hostile sample that a schema can refuse, it refuses."""
    assert not jsonschema.Draft202012Validator(schema()).is_valid(json.loads(samples()[name][0]))
