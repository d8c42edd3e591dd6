"""Writes the JSON Schemas that docs/ holds: `python -m lading.cli.schemas docs`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def pipeline() -> dict[str, Any]:
    """The schema of a pipeline file."""
    from lading.config.schema import pipeline_schema

    return pipeline_schema()


def manifest() -> dict[str, Any]:
    """The schema of a manifest."""
    from lading.manifest.model import Manifest

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema(by_alias=True)}


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {"pipeline": pipeline, "manifest": manifest}


def write(docs: Path) -> list[Path]:
    """Writes each schema to docs/schemas/<name>.json; the same bytes for the same models."""
    written = []
    for name, schema in SCHEMAS.items():
        path = docs / "schemas" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for written_path in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        sys.stdout.write(f"{written_path}\n")
