"""The accuracy of matrix products: exact dot products, and faults that must be found."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.accuracy import exact_dot, product_bound, product_error
from clustermark.core.precision import PRECISIONS

VALUES = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=12))
def test_the_dot_product_is_correctly_rounded(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    assert exact_dot(x, y) == float(sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0)))


def matrices(n: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.standard_normal((n, n)), rng.standard_normal((n, n))


@pytest.mark.parametrize("name", ["fp64", "fp32"])
def test_a_good_product_is_within_its_bound(name: str) -> None:
    a, b = (m.astype(PRECISIONS[name].storage) for m in matrices())
    found = product_error(a, b, a @ b, np.random.default_rng(0))
    assert 0 < found.error < product_bound(PRECISIONS[name], 64)


@pytest.mark.parametrize("size", [1e-12, 1.0, math.nan, math.inf])
def test_one_wrong_entry_of_a_fp64_product_is_found(size: float) -> None:
    a, b = matrices()
    c = a @ b
    c[3, 5] += size * (np.abs(a[3]) @ np.abs(b[:, 5]))
    assert product_error(a, b, c, np.random.default_rng(0)).error > product_bound(PRECISIONS["fp64"], 64)


def test_where_the_product_must_be_zero_nothing_else_will_do() -> None:
    zero = np.zeros((8, 8))
    assert product_error(zero, zero, zero, np.random.default_rng(0)).error == 0.0
    wrong = zero.copy()
    wrong[2, 2] = 1e-300
    assert product_error(zero, zero, wrong, np.random.default_rng(0), entries=512).error == math.inf
    wrong[2, 2] = 1.0
    assert product_error(zero, zero, wrong, np.random.default_rng(0), entries=1).error == math.inf


def test_the_bound_grows_with_the_root_of_the_inner_length() -> None:
    fp32 = PRECISIONS["fp32"]
    assert product_bound(fp32, 1) == 2 * fp32.unit_roundoff
    growth = (product_bound(fp32, 40_000) - fp32.unit_roundoff) / (product_bound(fp32, 10_000) - fp32.unit_roundoff)
    assert growth == pytest.approx(2.0)
