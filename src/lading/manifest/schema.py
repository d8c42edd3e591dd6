"""The JSON Schemas of what is handed on, generated from the models: docs/schemas/ holds them."""

from typing import Any

from lading.frozen import Frozen
from lading.manifest.champion import Champion
from lading.manifest.model import SEGMENT_PATTERN, Manifest, Void

_PATH = f"^{SEGMENT_PATTERN}(/{SEGMENT_PATTERN})*$"


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest. What no schema can say (digests that agree, names that collide) is in docs/manifest.md."""
    found = _schema(Manifest, "manifest.v1", "A manifest of lading, version 1")
    found["properties"]["artifacts"]["propertyNames"] = {"pattern": _PATH, "maxLength": 512}
    found["$defs"]["Artifact"]["properties"]["path"] |= {"pattern": _PATH, "maxLength": 512}
    return found


def void_schema() -> dict[str, Any]:
    """The JSON Schema of a void record."""
    return _schema(Void, "void.v1", "A void record of lading, version 1")


def champion_schema() -> dict[str, Any]:
    """The JSON Schema of a champion."""
    return _schema(Champion, "champion.v1", "A champion of lading, version 1")


def _schema(model: type[Frozen], name: str, title: str) -> dict[str, Any]:
    """The model's schema, with `schema` itself demanded: a reader chooses by it."""
    found = model.model_json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"lading/{name}.json", "title": title}
    return {**found, **head, "required": sorted({*found["required"], "schema"})}
