"""Correctly rounded arithmetic in NumPy, in each rounding mode of PTX: fused multiply-add, + − × ÷ and √.

float32 and float16 go through float64, where a product of two is exact and the sum is *rounded to odd*: it keeps a
trace of what was lost, so that the second rounding gives what one rounding would. float64 takes the algorithm of
Boldo & Melquiond 2008 ("Emulation of a FMA and correctly rounded sums", fig. 5), and rational numbers for the lanes
whose exponents are outside of its proof.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

MODES = ("rn", "rz", "rm", "rp")
_SPLIT = float(2**27 + 1)
# Bounds within which no step of the float64 algorithm overflows and every error term is a number of the format.
_LARGEST_FACTOR, _LARGEST_ADDEND, _SMALLEST_PRODUCT = 2.0**500, 2.0**1000, 2.0**-900


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """s + e = a + b exactly, s rounded (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p + e = a · b exactly, p rounded (Dekker, Veltkamp)."""
    p = a * b
    high_a, high_b = _SPLIT * a, _SPLIT * b
    high_a, high_b = high_a - (high_a - a), high_b - (high_b - b)
    low_a, low_b = a - high_a, b - high_b
    return p, low_a * low_b - (((p - high_a * high_b) - low_a * high_b) - high_a * low_b)


def add_to_odd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b, float64; where it is inexact, the neighbour whose last bit is set."""
    s, e = two_sum(a, b)
    s, e = np.broadcast_arrays(np.asarray(s), np.asarray(e))
    bits = np.ascontiguousarray(s).view(np.int64)
    inexact = np.isfinite(e) & (e != 0) & (bits & 1 == 0)
    away_from_zero = (e > 0) == (s > 0)
    return np.where(inexact, bits + np.where(away_from_zero, 1, -1), bits).view(np.float64)


def directed(rounded: np.ndarray, rest: np.ndarray, mode: str) -> np.ndarray:
    """A number rounded to nearest, rounded another way instead; `rest` has the sign of exact value − rounded."""
    if mode == "rn":
        return rounded
    infinity = rounded.dtype.type(np.inf)
    if mode == "rz":
        wrong, towards = (rest != 0) & ((rest > 0) == np.signbit(rounded)), np.zeros_like(rounded)
        wrong &= rounded != 0
    elif mode == "rm":
        wrong, towards = rest < 0, np.full_like(rounded, -infinity)
    else:
        wrong, towards = rest > 0, np.full_like(rounded, infinity)
    return np.where(wrong, np.nextafter(rounded, towards), rounded)


def narrowed(odd: np.ndarray, dtype: np.dtype, mode: str) -> np.ndarray:
    """float64 rounded to odd → a narrower type, rounded once."""
    rounded = odd.astype(dtype)
    with np.errstate(invalid="ignore"):
        rest = np.where(np.isfinite(odd), np.sign(odd - rounded.astype(np.float64)), 0)
    return directed(rounded, rest, mode)


def _fma64(a: np.ndarray, b: np.ndarray, c: np.ndarray, mode: str) -> np.ndarray:
    a, b, c = np.broadcast_arrays(a, b, c)
    product = a * b
    result = product + c
    finite = np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & (a != 0) & (b != 0)
    safe = finite & (np.abs(a) < _LARGEST_FACTOR) & (np.abs(b) < _LARGEST_FACTOR)
    safe &= (np.abs(c) < _LARGEST_ADDEND) & (np.abs(product) > _SMALLEST_PRODUCT)
    high, low = two_product(a, b)
    middle, middle_rest = two_sum(c, low)
    top, top_rest = two_sum(high, middle)
    rounded, rest = two_sum(top, add_to_odd(middle_rest, top_rest))
    result = np.where(safe, directed(rounded, rest, mode), result)
    for lane in np.flatnonzero(finite & ~safe):
        x, y, z = (Fraction(float(values[lane])) for values in (a, b, c))
        result[lane] = _rational(x * y + z, mode)
    return _signed_zero(result, product, c, mode)


def _signed_zero(result: np.ndarray, product: np.ndarray, addend: np.ndarray, mode: str) -> np.ndarray:
    """Towards −∞ a sum that is exactly zero is −0, but for (+0) + (+0)."""
    if mode != "rm":
        return result
    cancelled = (result == 0) & (product == -addend)
    return np.where(cancelled & (np.signbit(product) | np.signbit(addend)), -np.zeros_like(result), result)


def _rational(exact: Fraction, mode: str) -> float:
    """A rational number in float64, rounded once."""
    try:
        rounded = float(exact)
    except OverflowError:
        rounded = float("inf") if exact > 0 else float("-inf")
    return float(directed(np.array([rounded]), np.array([float(_beyond(exact, rounded))]), mode)[0])


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray, mode: str = "rn") -> np.ndarray:
    """a · b + c, rounded once; arrays of one floating-point type."""
    dtype = a.dtype
    with np.errstate(all="ignore"):
        if dtype == np.float64:
            return _fma64(a, b, c, mode)
        product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
        result = narrowed(add_to_odd(product, addend), dtype, mode)
        return _signed_zero(result, product, addend, mode)


def add(a: np.ndarray, b: np.ndarray, mode: str = "rn") -> np.ndarray:
    """a + b."""
    if mode == "rn" and a.dtype != np.float16:
        return a + b
    return fma(a, np.ones_like(a), b, mode)


def multiply(a: np.ndarray, b: np.ndarray, mode: str = "rn") -> np.ndarray:
    """a · b."""
    if mode == "rn" and a.dtype != np.float16:
        return a * b
    return fma(a, b, np.copysign(np.zeros_like(a), a * b), mode)


def divide(a: np.ndarray, b: np.ndarray, mode: str = "rn") -> np.ndarray:
    """a ÷ b."""
    with np.errstate(all="ignore"):
        quotient = a / b
        if mode == "rn":
            return quotient
        a, b = np.broadcast_arrays(a, b)
        rest = np.zeros(quotient.shape)
        for lane in np.flatnonzero(np.isfinite(a) & np.isfinite(b) & (b != 0)):
            exact, found = Fraction(float(a[lane])) / Fraction(float(b[lane])), float(quotient[lane])
            rest[lane] = _beyond(exact, found)
        return directed(quotient, rest, mode)


def square_root(a: np.ndarray, mode: str = "rn") -> np.ndarray:
    """√a."""
    with np.errstate(all="ignore"):
        root = np.sqrt(a)
        if mode == "rn":
            return root
        rest = np.zeros(root.shape)
        for lane in np.flatnonzero(np.isfinite(root)):
            rest[lane] = _beyond(Fraction(float(a[lane])), float(root[lane]), power=2)
        return directed(root, rest, mode)


def _beyond(exact: Fraction, found: float, power: int = 1) -> int:
    """Sign of exact − found^power."""
    if np.isinf(found):
        return -1 if found > 0 else 1
    other = Fraction(found) ** power
    return (exact > other) - (exact < other)


def flushed(values: np.ndarray) -> np.ndarray:
    """Subnormal numbers become zero of their sign (.ftz)."""
    small = np.abs(values) < np.finfo(values.dtype).tiny
    return np.where(small, np.copysign(np.zeros_like(values), values), values)
