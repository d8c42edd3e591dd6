"""Gathers what a page shows of one run: read from the store, tolerant of whatever is missing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lading import names
from lading.config.commands import anywhere, completed, hinted
from lading.errors import LadingError
from lading.ledger.compare import compare_records, flatten
from lading.ledger.documents import MADE, artifact_json, in_order, pipeline_of, read_json, record_of, verdict_of
from lading.ledger.manifests import Manifests
from lading.ledger.runs import measurements, run_ids
from lading.manifest.model import Manifest
from lading.report.evidence import DOCUMENTS, blocks
from lading.report.graph import draw
from lading.report.words import duration, word
from lading.store.base import Store

LOOK_BACK = 50
"""How many older runs are looked at for the one before this of the same pipeline."""


def gather(store: Store, run: str, *, record: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything that the template shows.

    Args:
        store: where the run lies.
        run: its id.
        record: its live view, while run.json is not there yet.
    """
    shown = dict(record or record_of(store, run))
    shown["reason"] = completed(str(shown.get("reason") or ""), store.uri, elsewhere=True)
    plan = read_json(store, names.RunPlaces(run).plan) or {}
    resolved = pipeline_of(plan)
    shown["stages"] = in_order(shown.get("stages") or {}, resolved)
    ids = run_ids(store)
    pages = {stat.key.split("/")[1] for stat in store.list("runs/") if stat.key.endswith("/report.html")}
    manifests = Manifests(store)
    manifests.fetch(stage for stage in shown["stages"].values() if stage.get("state") in MADE)
    stages = [_stage(manifests, run, name, stage, resolved, pages) for name, stage in (shown.get("stages") or {}).items()]
    needs = {stage["name"]: stage["needs"] for stage in stages}
    return {
        "record": shown,
        "live": str(shown.get("state") or "running") == "running",
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "store": store.uri,
        "stages": stages,
        "graph": draw({stage["name"]: stage for stage in stages}, needs),
        "gates": [{**gate, "stage": stage["name"], "anchor": stage["anchor"]} for stage in stages for gate in stage["gates"]],
        "seconds": _seconds(shown),
        "previous": _previous(manifests, run, shown, plan, ids, pages),
        "champion": _champion(manifests, run, shown, resolved, pages),
        "overrides": sorted(flatten(resolved.get("overrides") or {}).items()),
    }


def _stage(
    manifests: Manifests, run: str, name: str, stage: Mapping[str, Any], resolved: Mapping[str, Any], pages: set[str]
) -> dict[str, Any]:
    """One stage's section."""
    planned = (resolved.get("stages") or {}).get(name) or {}
    needs = planned.get("needs") or {}
    state = str(stage.get("state") or "pending")
    store = manifests.store
    standing = manifests.of(stage) if state in MADE else None
    n, manifest = standing or (None, None)
    judged = [gate for gate in stage.get("gates") or () if isinstance(gate, Mapping)]
    maker = manifest.provenance.run if manifest and manifest.provenance.run != run else None
    return {
        "name": name,
        "anchor": f"stage-{name}",
        "kind": stage.get("kind") or planned.get("kind") or "",
        "key": stage.get("key"),
        "state": state,
        "seconds": stage.get("seconds"),
        "percent": stage.get("percent"),
        "line": _line(name, stage, state),
        "reason": str(stage.get("reason") or ""),
        "failure": _failure(store, run, name, stage) if state == "failed" else None,
        "needs": [str(need) for need in (needs.values() if isinstance(needs, Mapping) else needs)],
        "settings": sorted(flatten(planned.get("settings") or {}).items()),
        "gates": judged,
        "measurements": _measured(manifest, judged),
        "artifacts": sorted(manifest.artifacts.items()) if manifest else [],
        "inputs": sorted(manifest.inputs.items()) if manifest else [],
        "warnings": manifest.warnings if manifest else (),
        "provenance": _provenance(manifest, n),
        "maker": maker,
        "maker_page": f"../{maker}/report.html" if maker in pages else None,
        "blocks": blocks(_documents(store, manifest), manifest.measurements) if manifest and manifest.kind != "bundle" else [],
    }


def _line(name: str, stage: Mapping[str, Any], state: str) -> str:
    """The small text in the picture's box: its kind where its name does not say it, and how far it is or how long it took."""
    if state == "running" and isinstance(stage.get("percent"), int | float):
        said = f"{stage['percent']:.0f} %"
    else:
        said = (duration(stage.get("seconds")) if state != "hit" and stage.get("seconds") else "") or word(state)
    kind = str(stage.get("kind") or "")
    return f"{kind} · {said}" if kind and kind != name else said


