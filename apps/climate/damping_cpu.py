"""∇⁴ damping of winds and θ on the CPU: rows are swept northwards, two Laplacians in one pass (eqs. 10 to 12).

A chunk is a span of the rows of all levels one after the other. For row j two loops run along the row: the first makes
what one Laplacian needs of the fields of rows j + 1 and j + 2, the second the Laplacian of that for row j. What they
keep for the next row overwrites what they have just read, so that the workspace is twelve rows.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate import physics_3d
from clustermark.apps.climate.layout import MOST_LANES, Array
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.devices.simd import lanes, load, ordered, store, store_first, zeros_like
from clustermark.devices.simd_lookup import ask_for, ask_to_write, left_neighbours

# Rows of the workspace: divergence and vorticity of the winds and of their Laplacian, renewed in place; from these on
# rings of the winds' Laplacian (two rows each) and of ∇²θ (four).
DIVERGENCE, VORTICITY, DIVERGENCE_2, VORTICITY_2, U_LAPLACIAN, V_LAPLACIAN, THETA_LAPLACIAN = 0, 1, 2, 3, 4, 6, 8
WORK_ROWS = 12
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)
divergence = _inline(physics_3d.divergence)
vorticity = _inline(physics_3d.vorticity)
vector_laplacian = _inline(physics_3d.vector_laplacian)
scalar_laplacian = _inline(physics_3d.scalar_laplacian)
damped = _inline(physics_3d.damped)


def make_work(chunks: int, pitch: int, dtype: str) -> Array:
    """Workspace of `damp`: (chunks, elements). Rows begin MOST_LANES before column 0."""
    return aligned_zeros((chunks, WORK_ROWS * (pitch + 2 * MOST_LANES)), dtype)


def copy_cells(source, pitch, first_row, last_row, first_column, last_column, target):
    """The cells of a rectangle of a flat block into another block."""
    cells = slice(first_row, last_row), slice(first_column, last_column)
    target.reshape(-1, pitch)[cells] = source.reshape(-1, pitch)[cells]


@_inline
def _ring(kind, row, wide):
    """Place of a row in a ring of two."""
    return (kind + (row & 1)) * wide


@_inline
def _theta_ring(row, wide):
    """Place of a row in the ring of four of ∇²θ."""
    return (THETA_LAPLACIAN + (row & 3)) * wide


@_inline
def _of_curls(c, f, j):
    """Factors of D of row j + 1 and of ζ of row j, none of which is computed at every column."""
    return f[j + 1], f[j], 1.0 / c[j + 1], c[j], c[j + 1], 1.0 / f[j]


@_inline
def _of_scalar(c, f, j):
    """Factors of ∇² of a scalar in row j."""
    return 1.0 / (c[j] * c[j]), f[j] / c[j], f[j - 1] / c[j]


@_inline
def _curls(u, v, one, two, factors, i, width):
    """D of row j + 2 and ζ of row j + 1 of the winds at column i; one, two: where these rows begin."""
    upper, lower, cell, south, north, corner = factors
    v_south, u_north = load(v, one + i, width), load(u, two + i, width)
    d = divergence(u_north, load(u, two + i - 1, width), load(v, two + i, width) * upper, v_south * lower, cell)
    return d, vorticity(
        load(u, one + i, width), u_north, v_south, load(v, one + i + 1, width), south, north, corner
    )  # fmt: skip


@_inline
def _curls_again(work, rows, factors, i, width):
    """D of row j + 1 and ζ of row j of the winds' Laplacian at column i; `rows` as of `_of_laplacian`."""
    upper, lower, cell, south, north, corner = factors
    u_south, u_north, v_south, v_north = rows
    lu, lv = load(work, u_north + i, width), load(work, v_south + i, width)
    d = divergence(lu, load(work, u_north + i - 1, width), load(work, v_north + i, width) * upper, lv * lower, cell)
    return d, vorticity(
        load(work, u_south + i, width), lu, lv, load(work, v_south + i + 1, width), south, north, corner
    )  # fmt: skip


