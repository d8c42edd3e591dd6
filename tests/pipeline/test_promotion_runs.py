"""Promotion by whole runs: at once, late, and again after a rollback; promote stages in real processes over a folder store."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from lading.backends.local import LocalBackend
from lading.canonical import sha256_of
from lading.config.loader import from_data
from lading.launch.promotion import current, history, rollback
from lading.launch.record import RunRecord
from lading.launch.run import launch
from lading.manifest.handoff import commit
from lading.manifest.model import Artifact, Manifest, Provenance, result_of
from lading.names import AttemptId
from lading.store.base import Store
from lading.store.opening import open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two bundles, `a` and `b`."""
    store = open_store(str(tmp_path / "store"))
    for name in ("a", "b"):
        source = tmp_path / f"{name}.json"
        source.write_text(json.dumps({"bundle": name}))
        at = AttemptId("bundle", sha256_of(name), 1)
        digest = store.upload(at.artifacts + "bundle.json", source)
        artifacts = {"bundle.json": Artifact(path="bundle.json", size=digest.size, sha256=digest.sha256)}
        made = Provenance(run=f"made-{name}")
        commit(
            store,
            Manifest(kind="bundle", key=at.key, attempt=1, nonce=name, artifacts=artifacts, result=result_of(artifacts), provenance=made),
            after=0,
        )
    return store


def promote(store: Store, bundle: str, **more: Any) -> RunRecord:
    """A run that promotes a bundle."""
    stages = {
        "bundle": {"kind": "bundle", "from": f"bundle/{sha256_of(bundle)}"},
        "promote": {"needs": {"bundle": "bundle"}, "settings": {"model": "digits"}},
    }
    backend = LocalBackend(store.uri)
    try:
        return launch(from_data({"pipeline": "p", "stages": stages}, folder=Path()), store, backend, **more)
    finally:
        backend.close()


def in_use(store: Store) -> tuple[int, str]:
    """The champion's number and bundle."""
    champion = current(store, "digits", "production")
    assert champion is not None
    return champion.n, champion.bundle.key


def test_the_stage_is_done_again_after_a_rollback(store: Store) -> None:
    """Its result is a hit, and still the champion becomes its bundle: by a new entry of the new run."""
    assert promote(store, "a").state == promote(store, "b").state == "succeeded"
    rollback(store, model="digits", run="by-hand")
    assert in_use(store) == (3, sha256_of("a"))

    again = promote(store, "b")

    assert (again.state, in_use(store)) == ("succeeded", (4, sha256_of("b")))
    assert len([stat for stat in store.list("attempts/promote/") if stat.key.endswith("claim.json")]) == 2
    assert [(entry.n, entry.act) for entry in history(store, "digits", "production")] == [
        (4, "promote"),
        (3, "rollback"),
        (2, "promote"),
        (1, "promote"),
    ]


def test_two_runs_at_once_one_wins_and_the_other_is_told(store: Store) -> None:
    """Both planned over the same champion: one entry is written, the other run fails and names the winner."""
    gate, ends = threading.Barrier(2), dict[str, RunRecord]()

    def go(bundle: str) -> None:
        ends[bundle] = promote(store, bundle, on_start=lambda _: gate.wait(60))

    threads = [threading.Thread(target=go, args=(bundle,)) for bundle in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sorted(record.state for record in ends.values()) == ["failed", "succeeded"]
    won, lost = sorted(ends.values(), key=lambda record: record.state, reverse=True)
    (entry,) = history(store, "digits", "production")
    assert entry.run == won.run
    assert f"has a newer champion: entry 1 (promote) by run {won.run}" in lost.stages["promote"].message
    assert "when this run was planned, there was none" in lost.stages["promote"].message
    assert f"lading compare {won.run}" in lost.stages["promote"].do


def test_a_run_that_was_planned_before_a_later_promotion_overwrites_nothing(store: Store) -> None:
    """Somebody promotes between its plan and its promote stage: it fails, and the later champion stays; started again it says the same."""
    late = promote(store, "a", run="late", on_start=lambda _: promote(store, "b"))

    assert late.state == "failed"
    assert in_use(store) == (1, sha256_of("b"))
    assert promote(store, "a", run="late").state == "failed"
    assert in_use(store) == (1, sha256_of("b"))
    assert promote(store, "a").state == "succeeded"
    assert in_use(store) == (2, sha256_of("a"))
