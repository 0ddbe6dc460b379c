"""Integer arithmetic of PTX on NumPy arrays (PTX ISA, 9.7.1, 9.7.7): values in, values out, of a Format."""

from __future__ import annotations

import numpy as np

from ptx.formats import Format, wider


def _u64(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint64)


def saturated_add(a: np.ndarray, b: np.ndarray, *, negative: bool) -> np.ndarray:
    """a + b or a − b of s32, held within the type (.sat)."""
    wide = a.astype(np.int64) - b if negative else a.astype(np.int64) + b
    return np.clip(wide, -(2**31), 2**31 - 1).astype(np.int32)


def multiply_high(a: np.ndarray, b: np.ndarray, form: Format) -> np.ndarray:
    """Upper half of the product of twice the width."""
    if form.bits < 64:
        twice = wider(form).values
        return (a.astype(twice) * b.astype(twice) >> twice.type(form.bits)).astype(form.values)
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    x, y = _u64(a), _u64(b)
    x0, x1, y0, y1 = x & low, x >> half, y & low, y >> half
    middle = x1 * y0 + (x0 * y0 >> half)
    upper = x1 * y1 + (middle >> half) + ((x0 * y1 + (middle & low)) >> half)
    if form.kind == "s":
        upper = upper - np.where(a < 0, y, np.uint64(0)) - np.where(b < 0, x, np.uint64(0))
    return upper.astype(form.values)


def multiply_wide(a: np.ndarray, b: np.ndarray, form: Format) -> np.ndarray:
    """Product in twice the width."""
    twice = wider(form).values
    return a.astype(twice) * b.astype(twice)


def multiply_24(a: np.ndarray, b: np.ndarray, form: Format, *, high: bool) -> np.ndarray:
    """48-bit product of the lower 24 bits: its lower, or upper, 32 bits."""
    if form.kind == "s":
        x, y = (v.astype(np.int64) << 40 >> 40 for v in (a, b))
    else:
        x, y = (v.astype(np.int64) & 0xFFFFFF for v in (a, b))
    return (x * y >> (16 if high else 0)).astype(form.values)


