"""The JSON Schema of a pipeline file: editors complete and check with it, each kind's settings included."""

import ast
import inspect
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel

from lading.config.cluster import Cluster
from lading.config.gate import Gate
from lading.config.kinds import KINDS, Kind
from lading.config.resources import Resources
from lading.config.retrain import Retrain
from lading.names import PLAIN_NAME

NAME = {"type": "string", "pattern": PLAIN_NAME}


def pipeline_schema() -> dict[str, Any]:
    """The schema, the same bytes for the same models."""
    definitions: dict[str, Any] = {}
    resources = _model(Resources, "resources", definitions)["properties"]
    definitions["gate"] = {
        "anyOf": [{"type": "string", "pattern": r"^\s*(>=|<=|>|<|==)\s*[-+0-9.eE]+\s*$"}, _model(Gate, "gate", definitions)]
    }
    settings = {name: _model(kind.settings_model(), name, definitions) for name, kind in KINDS.items()}
    for name, kind in KINDS.items():
        definitions[f"{name}-settings"] = settings[name]
        definitions[f"{name}-needs"] = _needs(kind)
    definitions["stage"] = {
        "type": ["object", "null"],
        "properties": {
            "kind": {"enum": list(KINDS), "description": "Default: the stage's name."},
            "needs": {"description": "Stages whose results it takes.", "anyOf": [{"type": "array"}, {"type": "object"}]},
            "settings": {"type": "object", "description": "What can change the result."},
            "gates": {"type": "object", "additionalProperties": {"$ref": "#/$defs/gate"}, "description": "Measurement to bound."},
            "from": {"type": "string", "pattern": "^[a-z]+/[0-9a-f]{64}$", "description": "Pinned to a result that exists: <kind>/<key>."},
            **resources,
        },
        "additionalProperties": False,
        "allOf": [_by_kind(name, {"required": ["kind"], "properties": {"kind": {"const": name}}}) for name in KINDS],
    }
    named = {name: _by_name(name) for name in KINDS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A pipeline of lading",
        "type": "object",
        "required": ["pipeline", "stages"],
        "additionalProperties": False,
        "properties": {
            "pipeline": {**NAME, "description": "Its name."},
            "store": {"type": "string", "description": "A folder, or s3://bucket/prefix; --store and LADING_STORE come first."},
            "defaults": {
                "type": "object",
                "properties": resources,
                "additionalProperties": False,
                "description": "Resources of all.",
            },
            "stages": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": NAME,
                "properties": named,
                "additionalProperties": {"allOf": [{"$ref": "#/$defs/stage"}, {"type": "object", "required": ["kind"]}]},
            },
            "kubernetes": {**_model(Cluster, "kubernetes", definitions), "description": "Where pods run."},
            "retrain": {**_model(Retrain, "retrain", definitions), "description": "When to train again."},
        },
        "$defs": dict(sorted(definitions.items())),
    }


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Each field's docstring, read from the source: only a person (or an editor) asks, so no import pays for it."""
    found: dict[str, str] = {}
    for base in model.__bases__:
        if issubclass(base, BaseModel) and base.model_fields:
            found |= meanings(base)
    body = next(node for node in ast.parse(dedent(inspect.getsource(model))).body if isinstance(node, ast.ClassDef)).body
    for field, text in pairwise(body):
        named = field.target.id if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) else ""
        if named and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[named] = " ".join(str(text.value.value).split())
    return found


def _model(model: Any, prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema; its own definitions go among the others under a prefix."""
    schema: dict[str, Any] = model.model_json_schema(ref_template=f"#/$defs/{prefix}-{{model}}")
    for name, meaning in meanings(model).items():
        schema.get("properties", {}).get(name, {}).setdefault("description", meaning)
    definitions.update({f"{prefix}-{name}": _short_files(name, inner) for name, inner in schema.pop("$defs", {}).items()})
    return schema


def _short_files(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A file of the user may be written as its path alone."""
    return {"anyOf": [{"type": "string", "minLength": 1}, schema]} if name == "UserFile" else schema


def _needs(kind: Kind) -> dict[str, Any]:
    """What a kind's needs may look like."""
    stages = {"type": "array", "items": NAME, "uniqueItems": True}
    if kind.any_needs:
        return {"anyOf": [stages, {"type": "object", "additionalProperties": NAME}]}
    stages["maxItems"] = len(kind.roles)
    return {"anyOf": [stages, {"type": "object", "properties": dict.fromkeys(kind.roles, NAME), "additionalProperties": False}]}


def _by_kind(kind: str, condition: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": {"properties": _properties(kind)}}


def _by_name(kind: str) -> dict[str, Any]:
    """A stage that is named as a kind is of that kind unless it says otherwise."""
    unless = {"if": {"type": "object", "not": {"required": ["kind"]}}, "then": {"properties": _properties(kind)}}
    return {"allOf": [{"$ref": "#/$defs/stage"}, unless]}


def _properties(kind: str) -> dict[str, Any]:
    return {"settings": {"$ref": f"#/$defs/{kind}-settings"}, "needs": {"$ref": f"#/$defs/{kind}-needs"}}
