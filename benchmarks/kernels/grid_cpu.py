"""Numbers rounded to a common grid, whose sums are exact in float64 and so the same in every order."""

from __future__ import annotations

import math

import numba
import numpy as np

_MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)


@numba.njit(nogil=True, cache=True)
def largest(bits, found):
    """Bits of max |x|: among magnitudes, integers are ordered as the numbers are, and NaN stands above all.

    Parameters
    ----------
    bits : (n,) int64, those of float64 numbers
    found : (1,) int64, overwritten if there is a larger one
    """
    most = found[0]
    for i in range(bits.size):
        magnitude = bits[i] & _MAGNITUDE
        most = magnitude if magnitude > most else most
    found[0] = most


@numba.njit(nogil=True, cache=True)
def rounder(magnitudes, terms_bits):
    """The number R for which (x + R) - R is x on the grid q = 2^(e + terms_bits - 53), where max |x| < 2^e.

    With R = 1.5·2^52 q the sum x + R is rounded to a multiple of q. 2^terms_bits such terms add up to less than 2^53 q,
    below which every multiple of q is a float64: no addition rounds.

    Parameters
    ----------
    magnitudes : (ranks,) float64, max |x| of each rank
    terms_bits : logarithm of the most terms, at least 2
    """
    most = 0.0
    for magnitude in magnitudes:
        if not magnitude <= most:
            most = magnitude
    if not most < math.inf:
        return math.nan
    _, exponent = math.frexp(most)
    return math.ldexp(1.5, exponent + terms_bits - 1)


@numba.njit(nogil=True, cache=True)
def put_on_grid(values, rounding, out):
    """out = x on the grid."""
    for i in range(values.size):
        out[i] = (values[i] + rounding) - rounding


@numba.njit(nogil=True, cache=True)
def add_on_grid(values, rounding, out):
    """out = out + x on the grid, exactly."""
    for i in range(values.size):
        out[i] += (values[i] + rounding) - rounding
