"""bfloat16 in NumPy: its bits are the upper half of float32's; it has those exponents and 8 bits of significand."""

from __future__ import annotations

import numpy as np

from ptx.exact import add_to_odd, narrowed


def widened(bits: np.ndarray) -> np.ndarray:
    """uint16 bits → float64, exactly."""
    with np.errstate(invalid="ignore"):  # a signalling NaN stays a NaN
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)


def rounded(odd: np.ndarray) -> np.ndarray:
    """float64 rounded to odd → the bits of the nearest bfloat16, even where two are; every NaN is 0x7FFF."""
    single = narrowed(odd, np.dtype(np.float32), "rz")
    inexact = single.astype(np.float64) != odd
    bits = single.view(np.uint32) | inexact  # to odd again: float32 keeps 16 bits more than are wanted
    up = np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    result = (bits.astype(np.uint64) + up >> np.uint64(16)).astype(np.uint16)
    return np.where(np.isnan(odd), np.uint16(0x7FFF), result)


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a · b + c of uint16 bits, rounded once to nearest: a product of two is exact in float64."""
    with np.errstate(all="ignore"):
        return rounded(add_to_odd(widened(a) * widened(b), widened(c)))


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b."""
    with np.errstate(all="ignore"):
        return rounded(add_to_odd(widened(a), widened(b)))


def subtract(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a − b."""
    return add(a, b ^ np.uint16(0x8000))


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a · b."""
    with np.errstate(all="ignore"):
        return rounded(widened(a) * widened(b))
