"""The order of samples: a function of seed and step alone, so that any stop and any world size meet the same batches."""

import numpy as np

from lading.errors import WrongInputError
from lading.ml.data import Array


class Order:
    """Every epoch is another permutation; a step's batch is found by arithmetic, never by skipping.

    All the state that a sampler has is the number of steps taken: from it follow the epoch and the samples seen.

    Args:
        samples: how many there are.
        batch: of one step, over all processes together.
        seed: of the permutations.
    """

    def __init__(self, samples: int, batch: int, seed: int) -> None:
        if batch > samples:
            raise WrongInputError(
                f"global_batch_size {batch} is larger than the training split of {samples} samples",
                do=f"set global_batch_size to at most {samples}",
            )
        self.samples, self.batch_size, self.seed = samples, batch, seed
        self.steps_per_epoch = samples // batch
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def batch(self, step: int) -> Array:
        """The rows of a step's global batch, in their order; steps count from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._permutation = np.random.default_rng([self.seed, epoch]).permutation(self.samples)
        return self._permutation[place * self.batch_size : (place + 1) * self.batch_size]

    def share(self, step: int, rank: int, world: int) -> Array:
        """The rows of one process: side by side, the shares of all ranks are the global batch."""
        return part(self.batch(step), rank, world)


def part(rows: Array, rank: int, world: int) -> Array:
    """One process's part of rows, unpadded: parts differ by one row at most and together are the whole, in order."""
    size, longer = divmod(len(rows), world)
    start = rank * size + min(rank, longer)
    return rows[start : start + size + (rank < longer)]
