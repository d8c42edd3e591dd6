"""The order of samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import WrongInputError
from lading.ml.sampler import Order, part


@given(samples=st.integers(1, 60), batch=st.integers(1, 20), seed=st.integers(0, 99), world=st.integers(1, 7), step=st.integers(0, 50))
def test_every_world_size_meets_the_same_batch(samples: int, batch: int, seed: int, world: int, step: int) -> None:
    """Side by side, the shares of all ranks are the batch of one process, at any step."""
    batch = min(batch, samples)
    alone = Order(samples, batch, seed).batch(step)
    shares = [Order(samples, batch, seed).share(step, rank, world) for rank in range(world)]

    assert alone.tolist() == np.concatenate(shares).tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(samples=st.integers(1, 40), batch=st.integers(1, 10), stop=st.integers(0, 30))
def test_a_stop_changes_nothing_of_what_follows(samples: int, batch: int, stop: int) -> None:
    """An order made anew at a step goes on exactly as one that never stopped."""
    batch = min(batch, samples)
    through = Order(samples, batch, 3)
    whole = [through.batch(step).tolist() for step in range(stop + 10)]
    fresh = Order(samples, batch, 3)

    assert whole[stop:] == [fresh.batch(step).tolist() for step in range(stop, stop + 10)]


def test_an_epoch_meets_no_sample_twice_and_the_next_is_another() -> None:
    """Within an epoch all rows differ; two epochs differ in order."""
    order = Order(50, 10, 7)
    epochs = [np.concatenate([order.batch(e * 5 + i) for i in range(5)]).tolist() for e in range(2)]

    assert [list(range(50))] * 2 == [sorted(epoch) for epoch in epochs]
    assert epochs[0] != epochs[1]


def test_parts_are_unpadded() -> None:
    """Validation rows are shared out without repeating one."""
    assert np.concatenate([part(np.arange(7), rank, 3) for rank in range(3)]).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_batch_larger_than_the_data_is_a_users_error() -> None:
    """It says which number to change."""
    with pytest.raises(WrongInputError, match="global_batch_size 64 is larger"):
        Order(10, 64, 0)
