"""Floating-point instructions against rational numbers: one rounding, in each mode, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptx import bfloat, exact
from ptx.approximate import FLOAT32, approximate
from ptx.assembly import apply

WIDTHS: dict[str, Any] = {"f16": 16, "f32": 32, "f64": 64}
MODES = ("rn", "rz", "rm", "rp")
LANES = 10


def half(bits: int) -> float:
    return float(np.array([abs(bits)], np.uint16).view(np.float16)[0]) * (1 if bits >= 0 else -1)


def floats(kind: str) -> st.SearchStrategy[list[float]]:
    if kind == "f16":  # by their bits: half of the floats that hypothesis draws are none of this width
        return st.lists(st.integers(-0x7BFF, 0x7BFF).map(half), min_size=LANES, max_size=LANES)
    every = st.floats(width=WIDTHS[kind], allow_nan=False, allow_infinity=False)
    near_one = st.floats(0.5, 2, width=WIDTHS[kind])
    return st.lists(st.one_of(every, near_one), min_size=LANES, max_size=LANES)


def neighbours(value: Any, dtype: np.dtype) -> list[Any]:
    """The number of a type next to a rational number and those beside it."""
    try:
        about = float(value)
    except OverflowError:
        about = np.inf if value > 0 else -np.inf
    with np.errstate(over="ignore"):
        middle = dtype.type(about)
        down, up = (np.nextafter(middle, dtype.type(end)) for end in (-np.inf, np.inf))
    return [down, middle, up]


def rounded(value: Fraction, dtype: np.dtype, mode: str) -> float:
    """A rational number in a floating-point type, by comparing neighbours."""
    largest = Fraction(float(np.finfo(dtype).max))
    beyond = largest + (largest - Fraction(float(np.nextafter(np.finfo(dtype).max, dtype.type(0)))))

    def exactly(number: Any) -> Fraction:
        return Fraction(float(number)) if np.isfinite(number) else (beyond if number > 0 else -beyond)

    near = neighbours(value, dtype)
    if mode == "rn":
        bits = np.array(near, dtype).view(f"u{dtype.itemsize}")
        order = sorted(range(3), key=lambda k: (abs(exactly(near[k]) - value), int(bits[k]) & 1))
        return float(near[order[0]])
    below = [n for n in near if np.isneginf(n) or (np.isfinite(n) and exactly(n) <= value)]
    above = [n for n in near if np.isposinf(n) or (np.isfinite(n) and exactly(n) >= value)]
    towards = {"rm": True, "rp": False, "rz": value >= 0}[mode]
    return float(max(below) if towards else min(above))


def check(found: np.ndarray, values: list[Fraction | None], mode: str) -> None:
    for number, value in zip(found, values, strict=True):
        if value is not None:
            assert float(number) == rounded(value, found.dtype, mode), (mode, value)


ARITHMETIC: dict[str, tuple[int, Callable[..., Fraction | None]]] = {
    "add": (2, lambda a, b: a + b),
    "sub": (2, lambda a, b: a - b),
    "mul": (2, lambda a, b: a * b),
    "fma": (3, lambda a, b, c: a * b + c),
    "div": (2, lambda a, b: a / b if b else None),
    "rcp": (1, lambda a: 1 / a if a else None),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", ARITHMETIC)
@given(data=st.data())
@settings(max_examples=3)
def test_arithmetic_rounds_once(name: str, kind: str, mode: str, data: Any) -> None:
    sources, function = ARITHMETIC[name]
    columns = [np.array(data.draw(floats(kind)), f"f{WIDTHS[kind] // 8}") for _ in range(sources)]
    if name == "fma":  # sums that nearly cancel are the hard ones
        with np.errstate(all="ignore"):
            nearly = -(columns[0] * columns[1])[::2]
            columns[2][::2] = np.where(np.isfinite(nearly), nearly, 0)
    text = f"{name}.{mode}.{kind} %out, {', '.join(f'%in{k}' for k in range(sources))};"
    check(apply(text, kind, [(kind, column) for column in columns]), exactly(function, columns), mode)


def exactly(function: Callable[..., Fraction | None], columns: list[np.ndarray]) -> list[Fraction | None]:
    return [function(*(Fraction(float(v)) for v in row)) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("name", ["add", "mul", "fma"])
@given(data=st.data())
@settings(max_examples=6)
def test_half_precision_rounds_once(name: str, data: Any) -> None:
    sources, function = ARITHMETIC[name]
    columns = [np.array(data.draw(floats("f16")), np.float16) for _ in range(sources)]
    text = f"{name}.rn.f16 %out, {', '.join(f'%in{k}' for k in range(sources))};"
    check(apply(text, "f16", [("f16", column) for column in columns]), exactly(function, columns), "rn")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_random_bits_are_multiplied_and_added_with_one_rounding(dtype: type) -> None:
    generator = np.random.default_rng(3)
    width = np.dtype(dtype).itemsize
    a, b, c = (
        (
            generator.integers(0, 2**63, (3, 1500), np.uint64) * np.uint64(2)
            + generator.integers(0, 2, (3, 1500), np.uint64)
        )
        .astype(f"u{width}")
        .view(dtype)
    )
    with np.errstate(all="ignore"):
        c[::2] = -(a * b)[::2] * dtype(1 + 2 * np.finfo(dtype).eps)
    finite = np.isfinite(a) & np.isfinite(b) & np.isfinite(c)
    columns = [a[finite], b[finite], c[finite]]
    check(exact.fma(*columns), exactly(ARITHMETIC["fma"][1], columns), "rn")


def test_the_naive_product_and_sum_is_not_fused() -> None:
    generator = np.random.default_rng(5)
    a, b, c = generator.normal(size=(3, 2000)).astype(np.float32)
    assert (exact.fma(a, b, c) != a * b + c).sum() > 100


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["f32", "f64"])
@given(data=st.data())
@settings(max_examples=3)
def test_a_square_root_lies_between_its_neighbours(kind: str, mode: str, data: Any) -> None:
    values = np.abs(np.array(data.draw(floats(kind)), f"f{WIDTHS[kind] // 8}"))
    found = apply(f"sqrt.{mode}.{kind} %out, %in0;", kind, [(kind, values)])
    up, down = (np.nextafter(found, found.dtype.type(end)) for end in (np.inf, -np.inf))
    for value, root, above, below in zip(values, found, up, down, strict=True):
        x, r = Fraction(float(value)), Fraction(float(root))
        middle_above, middle_below = (r + Fraction(float(above))) / 2, (r + Fraction(float(below))) / 2
        if mode == "rn":
            assert middle_below < 0 or middle_below**2 <= x
            assert x <= middle_above**2
        elif mode == "rp":
            assert r * r >= x
            assert below < 0 or Fraction(float(below)) ** 2 < x
        else:
            assert r * r <= x < Fraction(float(above)) ** 2


CONVERSIONS = ["s32", "u32", "s64", "u64", "s16", "u8"]
TO_WHOLE: dict[str, Callable[[Fraction], int]] = {
    "rni": round,
    "rzi": int,
    "rmi": lambda v: v.numerator // v.denominator,
    "rpi": lambda v: -(-v.numerator // v.denominator),
}


@pytest.mark.parametrize("way", TO_WHOLE)
@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("target", CONVERSIONS)
@given(data=st.data())
@settings(max_examples=3)
def test_floats_to_integers_round_and_saturate(target: str, kind: str, way: str, data: Any) -> None:
    values = np.array(data.draw(floats(kind)), f"f{WIDTHS[kind] // 8}")
    values[::3] = np.float32(1.5) * np.arange(len(values[::3])) - 2
    found = apply(f"cvt.{way}.{target}.{kind} %out, %in0;", target, [(kind, values)])
    limits = np.iinfo(found.dtype)
    exact_values = [TO_WHOLE[way](Fraction(float(v))) for v in values]
    assert found.tolist() == [min(max(v, limits.min), limits.max) for v in exact_values]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("source", "target"), [("s64", "f32"), ("u64", "f64"), ("s32", "f32"), ("u64", "f32")])
@given(data=st.data())
@settings(max_examples=4)
def test_integers_to_floats_round_once(source: str, target: str, mode: str, data: Any) -> None:
    limits = np.iinfo({"s64": "i8", "u64": "u8", "s32": "i4"}[source])
    whole = st.lists(st.integers(int(limits.min), int(limits.max)), min_size=LANES, max_size=LANES)
    values = np.array(data.draw(whole), limits.dtype)
    found = apply(f"cvt.{mode}.{target}.{source} %out, %in0;", target, [(source, values)])
    check(found, [Fraction(int(v)) for v in values], mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", ["f32", "f16"])
@given(values=floats("f64"))
@settings(max_examples=4)
def test_wide_floats_to_narrow_ones_round_once(target: str, mode: str, values: list[float]) -> None:
    wide = np.array(values)
    found = apply(f"cvt.{mode}.{target}.f64 %out, %in0;", target, [("f64", wide)])
    check(found, [Fraction(v) for v in values], mode)


def test_special_values_compare_and_choose_as_ptx_says() -> None:
    nan, inf = np.nan, np.inf
    a = np.array([nan, 1, -0.0, inf, nan, -1], np.float32)
    b = np.array([1, nan, 0.0, -inf, nan, -2], np.float32)
    sources = [("f32", a), ("f32", b)]
    smallest = apply("min.f32 %out, %in0, %in1;", "f32", sources)
    assert smallest[:2].tolist() == [1, 1]
    assert np.signbit(smallest[2])
    assert not np.signbit(apply("max.f32 %out, %in0, %in1;", "f32", sources)[2])
    assert np.isnan(apply("min.NaN.f32 %out, %in0, %in1;", "f32", sources)[:2]).all()
    assert apply("set.ne.u32.f32 %out, %in0, %in1;", "u32", sources).astype(bool).tolist() == [0, 0, 0, 1, 0, 1]
    assert apply("set.neu.u32.f32 %out, %in0, %in1;", "u32", sources).astype(bool).tolist() == [1, 1, 0, 1, 1, 1]
    assert apply("set.num.u32.f32 %out, %in0, %in1;", "u32", sources).astype(bool).tolist() == [0, 0, 1, 1, 0, 1]
    assert apply("cvt.rzi.s32.f32 %out, %in0;", "s32", [("f32", a)])[0] == 0
    assert apply("cvt.sat.f32.f32 %out, %in0;", "f32", [("f32", a)]).tolist() == [0, 1, 0, 1, 0, 0]


def test_subnormal_numbers_are_flushed_where_the_instruction_says_so() -> None:
    tiny = np.array([1e-40, -1e-40, 1.0], np.float32)
    sources = [("f32", tiny)]
    assert apply("add.ftz.f32 %out, %in0, %in0;", "f32", sources).tolist() == [0, 0, 2]
    assert (apply("add.f32 %out, %in0, %in0;", "f32", sources)[:2] != 0).all()
    assert np.signbit(apply("mul.ftz.f32 %out, %in0, %in0;", "f32", sources)).tolist() == [False] * 3


def test_halves_in_pairs_are_added_each_for_itself() -> None:
    pairs = np.array([1.5, -2.25, 0.1, 3.0], np.float16)
    packed = pairs.view(np.uint32)
    found = apply("add.f16x2 %out, %in0, %in0;", "b32", [("b32", packed)]).view(np.float16)
    assert found.tolist() == (pairs + pairs).tolist()


def bfloat_of(value: Fraction) -> float:
    """A rational number rounded once to bfloat16, by looking at the neighbours: to nearest, to even where two are."""
    start = np.float32(float(value)).view(np.uint32) >> np.uint32(16)
    near = [((int(start) + k) % 2**16, k) for k in (-2, -1, 0, 1, 2)]
    values = [(float(np.uint32(bits << 16).view(np.float32)), bits) for bits, _ in near]
    return min(
        ((abs(Fraction(v) - value), bits & 1, v) for v, bits in values if np.isfinite(v)), key=lambda found: found[:2]
    )[2]


@pytest.mark.parametrize("name", ["add", "sub", "mul", "fma"])
def test_bfloat16_rounds_once(name: str) -> None:
    """Random bits, subnormal numbers among them, sums that nearly cancel, and halfway cases."""
    sources, function = ARITHMETIC[name]
    generator = np.random.default_rng(11)
    columns = generator.integers(0, 2**16, (sources, 512), np.uint16)
    columns[:, 256:] = columns[:, 256:] & 0x80FF | generator.integers(120, 132, (sources, 256), np.uint16) << 7
    columns[:, 448:] &= 0x807F  # subnormal
    if name == "fma":
        columns[2, 256:352] = bfloat.multiply(columns[0, 256:352], columns[1, 256:352]) ^ np.uint16(0x8000)
    packed = [np.ascontiguousarray(column).view(np.uint32) for column in columns]
    text = f"{name}.rn.bf16x2 %out, {', '.join(f'%in{k}' for k in range(sources))};"
    found = apply(text, "b32", [("b32", column) for column in packed]).view(np.uint16)
    wide = [bfloat.widened(column) for column in columns]
    compared = 0
    for number, *row in zip(bfloat.widened(found), *wide, strict=True):
        value = function(*map(Fraction, row)) if np.isfinite(row).all() else None
        if value is not None and abs(value) < Fraction(2) ** 127:
            assert number == bfloat_of(value), (row, number)
            compared += 1
    assert compared > 350


def test_bfloat16_overflows_to_infinity_and_has_one_nan() -> None:
    largest, infinity, one = np.array([0x7F7F7F7F, 0x7F807F80, 0x3F803F80], np.uint32)
    values = [np.array([a], np.uint32) for a in (largest, infinity, one)]
    text = "fma.rn.bf16x2 %out, %in0, %in1, %in2;"
    for a, b, c, wanted in ((0, 0, 2, 0x7F80), (1, 2, 0, 0x7F80), (0, 2, 2, 0x7F7F)):
        assert apply(text, "b32", [("b32", values[k]) for k in (a, b, c)]) == wanted * 0x10001
    minus = values[1] ^ np.uint32(0x80008000)
    assert apply("add.rn.bf16x2 %out, %in0, %in1;", "b32", [("b32", values[1]), ("b32", minus)]) == 0x7FFF7FFF


@pytest.mark.parametrize("name", sorted(set(FLOAT32) - {"div"}))
def test_an_approximation_errs_as_much_as_it_may_and_no_more(name: str) -> None:
    x = (
        np.linspace(0.55, 1.95, 4000, dtype=np.float32)
        if name == "lg2"
        else np.linspace(0.01, 6, 4000, dtype=np.float32)
    )
    form = FLOAT32[name]
    true = form.exact(x.astype(np.float64))
    error = np.abs(approximate(name, [x]) - true)
    half_unit = np.spacing(np.abs(true).astype(np.float32)).astype(np.float64) / 2
    allowed = form.relative * np.abs(true) + form.absolute + half_unit
    assert (error <= allowed * (1 + 1e-9)).all()
    assert (error > 0.8 * (form.relative * np.abs(true) + form.absolute)).any()


def test_approximations_keep_special_values() -> None:
    values = np.array([0.0, np.inf, -0.0], np.float32)
    assert approximate("rcp", [values]).tolist() == [np.inf, 0, -np.inf]
    assert approximate("sqrt", [values[:2]]).tolist() == [0, np.inf]
    assert np.isnan(approximate("lg2", [np.array([-1], np.float32)])).all()
    whole = np.arange(-20, 20, dtype=np.float32)
    assert (approximate("ex2", [whole]) == np.exp2(whole)).all()


@pytest.mark.parametrize("name", ["rcp", "rsqrt"])
def test_the_gross_approximations_of_doubles_have_20_bits_behind_the_point(name: str) -> None:
    x = np.random.default_rng(2).uniform(0.01, 100, 500)
    found = apply(f"{name}.approx.ftz.f64 %out, %in0;", "f64", [("f64", x)])
    true = 1 / x if name == "rcp" else 1 / np.sqrt(x)
    error = np.abs(found / true - 1)
    assert 2.0**-21 < error.max() < 2.0**-19
    assert (found.view(np.uint64) & 0xFFFFFFFF == 0).all()
    fine = apply("rsqrt.approx.f64 %out, %in0;", "f64", [("f64", x)])
    assert np.abs(fine * np.sqrt(x) - 1).max() < 4e-16
