"""The launch protocol in two thousand worlds of crashes, pauses, lost answers and damage."""

import pytest

from lading.launch import walk
from simulation.world import simulate

CHUNK = 100


@pytest.mark.parametrize("first", range(0, 2000, CHUNK))
def test_promises_hold_in_every_world(first: int) -> None:
    """No two manifests count for a key, no result lies under a wrong key, no work is lost or doubled, every run ends."""
    for seed in range(first, first + CHUNK):
        try:
            simulate(seed)
        except Exception as error:
            error.add_note(f"replays with: python -m tests.simulation --seed {seed}")
            raise


def test_promises_hold_where_the_store_is_asked_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of launchers that look at the store for a running stage no more often than they must, as with a thousand in flight."""
    monkeypatch.setattr(walk, "LOOKS_PER_S", 0.05)
    for seed in range(3 * CHUNK):
        simulate(seed, marks=True)


def test_a_seed_replays() -> None:
    """The same seed gives the same world, to the last object."""
    first, second = simulate(11), simulate(11)
    assert first.steps == second.steps
    assert sorted(first.store.objects) == sorted(second.store.objects)
