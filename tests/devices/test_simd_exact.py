"""Operations on vectors that round as they are written: against exact rational arithmetic, at every width."""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import pytest

from clustermark.devices.simd import Width, load, store
from clustermark.devices.simd_exact import fused, ordered_totals

WIDTHS = [2, 4, 8, 16]
compiled = numba.njit(error_model="numpy")


@compiled
def fused_lanes(a, b, c, scalar, out, width):
    store(out, 0, fused(load(a, 0, width), load(b, 0, width), load(c, 0, width)))
    store(out, a.size, fused(load(a, 0, width), scalar, load(c, 0, width)))


@compiled
def rounded_twice(a, b, c, scalar, out, width):
    for k in range(a.size):
        out[k] = a[k] * b[k] + c[k]
        out[k + a.size] = a[k] * scalar + c[k]


@compiled
def sums_of_lanes(a, b, c, d, out, width):
    store(out, 0, ordered_totals(load(a, 0, width), load(b, 0, width), load(c, 0, width), load(d, 0, width)))


def is_rounded_once(kernel, dtype: str, width: int) -> bool:
    """c cancels most of a·b, so that a product rounded by itself shows."""
    random = np.random.default_rng(width)
    a, b = random.standard_normal((2, width)).astype(dtype)
    scalar = np.dtype(dtype).type(0.7)
    c = (-a * b).astype(dtype)
    out = np.empty(2 * width, dtype)
    kernel(a, b, c, scalar, out, Width(width))
    others = np.concatenate([b, np.full(width, scalar)])
    exact = [
        float(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)))
        for x, y, z in zip(np.tile(a, 2), others, np.tile(c, 2), strict=True)
    ]
    return bool((out == np.array(exact).astype(dtype)).all())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fused_product_is_rounded_once(width: int, dtype: str) -> None:
    assert is_rounded_once(fused_lanes, dtype, width)


def test_a_product_that_is_rounded_by_itself_is_caught() -> None:
    assert not is_rounded_once(rounded_twice, "float64", 8)


def four_sums(vectors: np.ndarray) -> np.ndarray:
    out = np.zeros(4, vectors.dtype)
    a, b, c, d = vectors
    sums_of_lanes(a, b, c, d, out, Width(4))
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_of_four_vectors_are_added_half_by_half(dtype: str) -> None:
    v = (np.random.default_rng(3).standard_normal((4, 4)) * 10.0 ** np.arange(4)).astype(dtype)
    np.testing.assert_array_equal(four_sums(v), (v[:, 0] + v[:, 2]) + (v[:, 1] + v[:, 3]))


def test_another_order_of_a_sum_is_told_apart() -> None:
    values = np.array([1.0, 1e17, 1.0, -1e17])
    found = four_sums(np.stack([values, values[[0, 1, 3, 2]], values, values]))
    assert found[0] == found[2] == 2.0 != found[1]
