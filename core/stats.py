"""Distribution-free statistics of timings: order statistics and the exact signed-rank test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from clustermark.core.measurement import Measurement

Floats = npt.NDArray[np.float64]

# Fewest launches whose medians alone carry a 95 % interval: 1 - 2 * 2**-6 = 96.9 %.
LAUNCHES_FOR_INTERVAL = 6


@dataclass(frozen=True)
class Interval:
    """`low` ≤ median ≤ `high` with probability `level`, the exact coverage of the order statistics used."""

    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Estimate:
    """Time of one step over all launches, [s].

    Attributes
    ----------
    value : median of the launch medians
    low, high, level : interval and its nominal coverage
    scope : what the interval covers: "launches" (order statistics of six or more launch medians),
        "envelope" (from the lowest to the highest interval of two to five launches) or
        "samples" (the samples of a single launch, which are not independent: narrower than the truth)
    launches, samples : how many of each
    minimum, p95, p99 : over all samples
    """

    value: float
    low: float
    high: float
    level: float
    scope: Literal["launches", "envelope", "samples"]
    launches: int
    samples: int
    minimum: float
    p95: float
    p99: float


@lru_cache(maxsize=4096)
def _order_statistic_rank(n: int, level: float) -> tuple[int, float]:
    """Largest k with P(k ≤ Binomial(n, 1/2) ≤ n - k) ≥ level, and that probability; k = 0 if none."""
    log_half = n * math.log(0.5)
    below = 0.0  # P(B < k)
    best, coverage = 0, 1.0
    for k in range(n // 2 + 1):
        inside = 1.0 - 2.0 * below
        if inside < level:
            break
        best, coverage = k, inside
        below += math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + log_half)
    return best, coverage


def order_statistic_interval(samples: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the median from order statistics (David & Nagaraja, Order Statistics, 7.1).

    Parameters
    ----------
    samples : (n,) float, n ≥ 1
    level : wanted coverage

    Returns
    -------
    Interval : (x_(k), x_(n+1-k)) with its exact coverage for a continuous distribution; where n is too
        small for `level` (n ≤ 5 at 95 %), the extremes with the coverage 1 - 2**(1-n) that they have.

    Raises
    ------
    ValueError : no samples
    """
    x = np.sort(np.asarray(samples, dtype=np.float64))
    n = x.size
    if n == 0:
        raise ValueError("an interval needs at least one sample")
    k, coverage = _order_statistic_rank(n, level)
    if k == 0:
        return Interval(float(x[0]), float(x[-1]), 1.0 - 2.0 ** (1 - n))
    return Interval(float(x[k - 1]), float(x[n - k]), coverage)


def precise_enough(samples: npt.ArrayLike, target: float) -> bool:
    """Half-width of the 95 % interval ÷ median ≤ `target`; never true with fewer than six samples."""
    x = np.asarray(samples, dtype=np.float64)
    if x.size < LAUNCHES_FOR_INTERVAL:
        return False
    interval = order_statistic_interval(x)
    return (interval.high - interval.low) / 2 <= target * float(np.median(x))


def signed_rank_p(differences: npt.ArrayLike) -> float:
    """One-sided p-value of the exact Wilcoxon signed-rank test that the median difference is above 0.

    Zeros are dropped (Wilcoxon 1945) and ties take mid-ranks; the null distribution is that of the
    ranks at hand, counted by convolution over doubled ranks, so it is exact with ties too.

    Parameters
    ----------
    differences : (n,) float, n ≤ 1000

    Returns
    -------
    float : P(W+ ≥ observed) under symmetry about 0; 1.0 if every difference is 0
    """
    d = np.asarray(differences, dtype=np.float64)
    d = d[d != 0]
    if d.size == 0:
        return 1.0
    magnitude = np.abs(d)
    _, inverse, counts = np.unique(magnitude, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    doubled = (2 * last - counts + 1)[inverse]  # 2 * mid-rank, an integer
    observed = int(doubled[d > 0].sum())
    distribution = np.zeros(int(doubled.sum()) + 1)
    distribution[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(distribution)
        shifted[rank:] = distribution[:-rank]
        distribution = (distribution + shifted) / 2
    return float(min(1.0, distribution[observed:].sum()))


def estimate(measurements: Sequence[Measurement]) -> Estimate:
    """Time of one step from the launches of one case; the launch is the unit, samples are never pooled.

    Parameters
    ----------
    measurements : one per launch, at least one

    Returns
    -------
    Estimate : see there for what the interval means with one, few and many launches
    """
    launches = [m.step_seconds for m in measurements]
    medians = np.array([np.median(x) for x in launches])
    pooled = np.concatenate(launches)
    if len(launches) >= LAUNCHES_FOR_INTERVAL:
        interval, scope = order_statistic_interval(medians), "launches"
    else:
        each = [order_statistic_interval(x) for x in launches]
        low, high = min(i.low for i in each), max(i.high for i in each)
        interval = Interval(low, high, min(i.level for i in each))
        scope = "envelope" if len(launches) > 1 else "samples"
    return Estimate(
        value=float(np.median(medians)),
        low=interval.low,
        high=interval.high,
        level=interval.level,
        scope=scope,
        launches=len(launches),
        samples=int(pooled.size),
        minimum=float(pooled.min()),
        p95=float(np.quantile(pooled, 0.95)),
        p99=float(np.quantile(pooled, 0.99)),
    )
