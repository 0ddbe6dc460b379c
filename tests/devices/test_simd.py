"""Every operation on vectors against NumPy, at every width and element type; each checker is shown a broken operation.

Kernels write their results row by row; they are not cached, because a cache would not see a change of the operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from clustermark.devices.simd import (
    Width,
    bit_count,
    bits_of,
    both,
    count,
    lanes,
    less,
    load,
    mask_of,
    multiply_add,
    native_width,
    select,
    splat,
    square_root,
    store,
    total,
    zeros_like,
)
from clustermark.devices.simd_lookup import (
    add_to_element,
    ask_for,
    ask_to_write,
    converted,
    element,
    gather,
    left_neighbours,
    rows,
    truncated,
)

WIDTHS = [2, 4, 8, 16]
FLOATS = ["float32", "float64"]
Kernel = Callable[..., Any]
# Every example has up to 16 lanes that are compared each.
FEW = settings(max_examples=30)
compiled = numba.njit(error_model="numpy")


@compiled
def arithmetic(a, b, scalar, out, width):
    """Loads and stores stand at odd places, so that none is aligned."""
    n = lanes(width)
    x, y = load(a, 1, width), load(b, 3, width)
    store(out, 1, x + y)
    store(out, 1 + n, x - y)
    store(out, 1 + 2 * n, x * y)
    store(out, 1 + 3 * n, x / y)
    store(out, 1 + 4 * n, x + scalar)
    store(out, 1 + 5 * n, scalar - x)
    store(out, 1 + 6 * n, x * scalar)
    store(out, 1 + 7 * n, scalar / x)
    store(out, 1 + 8 * n, square_root(y * y))
    store(out, 1 + 9 * n, splat(b[3], width) * x)
    store(out, 1 + 10 * n, zeros_like(x) + 3)


@compiled
def arithmetic_with_a_fault(a, b, scalar, out, width):
    """Two operands have changed places."""
    n = lanes(width)
    arithmetic(a, b, scalar, out, width)
    store(out, 1 + n, load(b, 3, width) - load(a, 1, width))


def arithmetic_of_numpy(x: Any, y: Any, scalar: Any) -> list[Any]:
    s = x.dtype.type(scalar)
    with np.errstate(all="ignore"):
        return [
            x + y,
            x - y,
            x * y,
            x / y,
            x + s,
            s - x,
            x * s,
            s / x,
            np.sqrt(y * y),
            y[0] * x,
            0 * np.ones_like(x) + 3,
        ]


@compiled
def choices(a, b, scalar, bits, out, numbers, width):
    n = lanes(width)
    x, y = load(a, 1, width), load(b, 3, width)
    below = x < y
    numbers[0] = bits_of(below)
    numbers[1] = bits_of(x > y)
    numbers[2] = bits_of(x < scalar)
    numbers[3] = bits_of(scalar < x)
    numbers[4] = bits_of(both(below, mask_of(bits, width)))
    numbers[5] = count(below)
    numbers[6] = bits_of(mask_of(bits, width))
    store(out, 1, select(below, x, y))
    store(out, 1 + n, select(below, x, 0))
    store(out, 1 + 2 * n, select(mask_of(bits, width), scalar, y))


@compiled
def choices_with_a_fault(a, b, scalar, bits, out, numbers, width):
    """Not less is no greater-or-equal where there are NaN."""
    choices(a, b, scalar, bits, out, numbers, width)
    x, y = load(a, 1, width), load(b, 3, width)
    numbers[0] = ~bits_of(less(y, x)) & ((1 << lanes(width)) - 1)


def packed(truth: Any) -> int:
    return sum(1 << k for k, value in enumerate(truth) if value)


def choices_of_numpy(x: Any, y: Any, scalar: Any, bits: int) -> tuple[list[Any], list[int]]:
    s = x.dtype.type(scalar)
    given_lanes = np.array([bits >> k & 1 for k in range(len(x))], bool)
    numbers = [x < y, y < x, x < s, s < x, (x < y) & given_lanes]
    found = [packed(truth) for truth in numbers] + [int((x < y).sum()), packed(given_lanes)]
    zero = np.zeros_like(x)
    return [np.where(x < y, x, y), np.where(x < y, x, zero), np.where(given_lanes, s, y)], found


def padded(values: tuple[float, ...], before: int, dtype: str) -> Any:
    """Lanes behind some other numbers, as an operand that is not aligned."""
    return np.array([*[99] * before, *values], dtype)


def differences(kernel: Kernel, expected: list[Any], width: int, dtype: str, *arguments: Any) -> list[int]:
    """Rows in which a kernel's vectors are not the expected ones bit by bit (any NaN is a NaN), or −1: beyond them."""
    out = np.full(2 + len(expected) * width, 77, dtype)
    kernel(*arguments[:-1], out, *arguments[-1], Width(width))
    table = out[1:-1].reshape(-1, width)
    wrong = [k for k, row in enumerate(expected) if not np.array_equal(table[k], row, equal_nan=True)]
    return wrong + ([-1] if out[0] != 77 or out[-1] != 77 else [])


