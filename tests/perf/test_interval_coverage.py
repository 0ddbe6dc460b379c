"""The quick guard of interval_study.py: intervals hold the truth as often as they say, and narrow ones are caught."""

from __future__ import annotations

import numpy as np
import pytest
from gate_noise import MACHINES, Floats
from interval_study import LEAST, MOST, Maker, coverage, shipped

from clustermark.core.measurement import Measurement
from clustermark.core.stats import Interval, estimate, median_interval

CASES = 2000
# Three standard errors of a share of 95 % in so many cases.
ERROR = 3 * (0.95 * 0.05 / CASES) ** 0.5


def holds(machine: str, launches: int, make: Maker = shipped) -> bool:
    """Whether the coverage is 94 to 96 % as far as so few cases can tell."""
    return LEAST - ERROR <= coverage(MACHINES[machine], launches, CASES, make=make) <= MOST + ERROR


@pytest.mark.parametrize("launches", [1, 2, 3, 5, 6, 8])
@pytest.mark.parametrize("machine", ["quiet node", "nasty machine"])
def test_intervals_hold_the_truth_as_often_as_they_say(machine: str, launches: int) -> None:
    assert holds(machine, launches)


@pytest.mark.parametrize("launches", [1, 3, 6])
def test_what_is_studied_is_the_interval_of_an_estimate(launches: int) -> None:
    seconds = np.random.default_rng(launches).lognormal(size=(launches, 20))
    found = estimate([Measurement(one[:, None], one[:0, None], 1, "", "", 0.0, "samples") for one in seconds])
    assert shipped(seconds) == Interval(found.low, found.high, found.level)


def between(low: int, high: int) -> Maker:
    """Intervals that end at given order statistics of the launch medians."""

    def make(seconds: Floats) -> Interval:
        medians = np.sort(np.median(seconds, axis=1))
        return Interval(float(medians[low]), float(medians[high]), 0.95)

    return make


def test_an_interval_that_is_too_narrow_is_caught() -> None:
    assert not holds("shared machine", 6, between(1, -2))
    assert not holds("shared machine", 3, between(0, -1))


def test_an_interval_that_is_too_wide_is_caught() -> None:
    assert not holds("shared machine", 8, between(0, -1))


def test_samples_of_several_launches_taken_for_independent_are_caught() -> None:
    assert not holds("shared machine", 6, lambda seconds: median_interval(seconds.ravel()))