def _failure(store: Store, run: str, name: str, stage: Mapping[str, Any]) -> dict[str, str]:
    verdict = verdict_of(store, stage) or {}
    told = {name: str(verdict.get(name) or stage.get(name) or "") for name in ("message", "where", "traceback", "do")}
    do = "" if "RUN STAGE" in told["do"] else completed(told["do"], store.uri, elsewhere=True)  # the page names the very commands
    said = hinted(told["message"].replace("lading logs RUN STAGE", f"lading logs {run} {name}"), store.uri, elsewhere=True)
    return told | {"message": said, "do": do} | {verb: anywhere(store.uri, verb, run, name) for verb in ("logs", "debug")}


def _measured(manifest: Manifest | None, judged: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Measurements with their gates, those with gates first."""
    if manifest is None:
        return []
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for gate in judged:
        by_name.setdefault(str(gate.get("measurement")), []).append(gate)
    rows = [{"name": name, "value": value, "gates": by_name.get(name, [])} for name, value in sorted(manifest.measurements.items())]
    return sorted(rows, key=lambda row: not row["gates"])


def _documents(store: Store, manifest: Manifest) -> dict[str, dict[str, Any]]:
    found = {name: _quiet(store, manifest, name) for name in DOCUMENTS if name in manifest.artifacts}
    return {name: document for name, document in found.items() if document is not None}


def _quiet(store: Store, manifest: Manifest, name: str) -> dict[str, Any] | None:
    """A document; a store that does not give it up must not cost the whole page."""
    try:
        return artifact_json(store, manifest, name)
    except LadingError:
        return None


def _provenance(manifest: Manifest | None, n: int | None) -> list[tuple[str, str]]:
    if manifest is None:
        return []
    made = manifest.provenance
    facts = {
        "key": manifest.key,
        "result": manifest.result,
        "manifest": str(n),
        "attempt": str(manifest.attempt),
        "code": made.code,
        "image": made.image,
        "git commit": made.git_commit,
        "run": made.run,
        "started": made.started,
        "finished": made.finished,
        "libraries": ", ".join(f"{name} {version}" for name, version in sorted(made.libraries.items())),
        "hardware": ", ".join(f"{name} {value}" for name, value in flatten(made.hardware).items()),
        "seeds": ", ".join(f"{name} {value}" for name, value in sorted(made.seeds.items())),
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _seconds(record: Mapping[str, Any]) -> float | None:
    try:
        started = datetime.fromisoformat(str(record.get("started")))
        finished = datetime.fromisoformat(str(record["finished"])) if record.get("finished") else datetime.now(UTC)
        return (finished - (started if started.tzinfo else started.replace(tzinfo=UTC))).total_seconds()
    except (ValueError, TypeError):
        return None


def _settings(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stage.get("settings") or {} for name, stage in (pipeline_of(plan).get("stages") or {}).items()}


def _previous(
    manifests: Manifests, run: str, record: Mapping[str, Any], plan: Mapping[str, Any], ids: list[str], pages: set[str]
) -> dict[str, Any] | None:
    """What changed since the run before this one, of the same pipeline."""
    store = manifests.store
    earlier = ids[: ids.index(run)] if run in ids else ids
    for before in earlier[: -LOOK_BACK - 1 : -1]:
        other = record_of(store, before)
        if other.get("pipeline") == record.get("pipeline"):
            return _against(
                manifests, before, other, record, (_settings(read_json(store, names.RunPlaces(before).plan) or {}), _settings(plan)), pages
            )
    return None


def _against(
    manifests: Manifests, before: str, other: Mapping[str, Any], record: Mapping[str, Any], settings: tuple[Any, Any], pages: set[str]
) -> dict[str, Any]:
    found = compare_records(other, record, settings=settings, numbers=(measurements(manifests, other), measurements(manifests, record)))
    return {"run": before, "page": f"../{before}/report.html" if before in pages else None, "comparison": found}


def _champion(
    manifests: Manifests, run: str, record: Mapping[str, Any], resolved: Mapping[str, Any], pages: set[str]
) -> dict[str, Any] | None:
    """What is different from the model in use, where the pipeline promotes one."""
    from lading.manifest.champion import current

    store = manifests.store
    for stage in (resolved.get("stages") or {}).values():
        settings = stage.get("settings") or {}
        if stage.get("kind") != "promote" or not settings.get("model"):
            continue
        try:
            champion = current(store, settings["model"], settings.get("alias") or "production")
        except LadingError:
            return None
        if champion is None or champion.run == run:
            return None
        plans = [_settings(read_json(store, names.RunPlaces(one).plan) or {}) for one in (champion.run, run)]
        other = record_of(store, champion.run)
        return {
            "model": champion.model,
            "alias": champion.alias,
            **_against(manifests, champion.run, other, record, (plans[0], plans[1]), pages),
        }
    return None
