"""Vectors that keep the order of a formula, stores of part of a vector, and magnitudes."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from clustermark.devices.simd import Width, lanes, load, magnitude, ordered, store, store_apart, store_first

compiled = numba.njit(error_model="numpy")


@compiled
def magnitudes(a, out, width):
    store(out, 1, magnitude(load(a, 3, width)))


@compiled
def part(a, out, count, width):
    store_first(out, 1, load(a, 3, width), count)


@compiled
def apart(a, out, step, width):
    store_apart(out, 1, step, load(a, 3, width))


@compiled
def cancelled(a, b, out, width):
    """(a + b) − a, which is b as long as nobody computes as written."""
    for i in range(0, out.size, lanes(width)):
        x, y = load(a, i, width), load(b, i, width)
        store(out, i, (x + y) - x)


@compiled
def cancelled_in_order(a, b, out, width):
    cancelled(a, b, out, ordered(width))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lanes_wanted", [2, 4, 8, 16])
def test_magnitudes_are_those_of_numpy_and_zero_loses_its_sign(dtype, lanes_wanted):
    a = np.random.default_rng(1).normal(size=40).astype(dtype)
    a[4] = -0.0
    out = np.zeros(40, dtype)
    magnitudes(a, out, Width(lanes_wanted))
    np.testing.assert_array_equal(out[1 : 1 + lanes_wanted], np.abs(a[3 : 3 + lanes_wanted]))
    assert not np.signbit(out[1 : 1 + lanes_wanted]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lanes_wanted", [2, 4, 8, 16])
def test_a_store_of_the_first_lanes_leaves_all_others_as_they_were(dtype, lanes_wanted):
    a = np.arange(40).astype(dtype)
    for count in range(lanes_wanted + 3):
        out = np.full(40, -1, dtype)
        part(a, out, count, Width(lanes_wanted))
        wanted = np.full(40, -1, dtype)
        stored = min(count, lanes_wanted)
        wanted[1 : 1 + stored] = a[3 : 3 + stored]
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lanes_wanted", [2, 4, 8])
def test_lanes_that_are_stored_apart_lie_a_step_from_each_other(dtype, lanes_wanted):
    a = np.arange(40).astype(dtype)
    for step in (1, 4):
        out, wanted = (np.full(40, -1, dtype) for _ in range(2))
        apart(a, out, step, Width(lanes_wanted))
        wanted[1 : 1 + lanes_wanted * step : step] = a[3 : 3 + lanes_wanted]
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_ordered_width_rounds_a_sum_where_it_stands_and_an_ordinary_one_need_not(dtype):
    """Without order the compiler may see that (a + b) − a is b; NumPy's bits tell which it was."""
    random = np.random.default_rng(2)
    a, b = random.normal(size=64).astype(dtype) * 1000, random.normal(size=64).astype(dtype)
    out = np.empty_like(a)
    cancelled_in_order(a, b, out, Width(4))
    np.testing.assert_array_equal(out, (a + b) - a)
    cancelled(a, b, out, Width(4))
    assert (out != (a + b) - a).any()
