"""Why a stage is run again: what differs from the run before."""

import json
from collections.abc import Mapping
from typing import Any

from lading import names
from lading.errors import LadingError
from lading.frozen import Frozen
from lading.plan.key import Ingredients
from lading.plan.order import oldest_first
from lading.store.base import Store

LOOK_BACK = 50
"""How many runs are read to find one of the same pipeline."""
MAX_PLAN_BYTES = 64 << 20


class Change(Frozen):
    """One thing that differs."""

    path: str
    """`settings.epochs`, `code`, `libraries.torch`, `inputs.data`, `outside.path`."""
    before: Any = None
    after: Any = None


def previous_plan(store: Store, pipeline: str) -> dict[str, Any]:
    """The stages of the plan.json of the newest run of a pipeline; empty if there is none."""
    plans = (stat for stat in store.list("runs/") if stat.key.count("/") == 2 and stat.key.endswith("/plan.json"))
    for run in oldest_first(plans)[: -LOOK_BACK - 1 : -1]:
        try:
            plan = json.loads(store.read(names.RunPlaces(run).plan, limit=MAX_PLAN_BYTES))
            if plan["pipeline"]["pipeline"] == pipeline:
                return _with_end(store, run, plan)
        except (LadingError, ValueError, TypeError, KeyError):
            continue
    return {}


def _with_end(store: Store, run: str, plan: dict[str, Any]) -> dict[str, Any]:
    """The plan's stages, with the keys that its run came to know."""
    stages: dict[str, Any] = plan.get("stages") or {}
    try:
        ended = json.loads(store.read(names.RunPlaces(run).end, limit=MAX_PLAN_BYTES)).get("stages") or {}
    except (LadingError, ValueError, AttributeError):
        ended = {}
    for name, stage in stages.items():
        stage["key"] = stage.get("key") or (ended.get(name) or {}).get("key")
    return stages


def ingredients_before(previous: Mapping[str, Any] | None, stage: str) -> Ingredients | None:
    """What a stage's key was made of the last time; none if that is not known."""
    try:
        return Ingredients.model_validate((previous or {})[stage]["ingredients"])
    except (KeyError, TypeError, ValueError):
        return None


def changes(before: Ingredients, after: Ingredients) -> tuple[Change, ...]:
    """What differs, field by field; inputs that were not known before are left out."""
    found = list(_differences("settings", before.settings, after.settings))
    if before.code != after.code:
        found.append(Change(path="code", before=before.code[:12], after=after.code[:12]))
    found += _differences("libraries", before.libraries, after.libraries)
    for role, result in after.inputs.items():
        if role in before.inputs and before.inputs[role] != result:
            found.append(Change(path=f"inputs.{role}", before=before.inputs[role][:12], after=result[:12]))
    found += _differences("outside", before.outside, after.outside)
    return tuple(found)


def _differences(path: str, before: Any, after: Any) -> list[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [*before, *(name for name in after if name not in before)]
        return [change for name in names for change in _differences(f"{path}.{name}", before.get(name), after.get(name))]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [change for i, pair in enumerate(zip(before, after, strict=True)) for change in _differences(f"{path}[{i}]", *pair)]
    return [] if before == after else [Change(path=path, before=before, after=after)]


def told(found: tuple[Change, ...]) -> str:
    """The changes in one sentence."""
    parts = [_told(change) for change in found[:3]]
    if len(found) > 3:
        parts.append(f"and {len(found) - 3} more")
    return ", ".join(parts)


def _told(change: Change) -> str:
    head, _, rest = change.path.partition(".")
    if head == "code":
        return "lading's code for this kind changed"
    if head == "inputs":
        return f"its {rest} is another result ({change.before} → {change.after})"
    if head == "outside":
        return f"the data at `{rest}` changed" if rest != "image" else "its image changed"
    name = rest if head == "libraries" else change.path
    return f"{name}: {short_value(change.before)} → {short_value(change.after)}"


def short_value(value: Any) -> str:
    """A value as it is told: long ones by their beginning and their end."""
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:10]}…{text[-10:]}"
