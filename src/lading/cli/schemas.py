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


def _handed_on(name: str) -> Callable[[], dict[str, Any]]:
    """A schema of what lies in a store, imported when asked for."""

    def schema() -> dict[str, Any]:
        from lading.manifest import schema as schemas

        made: dict[str, Any] = getattr(schemas, name)()
        return made

    return schema


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "pipeline": pipeline,
    "manifest": _handed_on("schema"),
    "void": _handed_on("void_schema"),
    "champion": _handed_on("champion_schema"),
}


def write(docs: Path) -> list[Path]:
    """Writes each schema to docs/schemas/<name>.v1.json; the same bytes for the same models."""
    written = []
    for name, schema in SCHEMAS.items():
        path = docs / "schemas" / f"{name}.v1.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for written_path in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        sys.stdout.write(f"{written_path}\n")