def divide(a: np.ndarray, b: np.ndarray, form: Format) -> np.ndarray:
    """Quotient, rounded towards zero; b has no zero."""
    if form.kind != "s":
        return a // b
    with np.errstate(all="ignore"):
        x, y = (np.where(v < 0, 0 - v, v).view(f"u{form.size}") for v in np.broadcast_arrays(a, b))
        quotient = (x // y).view(form.values)
        return np.where((a < 0) != (b < 0), 0 - quotient, quotient).astype(form.values)


def remainder(a: np.ndarray, b: np.ndarray, form: Format) -> np.ndarray:
    """a − b · (a ÷ b), of the sign of a."""
    return (a - b * divide(a, b, form)).astype(form.values)


def shift(values: np.ndarray, by: np.ndarray, form: Format, *, left: bool) -> np.ndarray:
    """Shift; more than the width counts as the width."""
    inside = np.minimum(by, form.bits - 1).astype(form.values)
    shifted = values << inside if left else values >> inside
    rest = values >> form.values.type(form.bits - 1) if not left and form.kind == "s" else np.zeros_like(values)
    return np.where(by >= form.bits, rest, shifted)


def funnel_shift(low: np.ndarray, high: np.ndarray, by: np.ndarray, *, left: bool, wrap: bool) -> np.ndarray:
    """Shift of the 64 bits high:low; its upper (left) or lower (right) half."""
    count = _u64(by & np.uint32(31) if wrap else np.minimum(by, np.uint32(32)))
    both = _u64(high) << np.uint64(32) | _u64(low)
    return ((both << count) >> np.uint64(32) if left else both >> count).astype(np.uint32)


def population(values: np.ndarray) -> np.ndarray:
    """Bits that are set."""
    return np.bitwise_count(values).astype(np.uint32)


def bit_length(values: np.ndarray) -> np.ndarray:
    """Position of the highest bit that is set, from 1; 0 of 0."""
    spread = _u64(values)
    for distance in (1, 2, 4, 8, 16, 32):
        spread = spread | spread >> np.uint64(distance)
    return np.bitwise_count(spread).astype(np.uint32)


def leading_zeros(values: np.ndarray, form: Format) -> np.ndarray:
    """Zeros above the highest bit that is set."""
    return np.uint32(form.bits) - bit_length(values)


def find_bit(values: np.ndarray, form: Format, *, shift_amount: bool) -> np.ndarray:
    """Place of the highest bit that is not the sign, or the shift that brings it to the top; 2³²−1 where none is."""
    magnitude = np.where(values < 0, ~values, values).view(f"u{form.size}")
    length = bit_length(magnitude)
    place = np.uint32(form.bits) - length if shift_amount else length - np.uint32(1)
    return np.where(length == 0, np.uint32(0xFFFFFFFF), place)


def reverse_bits(values: np.ndarray, form: Format) -> np.ndarray:
    """Bits in the other order."""
    result = np.zeros_like(values)
    for place in range(form.bits):
        bit = (values >> form.values.type(place)) & form.values.type(1)
        result |= bit << form.values.type(form.bits - 1 - place)
    return result


def _ones(length: np.ndarray) -> np.ndarray:
    """uint64 of the lowest `length` bits, 64 and more all."""
    inside = np.uint64(1) << np.minimum(length, np.uint64(63))
    return np.where(length >= 64, ~np.uint64(0), inside - np.uint64(1))


def extract_bits(values: np.ndarray, start: np.ndarray, length: np.ndarray, form: Format) -> np.ndarray:
    """bfe: `length` bits from `start` on; signed: with the sign of the field's top bit, or of the value's beyond it."""
    start, length = (_u64(v) & np.uint64(0xFF) for v in (start, length))
    bits = _u64(values.view(f"u{form.size}"))
    field = np.where(start < form.bits, bits >> np.minimum(start, np.uint64(63)), np.uint64(0)) & _ones(length)
    if form.kind != "s":
        return field.astype(form.values)
    top = np.minimum(start + length - np.uint64(1), np.uint64(form.bits - 1))
    negative = (length > 0) & (bits >> np.where(length > 0, top, np.uint64(0)) & np.uint64(1) == 1)
    covered = np.minimum(length, np.where(start < form.bits, np.uint64(form.bits) - start, np.uint64(0)))
    return np.where(negative, field | ~_ones(covered), field).astype(form.values)


def insert_bits(
    field: np.ndarray, values: np.ndarray, start: np.ndarray, length: np.ndarray, form: Format
) -> np.ndarray:
    """bfi: the lowest `length` bits of `field` put into `values` from `start` on."""
    start, length = (_u64(v) & np.uint64(0xFF) for v in (start, length))
    inside = start < form.bits
    by = np.where(inside, start, np.uint64(0))
    mask = np.where(inside, _ones(length) << by, np.uint64(0))
    return ((_u64(values) & ~mask) | ((_u64(field) << by) & mask)).astype(form.values)


def permute_bytes(a: np.ndarray, b: np.ndarray, selector: np.ndarray, mode: str = "") -> np.ndarray:
    """prmt: four bytes chosen from the eight of b:a; modes f4e, b4e, rc8, ecl, ecr, rc16 by the lowest two bits."""
    both = _u64(a) | _u64(b) << np.uint64(32)
    low = (_u64(selector) & np.uint64(3)).astype(np.int64)
    tables = {
        "f4e": [[i + j for j in range(4)] for i in range(4)],
        "b4e": [[(i - j) % 8 for j in range(4)] for i in range(4)],
        "rc8": [[i] * 4 for i in range(4)],
        "ecl": [[max(i, j) for j in range(4)] for i in range(4)],
        "ecr": [[min(i, j) for j in range(4)] for i in range(4)],
        "rc16": [[0, 1, 0, 1], [2, 3, 2, 3], [0, 1, 0, 1], [2, 3, 2, 3]],
    }
    result = np.uint64(0)
    for place in range(4):
        if mode:
            choice = np.array([row[place] for row in tables[mode]], np.uint64)[low]
        else:
            choice = _u64(selector) >> np.uint64(4 * place) & np.uint64(15)
        byte = both >> ((choice & np.uint64(7)) * np.uint64(8)) & np.uint64(255)
        sign = np.where(byte & np.uint64(128), np.uint64(255), np.uint64(0))
        byte = np.where(choice & np.uint64(8), sign, byte)
        result = result | byte << np.uint64(8 * place)
    return np.asarray(result).astype(np.uint32)


def logic_of_three(a: np.ndarray, b: np.ndarray, c: np.ndarray, table: int) -> np.ndarray:
    """lop3: bit (a, b, c) of the table, at each place."""
    result = np.zeros(np.broadcast_shapes(a.shape, b.shape, c.shape), a.dtype)
    for row in range(8):
        if table >> row & 1:
            result |= (a if row & 4 else ~a) & (b if row & 2 else ~b) & (c if row & 1 else ~c)
    return result


def dot_of_bytes(a: np.ndarray, b: np.ndarray, c: np.ndarray, kinds: tuple[str, str]) -> np.ndarray:
    """dp4a: c + Σ a_k · b_k over the four bytes, each signed or not."""
    total = c.astype(np.int64)
    for place in range(4):
        x, y = (
            (v >> v.dtype.type(8 * place)).astype(np.uint8).astype(np.int8 if kind == "s" else np.uint8)
            for v, kind in zip((a, b), kinds, strict=True)
        )
        total = total + x.astype(np.int64) * y.astype(np.int64)
    return total.astype(np.uint64).astype(np.uint32)
