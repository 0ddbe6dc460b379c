"""What one stage needs of surface pressure alone: one pass over two-dimensional fields, in float64 before the cast."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.vertical import DEGREE, REDUCTIONS
from clustermark.devices.simd import lanes, load, ordered, select, splat, store_first
from clustermark.devices.simd_lookup import converted

# Planes of `terms`, (rows, pitch) each: (p_s/p₀)^κ; ½c_p δ of it along rows and along columns; p_s at east faces, and
# at north faces times cosφ; 4/Σp_s at corners; 1/(4p_s) at east and north faces.
EXNER, EAST_EXNER, NORTH_EXNER, EAST_MASS, NORTH_MASS, CORNER, EAST_WEIGHT, NORTH_WEIGHT = range(8)
TERMS = 8
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)


@_inline
def power(x, table, width):
    """x^κ per lane by the polynomial of vertical.power_table, for x from 2^−7.5 to 2^1.5."""
    result = splat(1.0, width)
    for n in range(REDUCTIONS - 1):
        low = x < table[n]
        result = select(low, result * table[2 * REDUCTIONS + n], result)
        x = select(low, x * table[REDUCTIONS + n], x)
    last = REDUCTIONS - 1
    high = splat(table[last], width) < x
    result = select(high, result * table[2 * REDUCTIONS + last], result)
    x = select(high, x * table[REDUCTIONS + last], x)
    scale = 3 * REDUCTIONS
    t = x * table[scale] + table[scale + 1]
    value = splat(table[scale + 2], width)
    for n in range(DEGREE):
        value = value * t + table[scale + 3 + n]
    return value * result


@_inline
def exner_row(mass, exner, here, table, inverse_reference, first, last, width):
    """(p_s/p₀)^κ in float64."""
    for i in range(first, last, lanes(width)):
        value = power(load(mass, here + i, width) * inverse_reference, table, width)
        store_first(exner, here + i, value, last - i)


@_inline
def terms_row(mass, exner, here, north, cos_face, half_heat_capacity, plane, terms, first, last, width):
    """The planes of `terms` along one row."""
    like = load(terms, here, width)
    one = splat(1.0, width)
    for i in range(first, last, lanes(width)):
        at = here + i
        p, p_east, p_north = load(mass, at, width), load(mass, at + 1, width), load(mass, north + i, width)
        both_rows = p + p_east + p_north + load(mass, north + i + 1, width)
        e = load(exner, at, width)
        store_first(terms, at, converted(e, like), last - i)
        store_first(
            terms,
            EAST_EXNER * plane + at,
            converted((load(exner, at + 1, width) - e) * half_heat_capacity, like),
            last - i,
        )
        rise = (load(exner, north + i, width) - e) * half_heat_capacity
        store_first(terms, NORTH_EXNER * plane + at, converted(rise, like), last - i)
        store_first(terms, EAST_MASS * plane + at, converted((p + p_east) * 0.5, like), last - i)
        store_first(terms, NORTH_MASS * plane + at, converted((p + p_north) * (0.5 * cos_face), like), last - i)
        store_first(terms, CORNER * plane + at, converted(one * 4.0 / both_rows, like), last - i)
        store_first(terms, EAST_WEIGHT * plane + at, converted(one * 0.5 / (p + p_east), like), last - i)
        store_first(terms, NORTH_WEIGHT * plane + at, converted(one * 0.5 / (p + p_north), like), last - i)


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def surface_terms(
    mass, cos_face, power_table, reference_pressure, heat_capacity, rows, pitch, first_row, last_row, first_column,
    last_column, chunks, width, exner, terms
):  # fmt: skip
    """(p_s/p₀)^κ, its gradients, and p_s at faces and corners, for a stage over the region.

    Parameters
    ----------
    mass : (rows·pitch,) float64 surface pressure, valid two cells beyond the region [Pa]
    cos_face : (rows,) float64 cosφ at north faces
    power_table : vertical.power_table(κ)
    reference_pressure, heat_capacity : p₀ [Pa], c_p [J/(kg K)]
    rows, pitch : padded rows of the block; elements from one row to the next
    first_row, last_row, first_column, last_column : region, in padded indices
    chunks : pieces that threads may take
    width : Width of the vectors
    exner : (rows·pitch,) float64, scratch
    terms : (TERMS·rows·pitch,) in the precision of the fields, out, a cell beyond the region, two in the south and west
    """
    first, last = first_column - 2, last_column + 1
    plane = rows * pitch
    exact = ordered(width)
    for chunk in numba.prange(chunks):
        c = np.int64(chunk)
        count = last_row + 4 - first_row
        for j in range(first_row - 2 + count * c // chunks, first_row - 2 + count * (c + 1) // chunks):
            exner_row(mass, exner, j * pitch, power_table, 1.0 / reference_pressure, first, last + 1, exact)
    for chunk in numba.prange(chunks):
        c = np.int64(chunk)
        count = last_row + 3 - first_row
        for j in range(first_row - 2 + count * c // chunks, first_row - 2 + count * (c + 1) // chunks):
            terms_row(
                mass, exner, j * pitch, (j + 1) * pitch, cos_face[j], 0.5 * heat_capacity, plane, terms, first, last,
                exact,
            )  # fmt: skip
