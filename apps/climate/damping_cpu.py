"""∇⁴ damping of winds and θ on the CPU: rows are swept northwards, two Laplacians in one pass (eqs. 10 to 12).

A chunk is a span of the rows of all levels one after the other. The rows that a row needs are kept in a workspace of
sixteen rows.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate import physics_3d
from clustermark.apps.climate.layout import MOST_LANES, Array
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.devices.simd import lanes, load, ordered, store, store_first

# Rings of rows in the workspace: divergence and vorticity of the winds, their Laplacian, both of that, ∇²θ.
DIVERGENCE, VORTICITY, U_LAPLACIAN, V_LAPLACIAN, DIVERGENCE_2, VORTICITY_2, THETA_LAPLACIAN = range(0, 14, 2)
WORK_ROWS = 16
# Rows before the first one of a span from which its workspace is filled.
WARM_UP = 3
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)
divergence = _inline(physics_3d.divergence)
vorticity = _inline(physics_3d.vorticity)
vector_laplacian = _inline(physics_3d.vector_laplacian)
scalar_laplacian = _inline(physics_3d.scalar_laplacian)
damped = _inline(physics_3d.damped)


def make_work(chunks: int, pitch: int, dtype: str) -> Array:
    """Workspace of `damp`: (chunks, elements)."""
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
def divergence_row(u, v, here_u, here_v, south, upper, lower, factor, work, out, first, last, width):
    """D of winds at cells, with cosφ of the north and south faces."""
    for i in range(first, last, lanes(width)):
        d = divergence(
            load(u, here_u + i, width),
            load(u, here_u + i - 1, width),
            load(v, here_v + i, width) * upper,
            load(v, south + i, width) * lower,
            factor,
        )
        store(work, out + i, d)


@_inline
def vorticity_row(u, v, here_u, north, here_v, lower, upper, factor, work, out, first, last, width):
    """ζ of winds at corners, with cosφ of the rows of u."""
    for i in range(first, last, lanes(width)):
        z = vorticity(
            load(u, here_u + i, width),
            load(u, north + i, width),
            load(v, here_v + i, width),
            load(v, here_v + i + 1, width),
            lower,
            upper,
            factor,
        )
        store(work, out + i, z)


@_inline
def _both(work, d, d_north, z, z_south, i, inverse_center, inverse_face, width):
    """∇²u and ∇²v at column i, in units of 1/(aΔ)²."""
    here = load(work, d + i, width)
    corner = load(work, z + i, width)
    along = vector_laplacian(
        load(work, d + i + 1, width), here, corner, load(work, z_south + i, width), inverse_center, 1.0
    )
    across = vector_laplacian(
        load(work, d_north + i, width), here, load(work, z + i - 1, width), corner, 1.0, inverse_face
    )
    return along, across


@_inline
def laplacian_row(work, d, d_north, z, z_south, inverse_center, inverse_face, u_out, v_out, first, last, width):
    """∇²u and ∇²v along a row."""
    for i in range(first, last, lanes(width)):
        along, across = _both(work, d, d_north, z, z_south, i, inverse_center, inverse_face, width)
        store(work, u_out + i, along)
        store(work, v_out + i, across)


@_inline
def damped_row(
    u, v, here, work, d, d_north, z, z_south, inverse_center, inverse_face, coefficient, u_new, v_new, first, last,
    width
):  # fmt: skip
    """Winds less ν₄Δt times the Laplacian of their Laplacian."""
    for i in range(first, last, lanes(width)):
        along, across = _both(work, d, d_north, z, z_south, i, inverse_center, inverse_face, width)
        store_first(u_new, here + i, damped(load(u, here + i, width), along, coefficient), last - i)
        store_first(v_new, here + i, damped(load(v, here + i, width), across, coefficient), last - i)


@_inline
def _scalar(field, south, here, north, i, along, upper, lower, width):
    return scalar_laplacian(
        load(field, here + i, width),
        load(field, here + i + 1, width),
        load(field, here + i - 1, width),
        load(field, north + i, width),
        load(field, south + i, width),
        along,
        upper,
        lower,
    )


@_inline
def theta_laplacian_row(theta, south, here, north, along, upper, lower, work, out, first, last, width):
    """∇²θ along a row, in units of 1/(aΔ)²."""
    for i in range(first, last, lanes(width)):
        store(work, out + i, _scalar(theta, south, here, north, i, along, upper, lower, width))


@_inline
def damped_theta_row(
    theta, at, work, south, here, north, along, upper, lower, coefficient, theta_new, first, last, width
):
    """θ less ν₄Δt times the Laplacian of its Laplacian."""
    for i in range(first, last, lanes(width)):
        twice = _scalar(work, south, here, north, i, along, upper, lower, width)
        store_first(theta_new, at + i, damped(load(theta, at + i, width), twice, coefficient), last - i)


@_inline
def _ahead(u, v, theta, cos_center, cos_face, at, pitch, j, first, last, width, work, wide):
    """Rows that row j needs and the row before it did not: D of j + 2, ζ and ∇² of j + 1, D of that, ζ of that of j."""
    line = at + j * pitch
    c, f = cos_center, cos_face
    two, one = line + 2 * pitch, line + pitch
    d, d_north = _ring(DIVERGENCE, j + 1, wide), _ring(DIVERGENCE, j + 2, wide)
    z, z_south = _ring(VORTICITY, j + 1, wide), _ring(VORTICITY, j, wide)
    lu, lv, lv_south = _ring(U_LAPLACIAN, j + 1, wide), _ring(V_LAPLACIAN, j + 1, wide), _ring(V_LAPLACIAN, j, wide)
    divergence_row(u, v, two, two, one, f[j + 2], f[j + 1], 1.0 / c[j + 2], work, d_north, first - 1, last + 2, width)
    vorticity_row(u, v, one, two, one, c[j + 1], c[j + 2], 1.0 / f[j + 1], work, z, first - 2, last + 1, width)
    laplacian_row(work, d, d_north, z, z_south, 1.0 / c[j + 1], 1.0 / f[j + 1], lu, lv, first - 1, last + 1, width)
    divergence_row(work, work, lu, lv, lv_south, f[j + 1], f[j], 1.0 / c[j + 1], work,
                   _ring(DIVERGENCE_2, j + 1, wide), first, last + 1, width)  # fmt: skip
    vorticity_row(work, work, _ring(U_LAPLACIAN, j, wide), lu, lv_south, c[j], c[j + 1], 1.0 / f[j], work,
                  _ring(VORTICITY_2, j, wide), first - 1, last, width)  # fmt: skip
    theta_laplacian_row(theta, line, one, two, 1.0 / (c[j + 1] * c[j + 1]), f[j + 1] / c[j + 1], f[j] / c[j + 1], work,
                        _theta_ring(j + 1, wide), first - 1, last + 1, width)  # fmt: skip


@numba.njit(nogil=True, error_model="numpy")
def _sweep(
    u, v, theta, cos_center, cos_face, strength, at, pitch, begin, end, first, last, width, work, u_new, v_new,
    theta_new
):  # fmt: skip
    """Rows `begin` to `end` of one level."""
    wide = pitch + 2 * MOST_LANES
    for j in range(begin - WARM_UP, end):
        _ahead(u, v, theta, cos_center, cos_face, at, pitch, j, first, last, width, work, wide)
        if j >= begin:
            here, cos = at + j * pitch, cos_center[j]
            damped_row(
                u, v, here, work, _ring(DIVERGENCE_2, j, wide), _ring(DIVERGENCE_2, j + 1, wide),
                _ring(VORTICITY_2, j, wide), _ring(VORTICITY_2, j - 1, wide), 1.0 / cos, 1.0 / cos_face[j], strength,
                u_new, v_new, first, last, width,
            )  # fmt: skip
            damped_theta_row(
                theta, here, work, _theta_ring(j - 1, wide), _theta_ring(j, wide), _theta_ring(j + 1, wide),
                1.0 / (cos * cos), cos_face[j] / cos, cos_face[j - 1] / cos, strength, theta_new, first, last, width,
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
                last_column, exact, work[c], u_new, v_new, theta_new,
            )  # fmt: skip
