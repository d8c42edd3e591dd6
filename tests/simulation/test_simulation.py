"""The launch protocol in two thousand worlds of crashes, pauses, lost answers and damage."""

import pytest

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


def test_a_seed_replays() -> None:
    """The same seed gives the same world, to the last object."""
    first, second = simulate(11), simulate(11)
    assert first.steps == second.steps
    assert sorted(first.store.objects) == sorted(second.store.objects)
