"""The heart: it beats whatever happens, and notices when an attempt is no longer wanted."""

import threading
import time

import pytest

from lading import names
from lading.attempt.claims import claim
from lading.attempt.progress import Heart, heartbeat_s, read_progress
from lading.attempt.verdict import lost
from lading.errors import StoreError, UserError
from lading.manifest.handoff import commit, void
from lading.manifest.model import Void
from lading.names import AttemptId
from support.memory_store import MemoryStore
from support.results import KEY, make_claim, make_manifest

HERE = AttemptId("data", KEY, 1)


def heart(store: MemoryStore, told: list[str], **fields: object) -> Heart:
    """A heart with what does not matter filled in."""
    values: dict = {"read": lambda: {"state": "running", "percent": 5.0}, "stop": told.append, "after": 0, "every_s": 0.01, **fields}
    return Heart(store, HERE, **values)


@pytest.mark.parametrize("text", ["0", "-1", "11", "abc", "nan", "inf", "1e-9"])
def test_a_heartbeat_that_would_kill_is_refused(text: str) -> None:
    """Only 0.05 to 10 s are heartbeats: observers wait 60 s."""
    with pytest.raises(UserError, match="LADING_HEARTBEAT_S"):
        heartbeat_s({names.ENV_HEARTBEAT_S: text})
    assert (heartbeat_s({}), heartbeat_s({names.ENV_HEARTBEAT_S: "0.5"})) == (5.0, 0.5)


def test_it_beats_by_itself() -> None:
    """Beats count up in a thread of their own while the stage works."""
    store, told = MemoryStore(), []
    with heart(store, told):
        end = time.monotonic() + 5
        while ((seen := read_progress(store, HERE)) is None or seen.beat < 3) and time.monotonic() < end:
            time.sleep(0.005)
    assert seen is not None
    assert (seen.percent, seen.state, told) == (5.0, "running", [])
    assert not [t for t in threading.enumerate() if t.name.startswith("heart")]


def test_it_is_seen_soon() -> None:
    """The second beat comes after a second, not after the usual pause: a stage of a few seconds shows how far it is."""
    store = MemoryStore()
    with heart(store, [], every_s=10.0):
        began = time.monotonic()
        while (said := read_progress(store, HERE, "0")) is None or said.beat < 2:
            assert time.monotonic() - began < 5
            time.sleep(0.02)


def test_its_own_verdict_a_higher_claim_or_a_manifest_stop_it_once() -> None:
    """Each of the three is noticed at the next beat, and told once."""
    for change, word in (
        (lambda s: s.write(HERE.verdict, lost("x", run="r", nonce="n").to_bytes()), "judged"),
        (lambda s: claim(s, make_claim(2)), "attempt 2 has been claimed"),
        (lambda s: commit(s, make_manifest({"a": b"1"}, attempt=7), after=0), "stands already"),
    ):
        store, told = MemoryStore(), []
        beating = heart(store, told)
        beating.beat()
        assert told == []
        change(store)
        beating.beat()
        beating.beat()
        assert len(told) == 1
        assert word in told[0]


def test_a_void_and_what_it_began_after_stop_nothing() -> None:
    """An attempt that was started because of a void is not stopped by it, nor by the manifest before."""
    store, told = MemoryStore(), []
    commit(store, make_manifest({"a": b"1"}), after=0)
    void(store, "data", KEY, n=1, reason="r", run=None)
    heart(store, told, after=0).beat()
    heart(store, told, after=2).beat()
    store.write(names.manifest("data", KEY, 3), Void(kind="data", key=KEY, voids=2, nonce="n", reason="r").to_bytes())
    heart(store, told, after=2).beat()

    assert told == []


def test_a_store_out_of_reach_is_left_for_the_next_beat() -> None:
    """The stage goes on while the store is away."""
    store, told = MemoryStore(), []
    beating = heart(store, told)

    def away(act: str, key: str) -> None:
        raise StoreError("away")

    store.before = away
    beating.beat()
    store.before = lambda act, key: None
    beating.beat()

    seen = read_progress(store, HERE)
    assert seen is not None
    assert (seen.beat, told) == (2, [])


def test_nonsense_from_the_stage_does_not_stop_the_heart() -> None:
    """A stage that reports rubbish still lives."""
    store = MemoryStore()
    heart(store, [], read=lambda: {"percent": float("nan"), "what": object()}).beat()

    assert read_progress(store, HERE) is not None