def operand(width: int, dtype: str) -> st.SearchStrategy[tuple[float, ...]]:
    bits = 8 * np.dtype(dtype).itemsize
    return st.lists(st.floats(width=bits), min_size=width, max_size=width).map(tuple)  # type: ignore[arg-type]


CASES = [(width, dtype) for width in WIDTHS for dtype in FLOATS]


@pytest.mark.parametrize(("width", "dtype"), CASES)
def test_arithmetic_is_that_of_numpy_with_scalars_of_any_type(width: int, dtype: str) -> None:
    @FEW
    @given(operand(width, dtype), operand(width, dtype), st.floats(width=32) | st.integers(-1000, 1000))
    def check(a: tuple[float, ...], b: tuple[float, ...], scalar: float) -> None:
        x, y = padded(a, 1, dtype), padded(b, 3, dtype)
        expected = arithmetic_of_numpy(x[1:], y[3:], scalar)
        assert differences(arithmetic, expected, width, dtype, x, y, scalar, ()) == []

    check()


@pytest.mark.parametrize(("width", "dtype"), CASES)
def test_comparison_and_choice_are_those_of_numpy_also_for_nan(width: int, dtype: str) -> None:
    @FEW
    @given(operand(width, dtype), operand(width, dtype), st.floats(width=32), st.integers(-(2**62), 2**62))
    def check(a: tuple[float, ...], b: tuple[float, ...], scalar: float, bits: int) -> None:
        x, y, numbers = padded(a, 1, dtype), padded(b, 3, dtype), np.zeros(7, np.int64)
        expected, expected_numbers = choices_of_numpy(x[1:], y[3:], scalar, bits)
        assert differences(choices, expected, width, dtype, x, y, scalar, bits, (numbers,)) == []
        assert numbers.tolist() == expected_numbers

    check()


def test_a_broken_operation_is_found() -> None:
    a, b = tuple(map(float, range(8))), tuple(map(float, range(1, 16, 2)))
    x, y = padded(a, 1, "float64"), padded(b, 3, "float64")
    expected = arithmetic_of_numpy(x[1:], y[3:], 2.0)
    assert differences(arithmetic, expected, 8, "float64", x, y, 2.0, ()) == []
    assert differences(arithmetic_with_a_fault, expected, 8, "float64", x, y, 2.0, ()) == [1]


def test_a_comparison_that_calls_nan_less_is_found() -> None:
    x = np.array([9, 1, np.nan, 1, 1, 2, 3, 4, np.nan])[:9]
    y = np.array([9, 9, 9, 2, 2, np.nan, 1, 1, 1, 1, np.nan])
    expected = choices_of_numpy(x[1:], y[3:], 0.0, 5)[1]
    for kernel, right in ((choices, True), (choices_with_a_fault, False)):
        numbers = np.zeros(7, np.int64)
        kernel(x, y, 0.0, 5, np.zeros(26), numbers, Width(8))
        assert (numbers.tolist() == expected) is right


@compiled
def integers(a, b, scalar, table, like, out, floats, numbers, width):
    n = lanes(width)
    x, y = load(a, 1, width), load(b, 0, width)
    store(out, 0, x + y)
    store(out, n, x - y)
    store(out, 2 * n, x * y)
    store(out, 3 * n, x * scalar + 1)
    store(out, 4 * n, select(x < y, x, 0))
    store(out, 5 * n, gather(table, y))
    store(floats, 0, converted(x, load(like, 0, width)))
    numbers[0] = bits_of(x < y)
    numbers[1] = count(less(x, scalar))


