"""What the stages of runs used is found whether one is asked for or many, and each record is read once."""

from collections import Counter
from pathlib import Path

import pytest

from lading.ledger.manifests import MANY, Manifests, manifest_of
from lading.manifest.handoff import commit
from lading.manifest.model import Manifest, result_of
from lading.store.directory import DirectoryStore

KEYS = [f"{index:064x}" for index in range(MANY + 8)]


class Counting(DirectoryStore):
    """A folder that counts what is asked of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: Counter[str] = Counter()

    def list(self, prefix: str, **options):
        self.asked["list"] += 1
        return super().list(prefix, **options)

    def read(self, key: str, **options) -> bytes:
        self.asked["read"] += 1
        return super().read(key, **options)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    """A store in which every key was made twice, with the attempt's number as its measurement."""
    store = Counting(tmp_path)
    for key in KEYS:
        for attempt in (1, 2):
            manifest = Manifest(
                kind="script", key=key, attempt=attempt, nonce=f"{key}{attempt}", measurements={"n": attempt}, result=result_of({})
            )
            commit(store, manifest, after=attempt - 1)
    store.asked.clear()
    return store


@pytest.mark.parametrize(("attempt", "expected"), [(1, 1), (2, 2), (None, 2), (7, 2)])
def test_many_are_found_as_one_is(store: Counting, attempt: int | None, expected: int) -> None:
    """A stage's manifest is that of its attempt, else the newest, by either way."""
    stages = [{"kind": "script", "key": key, "attempt": attempt} for key in KEYS]
    together = Manifests(store)
    together.fetch(stages)
    found = [together.of(stage) for stage in stages]
    assert found == [manifest_of(store, stage) for stage in stages]
    assert {record[1].measurements["n"] for record in found if record} == {expected}
    assert None not in found


def test_many_cost_one_list_and_one_read_each(store: Counting) -> None:
    """A page of a thousand stages asks for its manifests three times, and the store is asked once."""
    stages = [{"kind": "script", "key": key, "attempt": 2} for key in KEYS]
    manifests = Manifests(store)
    for _ in range(3):
        manifests.fetch(stages)
        assert all(manifests.of(stage) for stage in stages)
    assert store.asked == {"list": 1, "read": len(KEYS)}


def test_a_stage_without_a_result_has_none(store: Counting) -> None:
    """A key that was never made, and a stage without a key, are no errors."""
    manifests = Manifests(store)
    assert manifests.of({"kind": "script", "key": "f" * 64}) is None
    assert manifests.of({"kind": "script"}) is None
