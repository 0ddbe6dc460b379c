"""Global sums: the same bits in any order and on any ranks, as exact as float64 can say, and refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from thread_ranks import on_ranks

from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.gathering import scatter
from clustermark.apps.climate.grid import PanelGrid, area_weights
from clustermark.apps.climate.sums import AreaSums, sum_of, total_of
from clustermark.core.errors import ClustermarkError

GRID = PanelGrid(13)
# Nothing between 0 and 1e-200: terms far below 2^-900 count as nothing.
TERMS = st.lists(st.just(0.0) | st.floats(1e-200, 1e5), min_size=1, max_size=200)


@given(terms=TERMS, seed=st.integers(0, 2**31))
def test_any_order_gives_the_same_bits(terms: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(terms)
    assert sum_of(np.array(terms), 2e5) == sum_of(shuffled, 2e5)


@example(terms=[0.0])
@example(terms=[1e5, 1e-200])
@given(terms=TERMS)
def test_sums_are_those_of_exact_arithmetic_to_one_ulp(terms: list[float]) -> None:
    """200 terms below 2^E are off by at most 200·2^(E − 64); the largest, above 2^(E − 2), has an ulp of 2^(E − 54)."""
    exact = math.fsum(terms)
    bound = 1.001 * max(*terms, 1e-200)
    assert abs(sum_of(np.array(terms), bound) - exact) <= math.ulp(exact)


def test_a_plain_sum_would_not_give_the_same_bits() -> None:
    terms = np.random.default_rng(1).uniform(9e4, 1e5, 5000)
    turned = terms[::-1]
    assert sum(terms.tolist()) != sum(turned.tolist())
    assert sum_of(terms, 1e5) == sum_of(turned, 1e5) == math.fsum(terms)


def test_cancelling_terms_leave_their_exact_rest() -> None:
    assert sum_of(np.array([1e5, 2.0**-20, -1e5]), 1e6) == 2.0**-20


def test_words_are_joined_with_their_signs() -> None:
    assert total_of(-1, 2**31, 31) == -0.5
    assert total_of(2**61, 0, 31) == 2.0**61


@pytest.mark.parametrize("bad", [np.nan, np.inf, -3e5])
def test_terms_that_are_no_numbers_or_beyond_the_bound_are_refused(bad: float) -> None:
    with pytest.raises(
        ClustermarkError, match=r"sum of mass meets 1 cells that are no finite number or beyond ±2e\+05"
    ):
        sum_of(np.array([1.0, bad]), 2e5, name="mass")


def test_sums_that_may_overflow_are_refused() -> None:
    class Crowd:
        size = 2**25

    with pytest.raises(ClustermarkError, match=r"terms may overflow its words: expected 2147483648 or fewer"):
        AreaSums(Crowd(), np.ones((1, 20, 40)), 16, 1.0)


@pytest.mark.parametrize(("py", "px", "together"), [(1, 1, False), (2, 1, True), (2, 3, False), (1, 5, True)])
def test_ranks_change_no_bit_of_areas_and_masses(py: int, px: int, together: bool) -> None:
    weights = area_weights(GRID, 6.4e6)
    pressure = np.random.default_rng(5).normal(1e5, 2e3, (2, GRID.rows, GRID.columns))

    def sums(domain: Domain, comm: Any) -> list[float]:
        arrays = []
        for whole in (np.stack([weights, weights]), pressure):
            arrays.append(np.full(domain.shape, np.nan))
            scatter(domain, whole if domain.rank == 0 else None, arrays[-1], comm)
        area = AreaSums(comm, arrays[0], domain.blocks[0].columns, float(weights.max()))
        return area.of({"area": np.ones_like(arrays[1]), "pressure": arrays[1]}, [2.0, 2e5]).tolist()

    expected = sums(Domain(GRID, 1, 1, 1, 0, True), None)
    assert math.isclose(expected[0], 4 * np.pi * 6.4e6**2, rel_tol=1e-14)
    assert math.isclose(expected[1], math.fsum((weights * pressure).reshape(-1)), rel_tol=4e-16)
    domain = Domain(GRID, py, px, py * px * (1 if together else 2), 0, together)
    assert all(s == expected for s in on_ranks(domain.ranks, lambda comm: sums(replace(domain, rank=comm.rank), comm)))