@_inline
def _of_laplacian(j, wide):
    """Places of rows j and j + 1 of ∇²u and of ∇²v."""
    return (
        _ring(U_LAPLACIAN, j, wide), _ring(U_LAPLACIAN, j + 1, wide), _ring(V_LAPLACIAN, j, wide),
        _ring(V_LAPLACIAN, j + 1, wide),
    )  # fmt: skip


@_inline
def _vector_laplacian(work, d_row, z_row, d_north, z, z_west, center, face, i, width):
    """∇² of winds at column i, in units of 1/(aΔ)²: D at `d_row` and, to the south, ζ at `z_row` of the workspace."""
    d = load(work, d_row + i, width)
    along = vector_laplacian(load(work, d_row + i + 1, width), d, z, load(work, z_row + i, width), center, 1.0)
    return along, vector_laplacian(d_north, d, z_west, z, 1.0, face)


@_inline
def _scalar_laplacian(field, south, here, north, factors, i, width):
    """∇² of a scalar at column i, in units of 1/(aΔ)²."""
    return scalar_laplacian(
        load(field, here + i, width),
        load(field, here + i + 1, width),
        load(field, here + i - 1, width),
        load(field, north + i, width),
        load(field, south + i, width),
        *factors,
    )


@_inline
def curls_row(u, v, here, pitch, c, f, j, work, wide, early, late, width):
    """D of row j + 2 and ζ of row j + 1, from which the workspace is filled."""
    factors = _of_curls(c, f, j + 1)
    for i in range(early, late, lanes(width)):
        d, z = _curls(u, v, here + pitch, here + 2 * pitch, factors, i, width)
        store(work, DIVERGENCE * wide + i, d)
        store(work, VORTICITY * wide + i, z)


@_inline
def ahead_row(u, v, theta, here, pitch, c, f, j, work, wide, early, late, width):
    """∇²V and ∇²θ of row j + 1, D of row j + 2; what the next row will read is asked for."""
    one, two = here + pitch, here + 2 * pitch
    u_row, v_row = _ring(U_LAPLACIAN, j + 1, wide), _ring(V_LAPLACIAN, j + 1, wide)
    t_row = _theta_ring(j + 1, wide)
    factors, of_theta, center, face = _of_curls(c, f, j + 1), _of_scalar(c, f, j + 1), 1.0 / c[j + 1], 1.0 / f[j + 1]
    z_before = zeros_like(load(work, 0, width))
    for i in range(early, late, lanes(width)):
        for field in (u, v, theta):
            ask_for(field, two + pitch + i)
        d, z = _curls(u, v, one, two, factors, i, width)
        along, across = _vector_laplacian(
            work, DIVERGENCE * wide, VORTICITY * wide, d, z, left_neighbours(z_before, z), center, face, i,
            width,
        )  # fmt: skip
        z_before = z
        store(work, DIVERGENCE * wide + i, d)
        store(work, VORTICITY * wide + i, z)
        store(work, u_row + i, along)
        store(work, v_row + i, across)
        store(work, t_row + i, _scalar_laplacian(theta, here, one, two, of_theta, i, width))


@_inline
def curls_again_row(work, wide, c, f, j, early, late, width):
    """D of row j + 1 and ζ of row j of the winds' Laplacian."""
    rows, factors = _of_laplacian(j, wide), _of_curls(c, f, j)
    for i in range(early, late, lanes(width)):
        d, z = _curls_again(work, rows, factors, i, width)
        store(work, DIVERGENCE_2 * wide + i, d)
        store(work, VORTICITY_2 * wide + i, z)


