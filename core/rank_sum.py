"""Exact bounds of a shift between two independent groups (Mann & Whitney 1947; Hollander & Wolfe 4.3).

For launches that did not run in pairs: logarithms of launch medians, so that exp(shift) - 1 is the change.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Beyond this the convolution gets long and nothing is gained: the later launches are left out.
MOST_PER_GROUP = 60


@lru_cache(maxsize=256)
def null_distribution(m: int, n: int) -> Floats:
    """P(U ≤ u) of the Mann–Whitney statistic of groups of m and n, u = 0 … mn, from the Gaussian binomial."""
    counts = np.zeros(m * n + 1)
    counts[0] = 1.0
    for k in range(1, m + 1):  # times (1 - q^(n+k)) / (1 - q^k), term by term
        if n + k < counts.size:
            counts[n + k :] -= counts[: counts.size - n - k].copy()
        for start in range(k, counts.size):
            counts[start] += counts[start - k]
    return np.cumsum(counts) / counts.sum()


def shifts(old: npt.ArrayLike, new: npt.ArrayLike) -> Floats:
    """new_j - old_i over all pairs, sorted; (m*n,) float64."""
    x, y = (np.asarray(group, dtype=np.float64)[:MOST_PER_GROUP] for group in (old, new))
    return np.sort((y[None, :] - x[:, None]).ravel())


def shift_bounds(old: npt.ArrayLike, new: npt.ArrayLike, tail: float) -> tuple[float, float, float]:
    """Estimate (median of all differences) with its one-sided lower and upper bounds, each wrong with P ≤ `tail`.

    Infinite where the groups are too small for that level.
    """
    all_shifts = shifts(old, new)
    m, n = (min(len(np.atleast_1d(np.asarray(group))), MOST_PER_GROUP) for group in (old, new))
    index = int(np.searchsorted(null_distribution(m, n), tail, side="right")) - 1
    estimate = float(np.median(all_shifts))
    if index < 0:
        return estimate, -np.inf, np.inf
    return estimate, float(all_shifts[index]), float(all_shifts[-1 - index])
