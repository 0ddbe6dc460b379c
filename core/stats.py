"""Statistics of timings: order statistics, Student's t where launches are few, and the exact signed-rank test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from clustermark.core.measurement import Measurement

Floats = npt.NDArray[np.float64]

# Fewest launches whose order statistics carry a 95 % interval: the extremes of six cover 1 - 2 * 2**-6 = 96.9 %.
LAUNCHES_FOR_INTERVAL = 6
# Two-sided 95 % points of Student's t for 1 to 4 degrees of freedom (NIST/SEMATECH e-Handbook, 1.3.6.7.2).
_STUDENT_95 = (12.706205, 4.302653, 3.182446, 2.776445)
_LARGEST_EXPONENT = 700.0  # exp of more overflows


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
        "student" (two to five launch medians, their logarithms taken for normal) or
        "samples" (the samples of a single launch, which are not independent: narrower than the truth);
        "envelope" in documents of older versions: from the lowest to the highest interval of two to five launches
    launches, samples : how many of each
    minimum, p95, p99 : over all samples
    """

    value: float
    low: float
    high: float
    level: float
    scope: Literal["launches", "student", "envelope", "samples"]
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
        below += math.exp(_log_binomial(n, k) + log_half)
    return best, coverage


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


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


def median_interval(samples: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the median at nearly `level`, between two of exact order statistics (Hettmansperger & Sheather 1986).

    The exact ones of few samples cover more than was asked: 99.2 % for 8 at 95 %. Between (x_(k), x_(n+1-k)) with
    coverage c ≥ level and (x_(k+1), x_(n-k)) with c' < level, with i = (c - level) / (c - c') and
    w = (n - k) i / (k + (n - 2 k) i):  low = (1 - w) x_(k) + w x_(k+1), and high likewise.

    Parameters
    ----------
    samples : (n,) float, n ≥ 1
    level : wanted coverage

    Returns
    -------
    Interval : at `level`, for any continuous distribution within about one per cent; the extremes with the coverage
        that they have where n is too small (n ≤ 5 at 95 %).

    Raises
    ------
    ValueError : no samples
    """
    x = np.sort(np.asarray(samples, dtype=np.float64))
    n = x.size
    k, outer = _order_statistic_rank(n, level)
    if k == 0 or 2 * (k + 1) > n:
        return order_statistic_interval(x, level)
    inner = outer - 2.0 * math.exp(_log_binomial(n, k) + n * math.log(0.5))
    share = (outer - level) / (outer - inner)
    weight = (n - k) * share / (k + (n - 2 * k) * share)
    low = (1 - weight) * x[k - 1] + weight * x[k]
    high = (1 - weight) * x[n - k] + weight * x[n - k - 1]
    return Interval(float(low), float(high), level)


def student_interval(medians: npt.ArrayLike) -> Interval:
    """95 % interval of two to five launches by Student's t on their logarithms: exp(mean ± t s / √n).

    No order statistics of so few cover 95 %; this does, as far as launches scatter log-normally. docs/intervals.md has
    how often it does over noise that is not.

    Parameters
    ----------
    medians : (n,) float, 2 ≤ n ≤ 5; where one is not positive, the values stand for their logarithms
    """
    x = np.asarray(medians, dtype=np.float64)
    positive = bool((x > 0).all())
    y = np.log(x) if positive else x
    half = _STUDENT_95[x.size - 2] * float(y.std(ddof=1)) / math.sqrt(x.size)
    low, high = float(y.mean()) - half, float(y.mean()) + half
    if positive:
        low, high = math.exp(max(low, -_LARGEST_EXPONENT)), math.exp(min(high, _LARGEST_EXPONENT))
    middle = float(np.median(x))  # rounding must not put a median of equal values outside
    return Interval(min(low, middle), max(high, middle), 0.95)


def launches_interval(medians: npt.ArrayLike) -> tuple[Interval, Literal["launches", "student"]]:
    """95 % interval of the median over two or more launches from their medians, and its scope (`Estimate`)."""
    x = np.asarray(medians, dtype=np.float64)
    return (student_interval(x), "student") if x.size < LAUNCHES_FOR_INTERVAL else (median_interval(x), "launches")


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
    one = len(launches) == 1
    interval, scope = (median_interval(launches[0]), "samples") if one else launches_interval(medians)
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