@_inline
def damped_row(
    u, v, theta, here, pitch, c, f, j, strength, work, wide, early, first, last, width, u_new, v_new, theta_new
):  # fmt: skip
    """Row j less ν₄Δt times the Laplacian of its Laplacian; the lines that the next row will write are asked for."""
    south, centre, north = _theta_ring(j - 1, wide), _theta_ring(j, wide), _theta_ring(j + 1, wide)
    rows, factors, of_theta = _of_laplacian(j, wide), _of_curls(c, f, j), _of_scalar(c, f, j)
    center, face = 1.0 / c[j], 1.0 / f[j]
    _, z_before = _curls_again(work, rows, factors, early, width)
    for i in range(first, last + 1, lanes(width)):
        at, left = here + i, last - i
        for field in (u_new, v_new, theta_new):
            ask_to_write(field, at + pitch)
        d, z = _curls_again(work, rows, factors, i, width)
        along, across = _vector_laplacian(
            work, DIVERGENCE_2 * wide, VORTICITY_2 * wide, d, z, left_neighbours(z_before, z), center, face, i,
            width,
        )  # fmt: skip
        z_before = z
        store_first(u_new, at, damped(load(u, at, width), along, strength), left)
        store_first(v_new, at, damped(load(v, at, width), across, strength), left)
        twice = _scalar_laplacian(work, south, centre, north, of_theta, i, width)
        store_first(theta_new, at, damped(load(theta, at, width), twice, strength), left)
        store(work, DIVERGENCE_2 * wide + i, d)
        store(work, VORTICITY_2 * wide + i, z)


@numba.njit(nogil=True, error_model="numpy")
def _sweep(
    u, v, theta, c, f, strength, at, pitch, begin, end, first, last, width, work, u_new, v_new, theta_new
):  # fmt: skip
    """Rows `begin` to `end` of one level; c and f are cosφ of cells and of north faces.

    What is needed a column or two before the region is made from a whole vector before it, so that the vectors of a
    row do not straddle cache lines.
    """
    wide = pitch + 2 * MOST_LANES
    early, late = first - lanes(width), last + 2
    curls_row(u, v, at + (begin - 3) * pitch, pitch, c, f, begin - 3, work, wide, early, late, width)
    for j in range(begin - 2, end):
        here = at + j * pitch
        ahead_row(u, v, theta, here, pitch, c, f, j, work, wide, early, late, width)
        if j < begin:
            curls_again_row(work, wide, c, f, j, early, late, width)
        else:
            damped_row(
                u, v, theta, here, pitch, c, f, j, strength, work, wide, early, first, last, width, u_new, v_new,
                theta_new
            )  # fmt: skip


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def damp(
    u, v, theta, cos_center, cos_face, inverse_distance, coefficient, levels, rows, pitch, first_row, last_row,
    first_column, last_column, width, work, u_new, v_new, theta_new
):  # fmt: skip
    """V − ν₄Δt ∇⁴V and θ − ν₄Δt ∇⁴θ, ∇² of winds as grad div − curl curl (docs/climate.md, atmosphere 10 to 12).

    Parameters
    ----------
    u, v, theta : (levels·rows·pitch,) fields, valid two cells beyond the region
    cos_center, cos_face : (rows,) float64 cosφ at cells and at north faces
    inverse_distance : 1/(a Δ) [1/m]
    coefficient : ν₄Δt [m⁴]; stable below (aΔ cosφ)⁴/32 of the narrowest cell
    levels, rows, pitch : levels; padded rows of the block; elements from one row to the next
    first_row, last_row, first_column, last_column : region, in padded indices
    width : Width of the vectors
    work : make_work; threads may take as many chunks as it has
    u_new, v_new, theta_new : out over the region; other arrays than the inputs
    """
    chunks = work.shape[0]
    exact = ordered(width)
    strength = coefficient * inverse_distance**4
    count = last_row - first_row
    for chunk in numba.prange(chunks):
        c = np.int64(chunk)
        begin, end = levels * count * c // chunks, levels * count * (c + 1) // chunks
        while begin < end:
            k = begin // count
            row = first_row + begin - k * count
            stop = min(last_row, row + end - begin)
            begin += stop - row
            _sweep(
                u, v, theta, cos_center, cos_face, strength, k * rows * pitch, pitch, row, stop, first_column,
                last_column, exact, work[c, MOST_LANES:], u_new, v_new, theta_new,
            )  # fmt: skip