@pytest.mark.parametrize(("width", "dtype"), CASES)
def test_int32_lanes_count_compare_index_and_convert(width: int, dtype: str) -> None:
    random = np.random.RandomState(width)
    for low, high in ((-50, 50), (-(2**31), 2**31 - 1)):
        a = random.randint(low, high, width + 1).astype(np.int32)
        b = random.randint(0, 9, width).astype(np.int32)
        table = np.arange(100, 109, dtype=np.int32)
        out, floats, numbers = np.zeros(6 * width, np.int32), np.zeros(width, dtype), np.zeros(2, np.int64)
        integers(a, b, 7, table, floats, out, floats, numbers, Width(width))
        x = a[1:]
        expected = [x + b, x - b, x * b, x * np.int32(7) + np.int32(1), np.where(x < b, x, 0), table[b]]
        assert (out.reshape(6, width) == np.array(expected)).all()
        assert (floats == x.astype(dtype)).all()
        assert numbers.tolist() == [packed(x < b), int((x < 7).sum())]


@compiled
def look_ups(values, most, table, indices, out, places, width):
    n = lanes(width)
    vector = load(values, 1, width)
    place = truncated(vector, most)
    store(places, 0, place)
    store(out, 0, gather(table, place))
    store(out, n, vector - converted(place, vector))
    c0, c1, c2, c3 = rows(table, load(indices, 1, width))
    store(out, 2 * n, c0)
    store(out, 3 * n, c1)
    store(out, 4 * n, c2)
    store(out, 5 * n, c3)


@pytest.mark.parametrize(("width", "dtype"), CASES)
def test_look_ups_truncate_clamp_and_transpose(width: int, dtype: str) -> None:
    most = 8
    table = np.arange(100, 136, dtype=dtype)

    @FEW
    @given(
        st.lists(
            st.sampled_from([0.0, -0.0, 0.999, 1.0, 7.999, 8.0, 8.5, 1e30, 2.0**31, math.inf, math.nan])
            | st.floats(0, 20, width=32),
            min_size=width,
            max_size=width,
        ),
        st.lists(st.integers(0, most), min_size=width, max_size=width),
    )
    def check(values: list[float], numbers: list[int]) -> None:
        given_values, indices = np.array([0, *values], dtype), np.array([0, *numbers], np.int32)
        out, places = np.zeros(6 * width, dtype), np.zeros(width, np.int32)
        look_ups(given_values, most, table, indices, out, places, Width(width))
        x = given_values[1:]
        whole = np.array([int(v) if v < most else most for v in x.tolist()])
        assert (places == whole).all()
        columns = table.reshape(-1, 4)[numbers].T
        expected = np.array([table[whole], x - whole.astype(dtype), *columns], dtype)
        assert np.array_equal(out.reshape(6, width), expected, equal_nan=True)

    check()


@compiled
def sums(a, width):
    return total(load(a, 1, width))


@compiled
def sums_with_a_fault(a, width):
    """The last lane is forgotten."""
    size = lanes(width)
    return total(select(mask_of((1 << (size - 1)) - 1, width), load(a, 1, width), 0))


def is_the_sum(kernel: Kernel, values: tuple[float, ...], dtype: str) -> bool:
    """Whether a sum of lanes differs from the exact one by no more than rounding in any order explains."""
    vector = padded(values, 1, dtype)
    exact, size = math.fsum(vector[1:].tolist()), math.fsum(np.abs(vector[1:]).tolist())
    return abs(float(kernel(vector, Width(len(values)))) - exact) <= len(values) * float(np.finfo(dtype).eps) * size


@pytest.mark.parametrize(("width", "dtype"), CASES)
def test_total_is_the_sum_of_the_lanes(width: int, dtype: str) -> None:
    @FEW
    @given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=width, max_size=width).map(tuple))
    def check(values: tuple[float, ...]) -> None:
        assert is_the_sum(sums, values, dtype)

    check()
    for lane in range(width):
        assert is_the_sum(sums, tuple(float(k == lane) for k in range(width)), dtype), "every lane counts"
    assert math.isnan(sums(np.array([0, *[1.0] * (width - 1), math.nan], dtype), Width(width)))


def test_a_sum_without_its_last_lane_is_found() -> None:
    values = tuple(map(float, range(1, 9)))
    assert is_the_sum(sums, values, "float64")
    assert not is_the_sum(sums_with_a_fault, values, "float64")


@compiled
def fused(a, b, c, out, width):
    store(out, 0, multiply_add(load(a, 0, width), load(b, 0, width), load(c, 0, width)))


@compiled
def fused_with_a_fault(a, b, c, out, width):
    store(out, 0, multiply_add(load(a, 0, width), load(b, 0, width), 0 - load(c, 0, width)))


def is_the_product_and_sum(kernel: Kernel, width: int, dtype: str) -> bool:
    """Whether a·b + c differs from the exact one by no more than its roundings explain."""
    a, b, c = np.random.RandomState(width).uniform(-10, 10, (3, width)).astype(dtype)
    out = np.empty(width, dtype)
    kernel(a, b, c, out, Width(width))
    exact = a.astype(np.longdouble) * b + c
    return bool((np.abs(out - exact) <= float(np.finfo(dtype).eps) * (np.abs(exact) + np.abs(a * b))).all())


