"""What stands for many keys at once: one LIST a kind instead of one a key, and reads of the highest records alone, many at a time."""

from collections.abc import Collection

from lading import names
from lading.manifest.checking import problem_with
from lading.manifest.handoff import Standing, number_of, standing
from lading.manifest.model import Manifest, Void
from lading.manifest.reading import parse, refuse
from lading.store.base import Stat, Store
from lading.store.cache import read_many

FEW = 4
"""Keys of one kind that are asked for one by one: a LIST of a whole kind costs more in a store with a long history."""


def standings(store: Store, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Standing]:
    """What speaks for each (kind, key) now; a key that nobody tried has number 0.

    Raises:
        ManifestError: one of the records is refused.
    """
    found = {pair: Standing(0) for pair in wanted}
    highest: dict[tuple[str, str], tuple[int, Stat]] = {}
    for kind in sorted({kind for kind, _ in wanted}):
        keys = {key for other, key in wanted if other == kind}
        if len(keys) <= FEW:
            found |= {(kind, key): standing(store, kind, key) for key in keys}
        else:
            highest |= _highest(store, kind, keys)
    documents = read_many(store, [stat for _, stat in highest.values()])
    for (kind, key), (n, stat) in highest.items():
        # One that gc took between LIST and read is looked at again.
        data = documents.get(stat.key)
        found[kind, key] = standing(store, kind, key) if data is None else _standing(store, data, kind, key, n)
    return found


def _highest(store: Store, kind: str, keys: Collection[str]) -> dict[tuple[str, str], tuple[int, Stat]]:
    prefix = f"manifests/{kind}/"
    found: dict[tuple[str, str], tuple[int, Stat]] = {}
    for stat in store.list(prefix):
        key, _, name = stat.key[len(prefix) :].partition("/")
        if key in keys and (n := number_of(name)) > found.get((kind, key), (0, stat))[0]:
            found[kind, key] = (n, stat)
    return found


def _standing(store: Store, data: bytes, kind: str, key: str, n: int) -> Standing:
    where = f"{names.manifest(kind, key, n)} in {store.uri}"
    record = parse(data, Manifest, Void, where=where)
    assert isinstance(record, Manifest | Void)
    if problem := problem_with(record, kind=kind, key=key, n=n):
        refuse(where, problem)
    return Standing(n, manifest=record) if isinstance(record, Manifest) else Standing(n, void=record)
