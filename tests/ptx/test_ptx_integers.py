"""Integer instructions against Python's integers, which have no width to get wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptx.assembly import apply
from ptx.formats import FORMATS

M32, M64 = 2**32 - 1, 2**64 - 1
LANES = 16


def towards_zero(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def bits(value: int, width: int) -> int:
    return value & ((1 << width) - 1)


def signed(value: int, width: int) -> int:
    value = bits(value, width)
    return value - (1 << width) if value >> (width - 1) else value


def shifted_right(a: int, n: int, width: int) -> int:
    return a >> min(n, width)


def extracted(a: int, p: int, n: int, width: int, *, sign: bool) -> int:
    p, n = p & 255, n & 255
    top = min(p + n - 1, width - 1)
    filler = bits(a, width) >> top & 1 if sign and n else 0
    result = 0
    for place in range(width):
        inside = place < n and p + place < width
        result |= (bits(a, width) >> (p + place) & 1 if inside else filler) << place
    return result


def inserted(a: int, b: int, p: int, n: int, width: int) -> int:
    p, n = p & 255, n & 255
    for place in range(n):
        if p + place < width:
            b = b & ~(1 << (p + place)) | (a >> place & 1) << (p + place)
    return b


def permuted(a: int, b: int, c: int) -> int:
    source, result = a | b << 32, 0
    for place in range(4):
        choice = c >> 4 * place & 15
        byte = source >> 8 * (choice & 7) & 255
        result |= ((255 if byte >> 7 else 0) if choice & 8 else byte) << 8 * place
    return result


def funnel(low: int, high: int, n: int, *, left: bool, wrap: bool) -> int:
    n = n & 31 if wrap else min(n, 32)
    both = high << 32 | low
    return (both << n) >> 32 if left else both >> n


def found_bit(a: int, width: int) -> int:
    return (~a if a < 0 else a).bit_length() - 1


# instruction → (type of the result, types of the sources, the same with Python's integers)
BATTERY: dict[str, tuple[str, list[str], Callable[..., Any]]] = {
    "add.u32": ("u32", ["u32"] * 2, lambda a, b: a + b),
    "add.s64": ("s64", ["s64"] * 2, lambda a, b: a + b),
    "add.u16": ("u16", ["u16"] * 2, lambda a, b: a + b),
    "add.sat.s32": ("s32", ["s32"] * 2, lambda a, b: min(max(a + b, -(2**31)), 2**31 - 1)),
    "sub.s32": ("s32", ["s32"] * 2, lambda a, b: a - b),
    "sub.sat.s32": ("s32", ["s32"] * 2, lambda a, b: min(max(a - b, -(2**31)), 2**31 - 1)),
    "sub.u64": ("u64", ["u64"] * 2, lambda a, b: a - b),
    "mul.lo.s32": ("s32", ["s32"] * 2, lambda a, b: a * b),
    "mul.lo.u64": ("u64", ["u64"] * 2, lambda a, b: a * b),
    "mul.hi.s32": ("s32", ["s32"] * 2, lambda a, b: a * b >> 32),
    "mul.hi.u32": ("u32", ["u32"] * 2, lambda a, b: a * b >> 32),
    "mul.hi.s64": ("s64", ["s64"] * 2, lambda a, b: a * b >> 64),
    "mul.hi.u64": ("u64", ["u64"] * 2, lambda a, b: a * b >> 64),
    "mul.wide.s32": ("s64", ["s32"] * 2, lambda a, b: a * b),
    "mul.wide.u16": ("u32", ["u16"] * 2, lambda a, b: a * b),
    "mul24.lo.s32": ("s32", ["s32"] * 2, lambda a, b: signed(a, 24) * signed(b, 24)),
    "mul24.hi.u32": ("u32", ["u32"] * 2, lambda a, b: bits(a, 24) * bits(b, 24) >> 16),
    "mad.lo.s32": ("s32", ["s32"] * 3, lambda a, b, c: a * b + c),
    "mad.hi.u32": ("u32", ["u32"] * 3, lambda a, b, c: (a * b >> 32) + c),
    "mad.wide.s32": ("s64", ["s32", "s32", "s64"], lambda a, b, c: a * b + c),
    "div.s32": ("s32", ["s32", "s32!"], towards_zero),
    "div.u64": ("u64", ["u64", "u64!"], lambda a, b: a // b),
    "rem.s64": ("s64", ["s64", "s64!"], lambda a, b: a - b * towards_zero(a, b)),
    "rem.u32": ("u32", ["u32", "u32!"], lambda a, b: a % b),
    "abs.s32": ("s32", ["s32"], abs),
    "neg.s64": ("s64", ["s64"], lambda a: -a),
    "min.s32": ("s32", ["s32"] * 2, min),
    "max.u32": ("u32", ["u32"] * 2, max),
    "max.s64": ("s64", ["s64"] * 2, max),
    "and.b32": ("b32", ["b32"] * 2, lambda a, b: a & b),
    "or.b64": ("b64", ["b64"] * 2, lambda a, b: a | b),
    "xor.b16": ("b16", ["b16"] * 2, lambda a, b: a ^ b),
    "not.b32": ("b32", ["b32"], lambda a: ~a),
    "cnot.b32": ("b32", ["b32"], lambda a: int(a == 0)),
    "shl.b32": ("b32", ["b32", "u32<"], lambda a, n: a << min(n, 32)),
    "shl.b64": ("b64", ["b64", "u32<"], lambda a, n: a << min(n, 64)),
    "shr.u32": ("u32", ["u32", "u32<"], lambda a, n: shifted_right(a, n, 32)),
    "shr.s32": ("s32", ["s32", "u32<"], lambda a, n: shifted_right(a, n, 32)),
    "shr.s64": ("s64", ["s64", "u32<"], lambda a, n: shifted_right(a, n, 64)),
    "shf.l.wrap.b32": ("b32", ["b32", "b32", "u32<"], lambda a, b, n: funnel(a, b, n, left=True, wrap=True)),
    "shf.r.wrap.b32": ("b32", ["b32", "b32", "u32<"], lambda a, b, n: funnel(a, b, n, left=False, wrap=True)),
    "shf.l.clamp.b32": ("b32", ["b32", "b32", "u32<"], lambda a, b, n: funnel(a, b, n, left=True, wrap=False)),
    "shf.r.clamp.b32": ("b32", ["b32", "b32", "u32<"], lambda a, b, n: funnel(a, b, n, left=False, wrap=False)),
    "popc.b32": ("u32", ["b32"], int.bit_count),
    "popc.b64": ("u32", ["b64"], int.bit_count),
    "clz.b32": ("u32", ["b32"], lambda a: 32 - a.bit_length()),
    "clz.b64": ("u32", ["b64"], lambda a: 64 - a.bit_length()),
    "bfind.u32": ("u32", ["u32"], lambda a: found_bit(a, 32)),
    "bfind.s64": ("u32", ["s64"], lambda a: found_bit(a, 64)),
    "bfind.shiftamt.s32": ("u32", ["s32"], lambda a: 31 - found_bit(a, 32) if found_bit(a, 32) >= 0 else -1),
    "brev.b32": ("b32", ["b32"], lambda a: int(f"{a:032b}"[::-1], 2)),
    "brev.b64": ("b64", ["b64"], lambda a: int(f"{a:064b}"[::-1], 2)),
    "bfe.u32": ("u32", ["u32", "u32<", "u32<"], lambda a, p, n: extracted(a, p, n, 32, sign=False)),
    "bfe.s32": ("s32", ["s32", "u32<", "u32<"], lambda a, p, n: extracted(a, p, n, 32, sign=True)),
    "bfe.s64": ("s64", ["s64", "u32<", "u32<"], lambda a, p, n: extracted(a, p, n, 64, sign=True)),
    "bfi.b32": ("b32", ["b32", "b32", "u32<", "u32<"], lambda a, b, p, n: inserted(a, b, p, n, 32)),
    "bfi.b64": ("b64", ["b64", "b64", "u32<", "u32<"], lambda a, b, p, n: inserted(a, b, p, n, 64)),
    "prmt.b32": ("b32", ["b32"] * 3, permuted),
    "lop3.b32 …, 0x96": ("b32", ["b32"] * 3, lambda a, b, c: a ^ b ^ c),
    "lop3.b32 …, 0xca": ("b32", ["b32"] * 3, lambda a, b, c: a & b | ~a & c),
    "sad.s32": ("s32", ["s32"] * 3, lambda a, b, c: c + abs(a - b)),
    "slct.b32.s32": ("b32", ["b32", "b32", "s32"], lambda a, b, c: a if c >= 0 else b),
    "set.lt.u32.s32": ("u32", ["s32"] * 2, lambda a, b: -int(a < b)),
    "dp4a.s32.u32": ("s32", ["b32", "b32", "s32"], lambda a, b, c: c + sum(
        signed(a >> 8 * k, 8) * bits(b >> 8 * k, 8) for k in range(4))),
    "cvt.s32.s16": ("s32", ["s16"], lambda a: a),
    "cvt.u16.u64": ("u16", ["u64"], lambda a: a),
    "cvt.s64.u32": ("s64", ["u32"], lambda a: a),
    "cvt.sat.u8.s32": ("u8", ["s32"], lambda a: min(max(a, 0), 255)),
    "cvt.s8.s32": ("s8", ["s32"], lambda a: a),
}  # fmt: skip

COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def numbers(kind: str) -> st.SearchStrategy[list[int]]:
    """Lists of values of a type, the ends of its range among them; "!" no zero, "<" about a width."""
    form = FORMATS[kind.rstrip("!<")]
    low, high = (-(2 ** (form.bits - 1)), 2 ** (form.bits - 1) - 1) if form.kind == "s" else (0, form.mask)
    edges = [low, high, 0, 1, high // 2, low + 1] + ([-1] if low else [])
    values = st.one_of(st.sampled_from(edges), st.integers(low, high), st.integers(0, 100))
    if kind.endswith("<"):
        values = st.one_of(st.integers(0, 70), st.sampled_from([255, 256, 2**31]))
    if kind.endswith("!"):
        values = values.filter(bool)
    return st.lists(values, min_size=LANES, max_size=LANES)


def expected(result: str, function: Callable[..., int], columns: list[list[int]]) -> list[int]:
    form = FORMATS[result]
    values = [function(*row) for row in zip(*columns, strict=True)]
    return [signed(v, form.bits) if form.kind == "s" else bits(v, form.bits) for v in values]


@pytest.mark.parametrize("name", BATTERY)
@given(data=st.data())
@settings(max_examples=4)
def test_an_integer_instruction_does_what_python_does(name: str, data: Any) -> None:
    result, kinds, function = BATTERY[name]
    columns = [data.draw(numbers(kind)) for kind in kinds]
    opcode, _, last = name.partition(" …")
    text = f"{opcode} %out, {', '.join(f'%in{place}' for place in range(len(kinds)))}{last};"
    sources = [
        (kind.rstrip("!<"), np.array(column, FORMATS[kind.rstrip("!<")].values))
        for kind, column in zip(kinds, columns, strict=True)
    ]
    assert apply(text, result, sources).tolist() == expected(result, function, columns)


@pytest.mark.parametrize("kind", ["s32", "u32", "s64", "u64", "s16"])
@pytest.mark.parametrize("name", COMPARISONS)
@given(data=st.data())
@settings(max_examples=2)
def test_a_comparison_does_what_python_does(name: str, kind: str, data: Any) -> None:
    columns = [data.draw(numbers(kind)) for _ in range(2)]
    columns[1][::3] = columns[0][::3]
    text = f"setp.{name}.{kind} %p1|%p2, %in0, %in1; selp.u32 %r20, 2, 0, %p2; selp.u32 %out, 1, %r20, %p1;"
    found = apply(text, "u32", [(kind, np.array(column, FORMATS[kind].values)) for column in columns])
    want = [1 if COMPARISONS[name](a, b) else 2 for a, b in zip(*columns, strict=True)]
    assert found.tolist() == want


@given(a=st.lists(st.integers(0, M64), min_size=4, max_size=4), b=st.lists(st.integers(0, M64), min_size=4, max_size=4))
@settings(max_examples=12)
def test_carries_add_and_multiply_64_bits_in_halves(a: list[int], b: list[int]) -> None:
    low_a, high_a, low_b, high_b = (
        np.array([v >> by & M32 for v in column], np.uint32) for column in (a, b) for by in (0, 32)
    )
    sources = [("u32", v) for v in (low_a, low_b, high_a, high_b)]
    added = apply("addc.u32 %out, %in2, %in3;", "u32", sources, "add.cc.u32 %r20, %in0, %in1;")
    assert added.tolist() == [((x + y) & M64) >> 32 for x, y in zip(a, b, strict=True)]
    taken = apply("subc.u32 %out, %in2, %in3;", "u32", sources, "sub.cc.u32 %r20, %in0, %in1;")
    assert taken.tolist() == [((x - y) & M64) >> 32 for x, y in zip(a, b, strict=True)]
    before = "mad.lo.cc.u32 %r20, %in0, %in1, %in2; madc.hi.cc.u32 %r21, %in0, %in1, %in3;"
    high = apply("addc.u32 %out, 0, 0;", "u32", sources, before)
    exact = [
        int(x) * int(y) + (int(v) << 32 | int(u)) >> 64 for x, y, u, v in zip(low_a, low_b, high_a, high_b, strict=True)
    ]
    assert high.tolist() == exact


def test_a_wrong_instruction_is_found() -> None:
    values = np.arange(1, LANES + 1, dtype=np.uint32)
    assert apply("add.u32 %out, %in0, %in0;", "u32", [("u32", values)]).tolist() != values.tolist()
