"""Exact distribution-free bounds of a location from paired differences (Hodges & Lehmann 1963; Hollander & Wolfe 3.3).

The differences here are logarithms of time ratios, so a location of 0 is "equally fast" and exp(location) - 1 is the
change. Everything is exact for continuous differences that are symmetric about their location.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=512)
def null_distribution(n: int) -> Floats:
    """P(W ≤ k) of Wilcoxon's signed-rank statistic of n differences, k = 0 … n(n+1)/2, by convolution over ranks."""
    probability = np.ones(1)
    for rank in range(1, n + 1):
        longer = np.zeros(probability.size + rank)
        longer[: probability.size] += probability / 2
        longer[rank:] += probability / 2
        probability = longer
    return np.cumsum(probability)


def fewest_pairs(tail: float) -> int:
    """Least n whose extreme outcome is rarer than `tail`: 2**-n ≤ tail; with fewer no bound of that level exists."""
    n = 1
    while 0.5**n > tail:
        n += 1
    return n


def walsh_averages(differences: npt.ArrayLike) -> Floats:
    """(d_i + d_j) / 2 over i ≤ j, sorted.

    Parameters
    ----------
    differences : (n,) float, finite, n ≥ 1

    Returns
    -------
    (n(n+1)/2,) float64
    """
    d = np.asarray(differences, dtype=np.float64)
    i, j = np.triu_indices(d.size)
    return np.sort((d[i] + d[j]) / 2)


def location(walsh: Floats) -> float:
    """Hodges–Lehmann estimate: the median of the Walsh averages."""
    return float(np.median(walsh))


def lower_bound(walsh: Floats, tail: float) -> float:
    """One-sided lower bound of the location that is too high with probability ≤ `tail`; -inf where n is too small."""
    index = _index(walsh.size, tail)
    return float(walsh[index]) if index >= 0 else -np.inf


def upper_bound(walsh: Floats, tail: float) -> float:
    """One-sided upper bound of the location that is too low with probability ≤ `tail`; +inf where n is too small."""
    index = _index(walsh.size, tail)
    return float(walsh[-1 - index]) if index >= 0 else np.inf


@lru_cache(maxsize=4096)
def _index(averages: int, tail: float) -> int:
    """Largest k with P(W ≤ k) ≤ tail, -1 if none: the bound is the (k+1)-th Walsh average from its end."""
    n = int((np.sqrt(8 * averages + 1) - 1) / 2)
    return int(np.searchsorted(null_distribution(n), tail, side="right")) - 1


def robust_spread(differences: npt.ArrayLike) -> float:
    """1.4826 × the median distance from the median: the standard deviation where the differences are normal."""
    d = np.asarray(differences, dtype=np.float64)
    return float(1.4826 * np.median(np.abs(d - np.median(d))))