@pytest.mark.parametrize(("width", "dtype"), CASES)
def test_a_product_and_a_sum_in_one(width: int, dtype: str) -> None:
    assert is_the_product_and_sum(fused, width, dtype)


def test_a_product_less_the_sum_is_found() -> None:
    assert not is_the_product_and_sum(fused_with_a_fault, 4, "float64")


@compiled
def masks(bits, more, width):
    mask = mask_of(bits, width)
    return bits_of(mask), count(mask), bits_of(both(mask, mask_of(more, width))), bit_count(bits)


@pytest.mark.parametrize("width", [2, 4, 8, 16, 32, 64])
def test_masks_are_integers_and_back(width: int) -> None:
    @given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
    def check(bits: int, more: int) -> None:
        used = (1 << width) - 1
        same, number, common, ones = masks(np.int64(bits), np.int64(more), Width(width))
        assert ones == (bits & (1 << 64) - 1).bit_count()
        assert same & used == bits & used
        assert number == (bits & used).bit_count()
        assert common & used == bits & more & used
        assert same >= 0 or width == 64

    check()


@compiled
def at(array, index):
    return element(array, index)


def test_an_element_is_read_without_wrapping_round() -> None:
    for dtype in ("float32", "float64", "int32", "int64"):
        whole = np.arange(10).astype(dtype)
        assert at(whole, 3) == 3
        assert at(whole[4:], -1) == 3, "Python would give 9"


@compiled
def add_at(array, index, value):
    add_to_element(array, index, value)


def test_a_number_is_added_to_an_element_without_wrapping_round() -> None:
    for dtype in (np.float32, np.float64):
        whole = np.arange(10).astype(dtype)
        add_at(whole[4:], -1, dtype(0.5))
        assert whole.tolist() == [0, 1, 2, 3.5, 4, 5, 6, 7, 8, 9], "Python would change the last"


@pytest.mark.parametrize("lanes_", [-2, 0, 1, 3, 6, 12, 24, 128])
def test_a_width_that_is_no_power_of_two_is_refused(lanes_: int) -> None:
    with pytest.raises(ValueError, match=f"a vector of {lanes_} lanes: expected 2, 4, 8, 16, 32 or 64"):
        Width(lanes_)


def test_the_native_width_is_a_width_and_twice_as_large_for_half_the_bytes() -> None:
    assert Width(native_width("float64")).count * 2 == Width(native_width("float32")).count


def test_whole_numbers_are_not_divided() -> None:
    @compiled
    def quotient(a, width):
        return bits_of(load(a, 0, width) / load(a, 0, width) < 1)

    with pytest.raises(TypingError):
        quotient(np.ones(4, np.int32), Width(4))


def test_a_line_that_is_asked_for_changes_nothing_may_lie_beyond_the_array_and_is_asked_of_the_processor() -> None:
    @compiled
    def asking(a, index):
        ask_for(a, index)
        return a.size

    @compiled
    def silent(a, index):
        return a.size

    @compiled
    def asking_to_write(a, index):
        ask_to_write(a, index)
        return a.size

    values = np.arange(9.0)
    for kernel, asks in ((asking, True), (asking_to_write, True), (silent, False)):
        assert [kernel(values, index) for index in (0, 8, -(10**7), 10**7)] == [9] * 4
        code = "".join(kernel.inspect_asm().values())
        assert ("prefetch" in code or "prfm" in code) is asks
    assert (values == np.arange(9.0)).all()


def neighbours_are_found(kernel: Kernel, dtype: str, width: int) -> bool:
    """Whether each lane's left neighbour is what lies before it in memory."""
    values = np.arange(2 * width).astype(dtype)
    out = np.zeros(width, dtype)
    kernel(values, out, Width(width))
    return bool((out == values[width - 1 : -1]).all())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_left_neighbours_are_those_in_memory_and_others_are_found(width: int, dtype: str) -> None:
    @compiled
    def to_the_left(values, out, width):
        n = lanes(width)
        store(out, 0, left_neighbours(load(values, 0, width), load(values, n, width)))

    @compiled
    def swapped(values, out, width):
        n = lanes(width)
        store(out, 0, left_neighbours(load(values, n, width), load(values, 0, width)))

    assert neighbours_are_found(to_the_left, dtype, width)
    assert not neighbours_are_found(swapped, dtype, width)
