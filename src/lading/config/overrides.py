"""`--set stages.train.settings.epochs=3`: one field of a pipeline, changed from the command line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lading.config.problems import nearest
from lading.config.yamltext import Path, scalar
from lading.errors import ConfigError

_FORM = "write --set stages.STAGE.settings.FIELD=VALUE"
_ROOTS = ("stages", "defaults", "store", "kubernetes", "retrain", "pipeline")


@dataclass(slots=True)
class Overridden:
    """What was changed."""

    values: dict[str, Any] = field(default_factory=dict)
    """As typed, to its value: recorded in the run."""
    paths: dict[Path, str] = field(default_factory=dict)
    """Where, to what was typed: for messages."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each that names nothing, is no assignment, or whose value is not YAML."""


def apply(data: Any, overrides: Sequence[str]) -> Overridden:
    """Changes the raw data in place; what is wrong is left in `problems`."""
    done = Overridden()
    problems = done.problems
    for text in overrides:
        name, equals, typed = text.partition("=")
        parts: Path = tuple(int(part) if part.isdigit() else part for part in name.strip().split("."))
        if not equals or "" in parts:
            problems.append(f"--set {text}: it has no '=' or an empty name; {_FORM}")
            continue
        try:
            value = scalar(typed)
        except ConfigError as error:
            problems.append(f"--set {text}: the value is not YAML ({error.problems[0].rpartition('YAML: ')[2]})")
            continue
        if problem := _put(data, parts, value):
            problems.append(f"--set {text}: {problem}")
            continue
        done.values[name.strip()] = value
        done.paths[parts] = text
    return done


def _put(data: Any, parts: Path, value: Any) -> str:
    """Puts a value; what is wrong with the path, if anything is."""
    if parts[0] not in _ROOTS:
        return f"a pipeline has no {parts[0]!r}{nearest(str(parts[0]), _ROOTS)}"
    if parts[0] == "stages":
        stages = data.get("stages") if isinstance(data, dict) else None
        names = [str(name) for name in stages] if isinstance(stages, dict) else []
        if len(parts) < 3 or parts[1] not in names:
            return (
                f"there is no stage {str(parts[1])!r}{nearest(str(parts[1]), names)}" if len(parts) > 1 and parts[1] not in names else _FORM
            )
    place = data
    for part in parts[:-1]:
        if isinstance(place, list) and isinstance(part, int):
            if part >= len(place):
                return f"the list has {len(place)} items, and there is no [{part}]"
            place = place[part]
            continue
        if not isinstance(place, dict):
            return f"{part!r} is not inside of a map"
        if place.get(str(part)) is None or isinstance(place[str(part)], str | int | float | bool):
            place[str(part)] = {}
        place = place[str(part)]
    last = parts[-1]
    if isinstance(place, list):
        if not isinstance(last, int) or last >= len(place):
            return f"the list has {len(place)} items, and there is no [{last}]"
        place[last] = value
    elif isinstance(place, dict):
        place[str(last)] = value
    else:
        return f"{last!r} is not inside of a map"
    return ""
