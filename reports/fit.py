"""Hockney's model of a message: t(n) = α + n/β (R. W. Hockney, Parallel Computing 20 (1994) 389-398)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_SIZES = 3


@dataclass(frozen=True)
class HockneyFit:
    """Parameters of t(n) = α + n/β.

    Attributes
    ----------
    alpha : [s] start-up time
    beta : [B/s] asymptotic rate; infinite where time does not grow with size
    max_relative_error : largest \\|fit - measured\\| ÷ measured over the points
    """

    alpha: float
    beta: float
    max_relative_error: float

    def seconds(self, size: float) -> float:
        """Modelled time of `size` bytes, [s]."""
        return self.alpha + size / self.beta


def fit_hockney(sizes: Sequence[float], seconds: Sequence[float]) -> HockneyFit | None:
    """Least squares of the relative error, Σ ((α + n/β - t) / t)², with α ≥ 0 and 1/β ≥ 0.

    The relative error weighs 8 B like 8 MiB: absolute least squares would fit the largest message alone.

    Parameters
    ----------
    sizes : [B] message sizes, positive
    seconds : [s] time of each, positive

    Returns
    -------
    HockneyFit | None : None with fewer than three different sizes, which two parameters fit by construction
    """
    n, t = np.asarray(sizes, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if len(set(sizes)) < LEAST_SIZES:
        return None
    columns = np.stack([1 / t, n / t], axis=1)
    scale = np.linalg.norm(columns, axis=0)
    both = np.linalg.lstsq(columns / scale, np.ones_like(t), rcond=None)[0] / scale
    if (both >= 0).all():
        alpha, slope = map(float, both)
    else:
        alpha, slope = _best_alone(columns)
    beta = 1 / slope if slope > 0 else math.inf
    error = np.abs(alpha + slope * n - t) / t
    return HockneyFit(alpha, beta, float(error.max()))


def _best_alone(columns: np.ndarray) -> tuple[float, float]:
    """With two non-negative unknowns the constrained optimum lies on an axis once the free one is outside."""
    best, least = (0.0, 0.0), math.inf
    for index in range(2):
        column = columns[:, index]
        value = float(column.sum() / (column @ column))
        residual = float(((value * column - 1) ** 2).sum())
        if residual < least:
            best, least = ((value, 0.0) if index == 0 else (0.0, value)), residual
    return best
