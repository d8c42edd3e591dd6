"""Two runs side by side: settings that differ, results that differ, measurements and how far they moved."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lading import names
from lading.ledger.documents import pipeline_of, read_json, record_of
from lading.ledger.manifests import Manifests
from lading.ledger.runs import measurements
from lading.store.base import Store

ROOM, LEAD = 40, 12
"""Characters of a value that are shown, and of those that two values share before they part."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that is not the same in two runs; None where it is in one alone."""

    stage: str
    what: str
    """A field's path, or a measurement's name."""
    before: Any
    after: Any

    @property
    def texts(self) -> tuple[str, str]:
        """Both as short texts in which they differ: of long ones that begin alike, from a little before where they part."""
        a, b = ("none" if value is None else str(value) for value in (self.before, self.after))
        alike = next((i for i, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
        start = max(0, alike - LEAD) if max(len(a), len(b)) > ROOM else 0
        return _cut(a, start), _cut(b, start)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became different from run a to run b."""

    a: str
    b: str
    settings: tuple[Changed, ...]
    keys: tuple[Changed, ...]
    """Stages whose key is another: what was made again."""
    measurements: tuple[Changed, ...]
    gone: tuple[str, ...] = ()
    """Stages that only run a has: nothing else is said of them."""
    new: tuple[str, ...] = ()
    """Stages that only run b has."""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.settings or self.keys or self.measurements or self.gone or self.new)

    def to_data(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)


def compare(store: Store, a: str, b: str) -> Comparison:
    """What differs between two runs of a store; `a` is the one before."""
    first, second, manifests = record_of(store, a), record_of(store, b), Manifests(store)
    return compare_records(
        first,
        second,
        settings=(_settings(store, a), _settings(store, b)),
        numbers=(measurements(manifests, first), measurements(manifests, second)),
    )


def compare_records(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    *,
    settings: tuple[Mapping[str, Any], Mapping[str, Any]],
    numbers: tuple[Mapping[str, Mapping[str, float | None]], Mapping[str, Mapping[str, float | None]]],
) -> Comparison:
    """The same of documents that were read already; pure."""
    keys_a, keys_b = _keys(a), _keys(b)
    stages = [stage for stage in keys_a if stage in keys_b]
    return Comparison(
        a=str(a.get("run", "")),
        b=str(b.get("run", "")),
        settings=tuple(change for stage in stages for change in _differences(stage, settings[0].get(stage), settings[1].get(stage))),
        keys=tuple(
            Changed(stage, "key", keys_a.get(stage), keys_b.get(stage)) for stage in stages if keys_a.get(stage) != keys_b.get(stage)
        ),
        measurements=tuple(change for stage in stages for change in _differences(stage, numbers[0].get(stage), numbers[1].get(stage))),
        gone=tuple(stage for stage in keys_a if stage not in keys_b),
        new=tuple(stage for stage in keys_b if stage not in keys_a),
    )


def _cut(text: str, start: int) -> str:
    """A piece of a text, with dots where something is left out."""
    piece = ("…" if start else "") + text[start:]
    return piece if len(piece) <= ROOM else piece[: ROOM - 1] + "…"


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Nested settings as one level: `model.name` to `cnn`."""
    if isinstance(value, Mapping) and value:
        return {
            inner: leaf for key, child in value.items() for inner, leaf in flatten(child, f"{path}.{key}" if path else str(key)).items()
        }
    return {path: value} if path else {}


def _differences(stage: str, before: Any, after: Any) -> list[Changed]:
    flat_a, flat_b = flatten(before or {}), flatten(after or {})
    paths = sorted({*flat_a, *flat_b})
    return [Changed(stage, path, flat_a.get(path), flat_b.get(path)) for path in paths if flat_a.get(path) != flat_b.get(path)]


def _keys(record: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: stage.get("key") for name, stage in (record.get("stages") or {}).items()}


def _settings(store: Store, run: str) -> dict[str, Any]:
    """Stage to settings, as the run's plan.json holds them."""
    stages = pipeline_of(read_json(store, names.RunPlaces(run).plan) or {}).get("stages") or {}
    return {name: stage.get("settings") or {} for name, stage in stages.items()}
