"""How near one set of outputs is to another: figures, the bound that they must keep, and a score that anyone can compute again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lading.canonical import finite_or_none
from lading.frozen import Frozen

Array = NDArray[Any]
TOLERANCES: dict[str, tuple[float, float]] = {"float64": (1e-8, 1e-10), "float32": (1e-4, 2e-5), "float16": (2e-2, 1e-2)}
"""Precision to (relative, absolute); the absolute one counts in parts of the largest reference value, so no model's scale matters."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """`|d| <= rtol * |ref| + atol * max|ref|`, at every element."""

    rtol: float
    atol: float

    @classmethod
    def of(cls, precision: str, *, rtol: float | None = None, atol: float | None = None) -> "Tolerance":
        """The tolerance of a precision, or of what overrides it."""
        default = TOLERANCES[precision]
        return cls(default[0] if rtol is None else rtol, default[1] if atol is None else atol)

    def exceeded(self, reference: Array, difference: Array) -> int:
        """How many elements are beyond it; an element that is no number in only one of the two is."""
        size = np.abs(reference)
        finite = size[np.isfinite(size)]
        scale = float(finite.max()) if finite.size else 0.0
        return int(np.count_nonzero(~(difference <= self.rtol * size + self.atol * scale)))


class Row(Frozen):
    """One output of one case, in figures. `problem` is set where the figures could not be taken."""

    format: str
    case: str
    batch: int
    length: int | None = None
    output: str
    problem: str | None = None
    """A wrong shape, a wrong dtype, NaN where the reference has none."""
    count: int = 0
    beyond: int = 0
    """Elements beyond the tolerance."""
    max_abs: float | None = None
    p999_abs: float | None = None
    max_reference: float | None = None
    psnr_db: float | None = None
    """20 log10(max|ref| / RMSE); none where the two are equal."""
    top1: float | None = Field(None, description="Part of the rows whose largest logit is at the same place.")
    kl_mean: float | None = None
    kl_max: float | None = None
    error_ratio: float | None = None
    """Error against an fp64 reference over that of fp32 PyTorch: near 1 is rounding, far above a fault."""

    @property
    def failed(self) -> bool:
        """Whether this row counts as a failure."""
        return self.problem is not None or self.beyond > 0


def compare(reference: Array, found: Array, tolerance: Tolerance, *, logits: bool = False, exact: Array | None = None, **where: Any) -> Row:
    """One row of figures.

    Args:
        reference: what PyTorch gives.
        found: what the format gives.
        tolerance: the bound.
        logits: whether the last axis is a choice: adds top-1 agreement and KL divergence.
        exact: PyTorch's own answer in fp64, for the error ratio.
        where: format, case, batch, length, output of the row.
    """
    if found.shape != reference.shape:
        return Row(**where, problem=f"shape {found.shape} instead of {reference.shape}")
    if found.dtype != reference.dtype:
        return Row(**where, problem=f"dtype {found.dtype} instead of {reference.dtype}")
    ref, got = reference.astype(np.float64), found.astype(np.float64)
    if not np.array_equal(np.isfinite(ref), np.isfinite(got)):
        return Row(**where, count=ref.size, problem=f"{int(np.count_nonzero(~np.isfinite(got)))} of {ref.size} values are NaN or infinite")
    mask = np.isfinite(ref)
    kept, difference = ref[mask], np.abs(ref - got)[mask]
    if not kept.size:
        return Row(**where, count=ref.size, problem="the reference holds no number at all")
    return Row(
        **where,
        count=int(ref.size),
        beyond=tolerance.exceeded(kept, difference),
        max_abs=float(difference.max()),
        p999_abs=float(np.quantile(difference, 0.999)),
        max_reference=float(np.abs(kept).max()),
        psnr_db=psnr_db(kept, got[mask]),
        **(_choice(ref, got) if logits and mask.all() else {}),
        error_ratio=None if exact is None else error_ratio(exact, ref, got),
    )


def psnr_db(reference: Array, found: Array) -> float | None:
    """20 log10(max|ref| / RMSE), or None where nothing differs or the reference is zero."""
    rmse = math.sqrt(float(np.mean((reference - found) ** 2)))
    largest = float(np.abs(reference).max())
    return 20 * math.log10(largest / rmse) if rmse > 0 and largest > 0 else None


def error_ratio(exact: Array, reference: Array, found: Array) -> float | None:
    """max|found - exact| / max|reference - exact|, or None where the reference has no error."""
    own = float(np.abs(reference - exact).max())
    return finite_or_none(float(np.abs(found - exact).max()) / own) if own > 0 else None


def _choice(reference: Array, found: Array) -> dict[str, float]:
    divergence = kl(reference, found)
    return {
        "top1": float(np.mean(reference.argmax(-1) == found.argmax(-1))),
        "kl_mean": float(divergence.mean()),
        "kl_max": float(divergence.max()),
    }


def kl(reference: Array, found: Array) -> Array:
    """KL divergence of softmax(found) from softmax(reference) along the last axis, in nats; never below zero."""
    p, q = log_softmax(reference), log_softmax(found)
    divergence: Array = np.maximum((np.exp(p) * (p - q)).sum(-1), 0.0)
    return divergence


def log_softmax(logits: Array) -> Array:
    """Along the last axis, without overflow."""
    shifted = logits - logits.max(-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def score(rows: Sequence[Row]) -> float:
    """The part of the rows that did not fail; 0 without rows."""
    return sum(not row.failed for row in rows) / len(rows) if rows else 0.0


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """The figures that gates look at, from the rows alone: the worst of each."""
    found: dict[str, float] = {"score": score(rows), "failures": float(sum(row.failed for row in rows)), "comparisons": float(len(rows))}
    worst = {"max_abs_error": ("max_abs", max), "psnr_db": ("psnr_db", min), "kl_max": ("kl_max", max), "error_ratio": ("error_ratio", max)}
    for name, (figure, of) in worst.items():
        values = [value for row in rows if (value := getattr(row, figure)) is not None]
        if values:
            found[name] = of(values)
    agreements = [row.top1 for row in rows if row.top1 is not None]
    if agreements:
        found["top1_agreement"] = float(np.mean(agreements))
    return found


def by_format(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The summary of each format."""
    return {name: summary([row for row in rows if row.format == name]) for name in sorted({row.format for row in rows})}


def percentiles(seconds: Sequence[float]) -> Mapping[str, float]:
    """Latency in milliseconds; p99 only from 200 runs on, because below it is just the slowest."""
    points = {"p50_ms": 50, "p90_ms": 90, **({"p99_ms": 99} if len(seconds) >= 200 else {})}
    return {name: float(np.percentile(seconds, point)) * 1e3 for name, point in points.items()}
