"""Bounds of a location against enumeration, their coverage, and what too few pairs cannot say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.signed_rank import (
    fewest_pairs,
    location,
    lower_bound,
    null_distribution,
    robust_spread,
    upper_bound,
    walsh_averages,
)
from clustermark.core.stats import signed_rank_p

differences = st.lists(st.floats(-5, 5).filter(lambda x: abs(x) > 1e-6), min_size=1, max_size=12, unique_by=abs)

# On a grid, so that no two of their averages are closer than the steps to either side of a bound.
separated = st.lists(st.integers(-320, 320).filter(bool).map(lambda k: k / 64), min_size=1, max_size=12, unique_by=abs)


@pytest.mark.parametrize("n", range(1, 9))
def test_the_null_distribution_is_that_of_all_sign_patterns(n: int) -> None:
    sums = [
        sum(r for r, up in zip(range(1, n + 1), signs, strict=True) if up)
        for signs in itertools.product((0, 1), repeat=n)
    ]
    counted = np.array([np.mean(np.array(sums) <= k) for k in range(n * (n + 1) // 2 + 1)])
    assert null_distribution(n) == pytest.approx(counted, abs=1e-12)


@given(separated, st.sampled_from([0.01, 0.05, 0.1]))
def test_the_lower_bound_is_where_the_exact_test_turns(d: list[float], tail: float) -> None:
    """Just below the bound the location is rejected, just above it is not: bound and test are one thing."""
    low = lower_bound(walsh_averages(d), tail)
    if low == -math.inf:
        assert 0.5 ** len(d) > tail
        return
    assert signed_rank_p(np.array(d) - (low - 1e-7)) <= tail + 1e-12
    assert signed_rank_p(np.array(d) - (low + 1e-7)) > tail or len(d) == 1


@given(differences)
def test_upper_and_lower_bound_mirror_each_other_about_the_estimate(d: list[float]) -> None:
    walsh, mirrored = walsh_averages(d), walsh_averages([-x for x in d])
    assert upper_bound(walsh, 0.1) == -lower_bound(mirrored, 0.1)
    assert location(walsh) == pytest.approx(-location(mirrored))
    assert lower_bound(walsh, 0.1) <= location(walsh) <= upper_bound(walsh, 0.1)


@given(differences, st.floats(-3, 3))
def test_a_shift_of_all_pairs_shifts_estimate_and_bounds(d: list[float], shift: float) -> None:
    before, after = walsh_averages(d), walsh_averages([x + shift for x in d])
    assert location(after) == pytest.approx(location(before) + shift, abs=1e-9)
    if lower_bound(before, 0.1) > -math.inf:
        assert lower_bound(after, 0.1) == pytest.approx(lower_bound(before, 0.1) + shift, abs=1e-9)


@pytest.mark.parametrize(("n", "tail"), [(10, 0.10), (10, 0.05), (20, 0.01)])
def test_the_bound_is_above_the_truth_as_rarely_as_it_says(n: int, tail: float) -> None:
    rng = np.random.default_rng(3)
    trials = 4000
    above = sum(lower_bound(walsh_averages(row), tail) > 0 for row in rng.standard_t(3, (trials, n)))
    assert above / trials <= tail + 3 * math.sqrt(tail / trials)
    assert above / trials >= tail / 2  # and it is not uselessly low


def test_five_pairs_cannot_show_anything_at_one_percent() -> None:
    assert fewest_pairs(0.01) == 7
    assert fewest_pairs(0.10) == 4
    assert lower_bound(walsh_averages([1.0, 2.0, 3.0, 4.0, 5.0]), 0.01) == -math.inf
    assert upper_bound(walsh_averages([1.0, 2.0, 3.0, 4.0, 5.0]), 0.01) == math.inf


def test_the_spread_of_normal_pairs_is_their_standard_deviation_and_outliers_do_not_move_it() -> None:
    d = np.random.default_rng(0).normal(0, 0.03, 4001)
    assert robust_spread(d) == pytest.approx(0.03, rel=0.05)
    d[:400] = 10
    assert robust_spread(d) == pytest.approx(0.03, rel=0.2)
