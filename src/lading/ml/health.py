"""Whether a model is worth checking: weights that are numbers, outputs that say something."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lading.errors import WrongInputError

TINY = 1e-20
"""Outputs that are never larger say nothing: every comparison of them would hold."""
FLAT = 1e-6
"""Outputs that vary less than this part of their size between inputs do not depend on the inputs."""


def check_weights(module: nn.Module) -> None:
    """Refuses weights and buffers with NaN or infinities.

    Raises:
        WrongInputError: the first few tensors are named.
    """
    bad = [name for name, value in module.state_dict().items() if value.is_floating_point() and not bool(torch.isfinite(value).all())]
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise WrongInputError(f"the weights hold NaN or infinities: {', '.join(bad[:5])}{more}", do="look at the training's loss curve")


def dead_parameters(module: nn.Module) -> list[str]:
    """Matrices and kernels that are zero throughout: what comes out of them is the same for every input."""
    return [name for name, value in module.named_parameters() if value.ndim > 1 and not bool(value.any())]


def inconclusive(outputs: Sequence[NDArray[Any]]) -> str | None:
    """Why outputs for several different inputs can't tell a right export from a wrong one, or None if they can.

    Args:
        outputs: of one name, for several inputs; the first axis counts samples.
    """
    flat = [np.asarray(sample, dtype=np.float64).ravel() for batch in outputs for sample in batch]
    largest = max((float(np.abs(sample).max()) for sample in flat), default=0.0)
    if not np.isfinite(largest):
        return "it holds NaN or infinities for ordinary inputs"
    if largest < TINY:
        return f"it is never larger than {largest:.1e}, so every comparison would hold"
    by_size: dict[int, list[NDArray[Any]]] = {}
    for sample in flat:
        by_size.setdefault(sample.size, []).append(sample)
    spreads = [float(np.stack(group).std(axis=0).max()) for group in by_size.values() if len(group) > 1]
    if spreads and (spread := max(spreads)) < FLAT * largest:
        return f"it is the same for every input (it varies by {spread:.1e} at a size of {largest:.1e})"
    return None
