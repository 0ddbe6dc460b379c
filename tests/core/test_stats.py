"""Order statistics against the exact binomial, the signed-rank test against enumeration."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from core_examples import measurement_of
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.measurement import Measurement
from clustermark.core.stats import (
    estimate,
    median_interval,
    order_statistic_interval,
    precise_enough,
    signed_rank_p,
    student_interval,
)


def exact_coverage(n: int, k: int) -> Fraction:
    """P(k ≤ Binomial(n, 1/2) ≤ n - k): the median lies between the k-th and the (n+1-k)-th of n."""
    return Fraction(sum(comb(n, j) for j in range(k, n - k + 1)), 2**n)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_the_coverage_is_the_exact_binomial_and_the_interval_the_narrowest(level: float) -> None:
    for n in range(1, 200):
        interval = order_statistic_interval(np.arange(1.0, n + 1), level)
        k = int(interval.low)
        assert interval.high == n + 1 - k
        assert interval.level == pytest.approx(float(exact_coverage(n, k)), abs=1e-12)
        if exact_coverage(n, 1) >= level:
            assert exact_coverage(n, k) >= level
            assert exact_coverage(n, k + 1) < level
        else:
            assert k == 1


def test_one_to_ten_samples_give_the_published_ranks() -> None:
    # 95 % ranks k of the median, e.g. David & Nagaraja, Order Statistics, table of 7.1; below six the extremes.
    published = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1, 9: 2, 10: 2}
    for n, k in published.items():
        assert order_statistic_interval(np.arange(1.0, n + 1)).low == k
    assert order_statistic_interval([3.0]).level == 0.0
    assert order_statistic_interval([3.0, 1.0]) == order_statistic_interval([1.0, 3.0])
    assert order_statistic_interval([3.0, 1.0]).level == 0.5


def test_an_interval_of_no_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        order_statistic_interval([])


def test_a_large_sample_keeps_its_precision() -> None:
    interval = order_statistic_interval(np.arange(100_000.0))
    assert 0.95 <= interval.level < 0.953
    assert interval.high - interval.low == pytest.approx(1.96 * 100_000**0.5, rel=0.02)


@pytest.mark.parametrize("n", [6, 9, 20, 51])
def test_simulated_intervals_cover_the_median_as_often_as_they_say(n: int) -> None:
    rng = np.random.default_rng(20)
    draws = rng.lognormal(0.0, 1.0, (4000, n))  # the median of the distribution is 1
    intervals = [order_statistic_interval(row) for row in draws]
    hits = np.mean([i.low <= 1.0 <= i.high for i in intervals])
    assert hits == pytest.approx(intervals[0].level, abs=4 * (0.05 * 0.95 / 4000) ** 0.5)


def enumerated_p(differences: list[int]) -> float:
    """P(W+ ≥ observed) over all sign patterns of the non-zero differences, mid-ranks for ties."""
    kept = [d for d in differences if d]
    if not kept:
        return 1.0
    sizes = sorted(abs(d) for d in kept)
    rank = {s: Fraction(sum(i + 1 for i, t in enumerate(sizes) if t == s), sizes.count(s)) for s in sizes}
    ranks = [rank[abs(d)] for d in kept]
    observed = sum(r for r, d in zip(ranks, kept, strict=True) if d > 0)
    patterns = itertools.product((0, 1), repeat=len(kept))
    above = sum(sum(itertools.compress(ranks, signs)) >= observed for signs in patterns)
    return above / 2 ** len(kept)


@given(st.lists(st.integers(-4, 4), max_size=8) | st.lists(st.integers(-30, 30), max_size=7))
def test_signed_rank_agrees_with_all_sign_patterns(differences: list[int]) -> None:
    assert signed_rank_p(differences) == pytest.approx(enumerated_p(differences), abs=1e-12)


def test_signed_rank_agrees_with_all_sign_patterns_of_ten_with_ties_and_zeros() -> None:
    rng = np.random.default_rng(3)
    for _ in range(8):
        differences = [int(d) for d in rng.integers(-5, 7, 10)]
        assert signed_rank_p(differences) == pytest.approx(enumerated_p(differences), abs=1e-12)


def test_ten_of_ten_positive_is_two_to_the_minus_ten() -> None:
    assert signed_rank_p(np.arange(1.0, 11.0)) == 2.0**-10
    assert signed_rank_p(-np.arange(1.0, 11.0)) == 1.0
    assert signed_rank_p([0.0, 0.0]) == 1.0


def launch(samples: list[float], steps: int = 1) -> Measurement:
    seconds = np.array(samples)[:, None]
    return Measurement(seconds, seconds[:0], steps, "perf_counter", "barrier", 0.0, "samples")


def test_one_launch_is_estimated_from_its_samples() -> None:
    found = estimate([launch([1.0, 2.0, 3.0], steps=2)])
    assert (found.value, found.low, found.high, found.scope) == (1.0, 0.5, 1.5, "samples")
    assert (found.launches, found.samples, found.minimum) == (1, 3, 0.5)


def test_two_to_five_launches_give_students_interval_of_their_logarithms() -> None:
    # t of 95 % for 2 degrees of freedom is 4.303; logarithms -1, 0, 1 have mean 0 and s = 1.
    found = estimate([launch([float(np.exp(k))] * 3) for k in (-1, 0, 1)])
    assert found.scope == "student"
    assert found.level == 0.95
    assert np.log([found.low, found.value, found.high]) == pytest.approx([-4.303 / 3**0.5, 0, 4.303 / 3**0.5], abs=1e-3)
    for count in range(2, 6):
        equal = estimate([launch([3.0, 3.0])] * count)
        assert (equal.low, equal.value, equal.high) == pytest.approx((3.0, 3.0, 3.0), rel=1e-15)
        assert equal.low <= equal.value <= equal.high


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=5))
def test_students_interval_holds_the_median_whatever_the_launches(medians: list[float]) -> None:
    found = student_interval(medians)
    assert found.low <= np.median(medians) <= found.high


def test_six_launches_use_their_medians_alone() -> None:
    # 95 % lies (c - 0.95) / (c - c') = 0.1 of the way from 96.875 % (extremes) to 78.125 %: weight 5 · 0.1 / (1 + 0.4).
    found = estimate([launch([k + 1.0, k + 2.0, 100.0]) for k in range(6)])
    assert (found.scope, found.level) == ("launches", 0.95)
    assert (found.low, found.high) == pytest.approx((2 + 0.5 / 1.4, 7 - 0.5 / 1.4))


@pytest.mark.parametrize("n", [6, 7, 9, 20, 51, 400])
def test_the_interpolated_interval_lies_between_the_exact_ones_around_its_level(n: int) -> None:
    x = np.random.default_rng(n).lognormal(size=n)
    outer, ordered = order_statistic_interval(x), np.sort(x)
    k = int(np.searchsorted(ordered, outer.low))
    found = median_interval(x)
    assert outer.low <= found.low <= ordered[k + 1]
    assert ordered[n - k - 2] <= found.high <= outer.high
    assert found.level == 0.95


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_samples_keep_their_extremes_and_the_coverage_that_these_have(n: int) -> None:
    x = np.arange(float(n))
    assert median_interval(x) == order_statistic_interval(x)


def test_the_slowest_rank_defines_a_sample() -> None:
    measured = measurement_of(np.random.default_rng(0), ranks=3)
    assert (measured.step_seconds == measured.seconds.max(axis=1) / 10).all()


def test_sampling_goes_on_until_the_interval_is_narrow() -> None:
    rng = np.random.default_rng(1)
    quiet, loud = 1.0 + 0.001 * rng.random(10), rng.lognormal(0.0, 1.0, 10)
    assert precise_enough(quiet, 0.02)
    assert not precise_enough(loud, 0.02)
    assert not precise_enough([1.0] * 5, 0.02), "five samples carry no 95 % interval"
    assert precise_enough([1.0] * 6, 0.02)
    assert not precise_enough([], 0.02)


def test_noise_stops_only_after_enough_samples() -> None:
    rng = np.random.default_rng(2)
    samples = rng.lognormal(0.0, 0.1, 5000)
    stop = next(n for n in range(6, 5001) if precise_enough(samples[:n], 0.02))
    assert 20 < stop < 1000
