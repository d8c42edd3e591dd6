"""Two runs side by side: settings that differ, results that differ, measurements and how far they moved."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lading import names
from lading.ledger.documents import pipeline_of, read_json, record_of
from lading.ledger.manifests import Manifests
from lading.ledger.runs import measurements
from lading.store.base import Store


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that is not the same in two runs; None where it is in one alone."""

    stage: str
    what: str
    """A field's path, or a measurement's name."""
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became different from run a to run b."""

    a: str
    b: str
    settings: tuple[Changed, ...]
    keys: tuple[Changed, ...]
    """Stages whose key is another: what was made again."""
    measurements: tuple[Changed, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.settings or self.keys or self.measurements)

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
    stages = list(dict.fromkeys([*keys_a, *keys_b]))
    return Comparison(
        a=str(a.get("run", "")),
        b=str(b.get("run", "")),
        settings=tuple(change for stage in stages for change in _differences(stage, settings[0].get(stage), settings[1].get(stage))),
        keys=tuple(
            Changed(stage, "key", keys_a.get(stage), keys_b.get(stage)) for stage in stages if keys_a.get(stage) != keys_b.get(stage)
        ),
        measurements=tuple(change for stage in stages for change in _differences(stage, numbers[0].get(stage), numbers[1].get(stage))),
    )


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
