"""Reads what runs left in the store, tolerantly: a report must be written of a run whose documents are broken, too."""

import json
from collections.abc import Mapping
from typing import Any

from lading import names
from lading.config.needs import ordered
from lading.errors import MissingObjectError
from lading.manifest.model import Manifest
from lading.names import AttemptId
from lading.store.base import Store

MADE = {"hit", "succeeded", "gate_failed"}
"""States of stages that have a result."""
MAX_DOCUMENT = 32 << 20
"""Bytes of a document that a page or a comparison reads; what is larger is left out."""


def read_json(store: Store, key: str) -> dict[str, Any] | None:
    """A JSON object of the store; none where it is absent, too large or not a JSON object."""
    try:
        data = store.read(key, limit=MAX_DOCUMENT + 1)
        value = json.loads(data) if len(data) <= MAX_DOCUMENT else None
    except (MissingObjectError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def record_of(store: Store, run: str) -> dict[str, Any]:
    """run.json; for a run without an end, the same shape made of its plan.json and of the stages in its progress.json."""
    places = names.RunPlaces(run)
    if end := read_json(store, places.end):
        return end
    plan = read_json(store, places.plan) or {}
    pipeline = pipeline_of(plan)
    planned = _mapping(plan.get("stages"))
    told = _mapping((read_json(store, places.progress) or {}).get("stages"))
    stages = {
        name: _mapping(told.get(name)) or _pending(stage, _mapping(planned.get(name)))
        for name, stage in (pipeline.get("stages") or {}).items()
        if _mapping(planned.get(name)).get("selected", True)
    }
    return {
        "schema": "lading/run/v1",
        "run": run,
        "pipeline": pipeline.get("pipeline", ""),
        "started": plan.get("started", ""),
        "finished": "",
        "state": "running",
        "stages": stages,
    }


def _pending(stage: Mapping[str, Any], planned: Mapping[str, Any]) -> dict[str, Any]:
    """A stage of which its run's launcher said nothing yet."""
    kind, key = stage.get("kind", ""), planned.get("key")
    return {"kind": kind, "key": key, "state": "pending", "attempt": None, "seconds": None, "reason": "", "gates": []}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def pipeline_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved pipeline in a plan.json."""
    return _mapping(plan.get("pipeline"))


def artifact_json(store: Store, manifest: Manifest, name: str) -> dict[str, Any] | None:
    """A JSON artifact of a result, handed on or kept; none where it has no such thing."""
    artifact = manifest.artifacts.get(name)
    if artifact is None:
        return None
    return read_json(store, AttemptId(manifest.kind, manifest.key, manifest.attempt).artifacts + artifact.path)


def verdict_of(store: Store, stage: Mapping[str, Any]) -> dict[str, Any] | None:
    """How the attempt of a failed stage was judged; none where that is not known."""
    if not stage.get("kind") or not stage.get("key") or not stage.get("attempt"):
        return None
    return read_json(store, AttemptId(str(stage["kind"]), str(stage["key"]), int(stage["attempt"])).verdict)


def tried_before(store: Store, stage: Mapping[str, Any], run: str) -> list[dict[str, Any]]:
    """How the attempts of a stage ended that a run saw fail before the one it has now, oldest first; a first attempt costs no read."""
    if stage.get("state") == "hit" or not stage.get("kind") or not stage.get("key"):
        return []
    found = []
    for number in range(1, int(stage.get("attempt") or 1)):
        attempt = AttemptId(str(stage["kind"]), str(stage["key"]), number)
        verdict = read_json(store, attempt.verdict)
        if verdict and (verdict.get("by") == run or (read_json(store, attempt.claim) or {}).get("run") == run):
            found.append({"attempt": number, **{name: verdict.get(name) for name in ("code", "cause", "message", "where")}})
    voided = _voided(store, str(stage["kind"]), str(stage["key"])) if any(one["cause"] == "stopped" for one in found) else {}
    return [one | voided.get(int(str(one["attempt"])), {}) if one["cause"] == "stopped" else one for one in found]


def _voided(store: Store, kind: str, key: str) -> dict[int, dict[str, Any]]:
    """Attempts that made a result which was voided later: nobody stopped them, and the void says why they don't count."""
    records = {stat.key: read_json(store, stat.key) or {} for stat in store.list(names.manifests(kind, key))}
    found: dict[int, dict[str, Any]] = {}
    for void in records.values():
        made = records.get(names.manifest(kind, key, void["voids"]), {}) if isinstance(void.get("voids"), int) else {}
        if isinstance(made.get("attempt"), int):
            found[made["attempt"]] = {"code": 0, "cause": "voided", "message": str(void.get("reason") or "")}
    return found


def in_order(stages: Mapping[str, Any], pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """Stages as the pipeline has them, each after its needs: documents of an older lading have their names in the order of the alphabet."""
    planned = _mapping(pipeline.get("stages"))
    names_ = dict.fromkeys(name for name in [*planned, *stages] if name in stages)
    needs = {name: [need for need in _mapping(_mapping(planned.get(name)).get("needs")).values() if need in names_] for name in names_}
    return {name: stages[name] for name in ordered(needs)}
