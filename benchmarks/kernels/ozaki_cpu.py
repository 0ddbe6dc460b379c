"""Float64 products from int8 ones by residues: Ozaki, Uchino & Imamura, "Ozaki Scheme II" (2025), elementwise parts.

A and B, scaled to integers by powers of two per row and per column, are multiplied modulo numbers that are prime to
each other; the Chinese remainder theorem gives the integer product back, which is smaller than half of their product.
"""

from __future__ import annotations

import numba


@numba.njit(nogil=True, cache=True)
def residues(whole, modulus, out):
    """out = the residue of each integer nearest to zero, which int8 holds for moduli up to 256.

    Parameters
    ----------
    whole : (·, ·) int64
    out : the same shape, int8
    """
    half = modulus // 2
    for i in range(whole.shape[0]):
        for j in range(whole.shape[1]):
            # The bit pattern is that of the residue in −modulus/2 … (modulus−1)/2: 256 gives −128 … 127.
            out[i, j] = (whole[i, j] + half) % modulus - half


@numba.njit(nogil=True, cache=True)
def mixed_digit(product, moduli, inverses, digits, step):
    """Digit `step` of Garner's mixed-radix form of the integers whose residue is `product`, nearest to zero.

    digits[step] = ((((r − d₀)/p₀ − d₁)/p₁ …)/p₍step₋₁₎ mod p₍step₎, d the digits before.

    Parameters
    ----------
    product : (m, n) int32, the product of residues modulo moduli[step], not reduced
    inverses : (moduli, moduli) int64, 1/p_i modulo p_j
    digits : (moduli, m, n) int16
    """
    modulus = moduli[step]
    half = modulus // 2
    for i in range(product.shape[0]):
        for j in range(product.shape[1]):
            value = product[i, j] % modulus
            for before in range(step):
                value = (value - digits[before, i, j]) * inverses[before, step] % modulus
            digits[step, i, j] = (value + half) % modulus - half


@numba.njit(nogil=True, cache=True)
def from_digits(digits, moduli, row_scales, column_scales, out):
    """out = Σ d_i Π_{j<i} p_j, times the scales of row and column: halves of the sum exactly, then a rounding each.

    Parameters
    ----------
    digits : (moduli, m, n) int16; the halves have at most 8 digits, which int64 holds
    row_scales, column_scales : (m,), (n,) powers of two
    out : (m, n) float64
    """
    middle = len(moduli) // 2
    radix = 1.0
    for i in range(middle):
        radix *= moduli[i]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            high, low = numba.int64(0), numba.int64(0)
            for place in range(len(moduli) - 1, middle - 1, -1):
                high = high * moduli[place] + digits[place, i, j]
            for place in range(middle - 1, -1, -1):
                low = low * moduli[place] + digits[place, i, j]
            out[i, j] = (high * radix + low) * row_scales[i] * column_scales[j]
