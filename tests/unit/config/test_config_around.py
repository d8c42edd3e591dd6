"""What stands around the loader: presets, the schema, where the store is."""

import jsonschema
import pytest

from lading.config.kinds import KINDS
from lading.config.loader import from_data
from lading.config.location import store_uri
from lading.config.presets import preset_text, presets
from lading.config.schema import pipeline_schema
from lading.config.yamltext import parse
from lading.errors import UserError

CHECK = jsonschema.Draft202012Validator(pipeline_schema())


@pytest.mark.parametrize("name", list(presets()))
def test_every_preset_loads_and_fits_the_schema(name):
    """What `lading init` writes is a pipeline, for the loader and for an editor."""
    data = parse(preset_text(name), name).value

    assert from_data(data, folder=".").stages
    assert list(CHECK.iter_errors(data)) == []


def test_a_preset_that_is_none():
    """The message lists those that there are."""
    with pytest.raises(UserError, match="choose from digits, pydoc, script"):
        preset_text("../digits")


@pytest.mark.parametrize(
    "stage",
    [{"settings": {"sed": 1}}, {"kind": "data", "settings": {"seed": "x"}}, {"kind": "nothing"}, {"cpuu": 1}, {"needs": {"model": "x"}}],
)
def test_the_schema_sees_mistakes_in_settings(stage):
    """An editor underlines what the loader would refuse, by the stage's kind."""
    assert list(CHECK.iter_errors({"pipeline": "x", "stages": {"data": stage}}))


def test_the_schema_knows_every_kind():
    """No kind is left out."""
    assert {f"{kind}-settings" for kind in KINDS} <= set(pipeline_schema()["$defs"])


def test_where_the_store_is(tmp_path, monkeypatch):
    """--store, then LADING_STORE, then the pipeline, then .lading; folders are absolute."""
    monkeypatch.chdir(tmp_path)
    pipeline = from_data({"pipeline": "demo", "store": "mine", "stages": {"data": {}}}, folder=".")

    assert store_uri(pipeline, "s3://b/p", {"LADING_STORE": "env"}) == "s3://b/p"
    assert store_uri(pipeline, None, {"LADING_STORE": "env"}) == str(tmp_path / "env")
    assert store_uri(pipeline, None, {}) == str(tmp_path / "mine")
    assert store_uri(None, None, {}) == str(tmp_path / ".lading")
