"""Operations on vectors that round as they are written: against exact rational arithmetic, at every width."""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import pytest

from clustermark.devices.simd import Width, load, store
from clustermark.devices.simd_exact import fused, ordered_total

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
def sum_of_lanes(a, width):
    return ordered_total(load(a, 0, width))


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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_are_added_half_by_half(width: int, dtype: str) -> None:
    values = (np.random.default_rng(width).standard_normal(width) * 10.0 ** (np.arange(width) % 5)).astype(dtype)
    expected = values
    while len(expected) > 1:
        half = len(expected) // 2
        expected = expected[:half] + expected[half:]
    assert sum_of_lanes(values, Width(width)) == expected[0]


def test_another_order_of_the_sum_is_told_apart() -> None:
    values = np.array([1.0, 1e17, 1.0, -1e17])
    assert sum_of_lanes(values, Width(4)) == 2.0 != sum_of_lanes(values[[0, 1, 3, 2]], Width(4))
