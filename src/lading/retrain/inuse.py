"""The model in use, as a trigger sees it: when its data was taken, and how much of it there was."""

from collections.abc import Iterator

from lading import names
from lading.config.pipeline import Pipeline
from lading.config.retrain import Retrain
from lading.errors import ManifestError, MissingObjectError
from lading.ledger.documents import record_of
from lading.manifest.champion import Champion, current, history
from lading.manifest.handoff import read_record
from lading.manifest.lineage import MAX_ANCESTORS
from lading.manifest.model import InputRef, Manifest
from lading.retrain.triggers import Seen, Volume
from lading.store.base import Store, stat_of


def place_of(pipeline: Pipeline, retrain: Retrain) -> tuple[str, str]:
    """Model and alias of the champion that a check compares with: the one that is named, the one that the pipeline promotes to, or the
    one that `lading promote` would make of its runs."""
    if retrain.champion is not None:
        return retrain.champion.model or pipeline.pipeline, retrain.champion.alias
    promoted = {(str(one["model"]), str(one["alias"])) for one in _promotes(pipeline)}
    return promoted.pop() if len(promoted) == 1 else (pipeline.pipeline, "production")


def champion(store: Store, pipeline: Pipeline, retrain: Retrain) -> Seen | None:
    """What the model in use was made from; None where there is none, or gc and damage left nothing of it.

    Its times are those at which the results of the triggers' stages were made: they are looked for among all that its bundle was made
    from. Where they can't be told there, it is as old as its bundle, and nobody knows how much data it saw.
    """
    entry = current(store, *place_of(pipeline, retrain))
    if entry is None or (made := _made(store, entry.bundle)) is None:
        return None
    ancestors = list(_ancestors(store, entry.bundle))
    run = _promoted_by(store, entry)
    at, volumes = made, {}
    if retrain.time is not None and (found := _result(store, pipeline, retrain.time.stage, run, ancestors)):
        at = _made(store, found[0]) or made
    if retrain.volume is not None and (found := _result(store, pipeline, retrain.volume.stage, run, ancestors)):
        numbers = found[1].measurements
        files, size = numbers.get("source_files"), numbers.get("source_bytes")
        if files is not None and size is not None:
            volumes = {retrain.volume.stage: Volume(files=int(files), bytes=int(size))}
    return Seen(who=f"the model in use ({entry.model}/{entry.alias}, entry {entry.n}, of run {run})", run=run, at=at, volumes=volumes)


def _promotes(pipeline: Pipeline) -> Iterator[dict[str, object]]:
    return (stage.settings.to_data() for stage in pipeline.stages.values() if stage.kind == "promote")


def _promoted_by(store: Store, entry: Champion) -> str:
    """The run whose bundle it is: a rollback names who asked for it, so the promotion of that bundle is looked for."""
    if entry.act == "promote":
        return entry.run
    entries = history(store, entry.model, entry.alias)
    return next((one.run for one in entries if one.act == "promote" and one.bundle.result == entry.bundle.result), entry.run)


def _result(
    store: Store, pipeline: Pipeline, stage: str, run: str, ancestors: list[tuple[InputRef, Manifest]]
) -> tuple[InputRef, Manifest] | None:
    """A stage's result among those that the bundle was made from: the only one of its kind, or the one that the run had of it."""
    alike = [one for one in ancestors if one[0].kind == pipeline.stages[stage].kind]
    if len(alike) > 1:
        key = ((record_of(store, run).get("stages") or {}).get(stage) or {}).get("key")
        alike = [one for one in alike if one[0].key == key]
    return alike[0] if len(alike) == 1 else None


def _ancestors(store: Store, bundle: InputRef) -> Iterator[tuple[InputRef, Manifest]]:
    """All that a bundle was made from; what is no longer there, or is refused, is not followed."""
    seen, todo = {bundle}, [bundle]
    while todo and len(seen) < MAX_ANCESTORS:
        ref = todo.pop()
        try:
            record = read_record(store, ref.kind, ref.key, ref.n)
        except (MissingObjectError, ManifestError):
            continue
        if isinstance(record, Manifest):
            yield ref, record
            parents = set(record.inputs.values()) - seen
            seen |= parents
            todo += parents


def _made(store: Store, ref: InputRef) -> float | None:
    """When a result was committed, by the store's clock."""
    stat = stat_of(store, names.manifest(ref.kind, ref.key, ref.n))
    return stat.modified if stat else None
