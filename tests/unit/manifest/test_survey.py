"""Many standings at once."""

from pathlib import Path

import pytest

from lading.errors import ManifestError
from lading.manifest.handoff import commit
from lading.manifest.survey import standings
from support.memory_store import MemoryStore
from support.results import key_for, make_manifest

KEYS = [key_for(str(i)) for i in range(20)]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_one_list_for_a_kind() -> None:
    """Twenty keys cost one LIST and twenty reads, once; the second time one LIST."""
    store, acts = MemoryStore(), []
    for key in KEYS:
        commit(store, make_manifest({"a": b"1"}, key=key), after=0)
    store.before = lambda act, key: acts.append(act)

    first = standings(store, [("data", key) for key in KEYS])
    counted = (acts.count("list"), acts.count("read"))
    acts.clear()

    assert counted == (1, 20)
    assert first == standings(store, [("data", key) for key in KEYS])
    assert acts == ["list"]


def test_one_broken_record_is_named() -> None:
    """A record that is refused is refused here too, with its place."""
    store = MemoryStore()
    for key in KEYS:
        commit(store, make_manifest({"a": b"1"}, key=key), after=0)
    store.write(f"manifests/data/{KEYS[7]}/2.json", make_manifest({"a": b"1"}, key=KEYS[8]).to_bytes())

    with pytest.raises(ManifestError, match=KEYS[7]):
        standings(store, [("data", key) for key in KEYS])
