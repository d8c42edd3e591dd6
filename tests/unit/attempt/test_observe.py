"""Claims and what observers see."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lading.attempt.claims import claim
from lading.attempt.observe import Watch, attempts
from lading.attempt.records import Outcome, Progress
from lading.attempt.verdict import lost
from lading.codes import Code
from lading.errors import ManifestError
from lading.names import AttemptId
from support.memory_store import MemoryStore
from support.results import KEY, make_claim


def test_one_of_many_holds_a_number() -> None:
    """Of eight launchers at once one gets the claim, and it may ask again."""
    store, gate = MemoryStore(), threading.Barrier(8)

    def one(i: int) -> bool:
        gate.wait()
        return claim(store, make_claim(1, nonce=f"c{i}"))

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(one, range(8)))
    assert sum(won) == 1
    assert claim(store, make_claim(1, nonce=f"c{won.index(True)}"))


def test_an_attempt_tree_is_one_list() -> None:
    """Claims, outcomes and verdicts are read, each once; heartbeats, logs and artifacts never."""
    store = MemoryStore()
    place = AttemptId("data", KEY, 1)
    claim(store, make_claim(1, pods=2))
    claim(store, make_claim(2))
    store.write(place.progress("0"), Progress(beat=1).to_bytes())
    store.write(place.outcome("0"), Outcome(code=Code.FAILED).to_bytes())
    store.write(place.verdict, lost("gone", run="r", nonce="n").to_bytes())
    store.write(place.artifacts + "claim.json", b"not a claim")
    store.write(place.log() + "000000.log", b"text")
    store.write("attempts/data/" + KEY + "/x/claim.json", b"?")
    acts: list[tuple[str, str]] = []
    store.before = lambda act, key: acts.append((act, key))
    cache: dict = {}

    found = attempts(store, "data", KEY, cache=cache)

    assert list(found) == [1, 2]
    assert (found[1].ended, found[1].verdict is not None) == (False, True)
    assert found[1].beats == {"0": ("e3", 0.0)}
    assert [act for act, _ in acts] == ["list"] + ["read"] * 4
    assert found == attempts(store, "data", KEY, cache=cache)
    assert [act for act, _ in acts[5:]] == ["list"]


def test_a_checkpoint_counts_when_all_parts_are_there() -> None:
    """The highest step with every part; a higher one that lacks a part is none."""
    store = MemoryStore()
    claim(store, make_claim(1, pods=2))
    for name in ("5/part-0-of-2.json", "5/part-1-of-2.json", "9/part-1-of-2.json", "12/0/data"):
        store.write(AttemptId("data", KEY, 1).checkpoints + name, b"{}")

    assert attempts(store, "data", KEY)[1].checkpoint == 5


def test_a_claim_that_is_refused_is_said() -> None:
    """A document that is none is an error with its place, not a missing attempt."""
    store = MemoryStore()
    store.write(AttemptId("data", KEY, 1).claim, b'{"schema":"lading/claim/v2"}')

    with pytest.raises(ManifestError, match=r"claim.json .*newer lading"):
        attempts(store, "data", KEY)


def test_liveness_is_change_on_the_observers_clock() -> None:
    """Stale after 60 s without a change, whatever the store's times say; one more beat and it lives again."""
    store, watch = MemoryStore(clock=lambda: -1e9), Watch()
    claim(store, make_claim(1))
    beat = AttemptId("data", KEY, 1).progress()

    def stale(now: float) -> bool:
        return watch.stale(attempts(store, "data", KEY)[1], now)

    assert not stale(1000)
    assert not stale(1059)
    assert stale(1060)
    store.write(beat, Progress(beat=1).to_bytes())
    assert not stale(1061)
    store.write(beat, Progress(beat=2).to_bytes())
    assert not stale(1120)
    assert not stale(1179)
    assert stale(1180)


def test_how_long_an_attempt_goes_on() -> None:
    """Since its claim by the store's clock, also before its first heartbeat; of one that fell silent, until it was heard of last."""
    clock = [100.0]
    store = MemoryStore(clock=lambda: clock[0])
    claim(store, make_claim(1))
    assert attempts(store, "data", KEY)[1].seconds(340.0) == 240.0
    clock[0] = 150.0
    store.write(AttemptId("data", KEY, 1).progress(), Progress(beat=1).to_bytes())
    assert attempts(store, "data", KEY)[1].seconds(200.0) == 100.0
    assert attempts(store, "data", KEY)[1].seconds(5000.0) == 50.0
