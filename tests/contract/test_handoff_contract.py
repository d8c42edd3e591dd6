"""Handing on over real stores: what decides is decided once, with a folder and with S3."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from lading.attempt.checkpoints import Whole, restore, rotate, upload
from lading.attempt.claims import claim
from lading.attempt.observe import attempts
from lading.attempt.records import Progress
from lading.errors import DamagedInputError
from lading.launch.promotion import current, promote
from lading.manifest.handoff import commit, missing, read_manifest, receive, void
from lading.names import AttemptId
from lading.store.base import Store
from lading.store.opening import open_store
from support.results import KEY, make_claim, make_manifest, put_result

FILES = {"train.npz": b"train bytes" * 1000, "deep/data.json": b"{}"}


def _race(uri: str, index: int, barrier: Any, results: Any) -> None:
    """One process: claims, commits, voids and looks."""
    store = open_store(uri)
    barrier.wait()
    won = claim(store, make_claim(1, nonce=f"c{index}"))
    n, manifest = commit(store, make_manifest(FILES, nonce=f"m{index}"), after=0)
    results.put((won, n, manifest.nonce))


def test_processes_that_race_agree(shared_store: Store) -> None:
    """Of six processes one holds the claim, and all are told the same manifest."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(6), context.Queue()
    racers = [context.Process(target=_race, args=(shared_store.uri, index, barrier, results)) for index in range(6)]
    for racer in racers:
        racer.start()
    said = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()

    assert sum(won for won, _, _ in said) == 1
    assert len({(n, nonce) for _, n, nonce in said}) == 1


def test_a_result_travels_and_damage_is_found(store: Store, tmp_path: Path) -> None:
    """Put, committed, received; then a byte changes in the store, and it is told; then it is voided and made again."""
    ref, manifest = put_result(store, FILES)
    assert (1, manifest) == commit(store, manifest, after=0)
    assert (manifest, []) == (read_manifest(store, ref), missing(store, manifest))
    receive(store, ref, tmp_path / "one", role="data")
    assert FILES["train.npz"] == (tmp_path / "one/train.npz").read_bytes()

    store.write(f"attempts/data/{KEY}/1/artifacts/train.npz", b"x" + FILES["train.npz"][1:])
    with pytest.raises(DamagedInputError):
        receive(store, ref, tmp_path / "two", role="data")
    assert void(store, "data", KEY, n=1, reason="damaged", run="r")
    assert commit(store, make_manifest(FILES, nonce="again", attempt=2), after=2)[0] == 3


def test_an_attempt_is_seen_as_it_lives(store: Store, tmp_path: Path) -> None:
    """Heartbeats change their etag; checkpoints are whole, rotated and restored."""
    place = AttemptId("data", KEY, 1)
    claim(store, make_claim(1))
    store.write(place.progress(), Progress(beat=1).to_bytes())
    before = attempts(store, "data", KEY)[1].beats["0"][0]
    store.write(place.progress(), Progress(beat=2).to_bytes())
    (tmp_path / "state").mkdir()
    (tmp_path / "state/weights").write_bytes(b"w")
    for step in (1, 2, 3):
        upload(store, place, step, tmp_path / "state")
    rotate(store, place)

    now = attempts(store, "data", KEY)[1]
    assert before != now.beats["0"][0]
    assert now.checkpoint == 3
    assert Whole(3, 1, 1) == restore(store, "data", KEY, lambda state: tmp_path / "back")
    assert not list(store.list(place.checkpoints + "1/"))


def test_champions_are_an_append_only_history(store: Store) -> None:
    """Promoted once by a run, seen by all."""
    bundle = make_manifest(FILES, kind="bundle").ref(1)

    first = promote(store, bundle, model="digits", seen=0, run="r1")

    assert first == promote(store, bundle, model="digits", seen=0, run="r1") == current(store, "digits", "production")
