"""The manifests that the stages of runs used: each is read once, and kept on disk; many are listed at once and read side by side."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lading import names
from lading.errors import LadingError
from lading.manifest.handoff import numbered
from lading.manifest.model import Manifest
from lading.plan.records import Place, read_kept
from lading.store.base import Stat, Store

MANY = 32
"""From so many stages on, one LIST of everything is cheaper than one LIST for each."""
PARALLEL = 16

Numbered = tuple[int, Stat]


class Manifests:
    """What stages of records used, for a page or a table: it looks at a key once, so it is made anew for each page."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._listed: dict[Place, list[Numbered]] | None = None
        self._found: dict[tuple[str, str, Any], tuple[int, Manifest] | None] = {}

    def of(self, stage: Mapping[str, Any]) -> tuple[int, Manifest] | None:
        """The manifest that a stage of a record used: that of its attempt, else the newest; without an attempt, the one that stands."""
        place = _place(stage)
        if place is None:
            return None
        asked = (*place, stage.get("attempt"))
        if asked not in self._found:
            self._found[asked] = self._look(place, stage.get("attempt"))
        return self._found[asked]

    def fetch(self, stages: Iterable[Mapping[str, Any]]) -> None:
        """Reads what many stages used, so that `of` has it."""
        todo = [stage for stage in stages if _place(stage)]
        if len(todo) < MANY:
            return
        if self._listed is None:
            self._listed = _by_place(self.store.list("manifests/"))
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="manifests") as pool:
            list(pool.map(self.of, todo))

    def _look(self, place: Place, attempt: int | None) -> tuple[int, Manifest] | None:
        newest: tuple[int, Manifest] | None = None
        try:
            if self._listed is not None:
                records = self._listed.get(place, [])
            else:
                records = _by_place(self.store.list(names.manifests(*place))).get(place, [])
            for number, stat in sorted(records, key=lambda record: -record[0]):
                record = read_kept(self.store, stat, *place, number)
                if isinstance(record, Manifest):
                    newest = newest or (number, record)
                    if attempt in {None, record.attempt}:
                        return number, record
                elif attempt is None:  # voided: nothing stands
                    return None
        except LadingError:  # a page must be written of a run whose documents are broken, too
            return newest
        return newest


def manifest_of(store: Store, stage: Mapping[str, Any]) -> tuple[int, Manifest] | None:
    """The manifest that one stage of a record used."""
    return Manifests(store).of(stage)


def _place(stage: Mapping[str, Any]) -> Place | None:
    kind, key = str(stage.get("kind") or ""), str(stage.get("key") or "")
    return (kind, key) if kind and key else None


def _by_place(stats: Iterable[Stat]) -> dict[Place, list[Numbered]]:
    found: dict[Place, list[Numbered]] = {}
    for stat in stats:
        if (document := numbered(stat.key)) is not None:
            kind, key, number = document
            found.setdefault((kind, key), []).append((number, stat))
    return found
