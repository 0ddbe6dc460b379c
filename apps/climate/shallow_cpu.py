"""Shallow water on the CPU: one pass over a block with rolling rows and explicit vectors.

Every row is visited once. A first sweep makes the fluxes and energies north of it and the potential vorticity one row
further, a second one the new fields from those and the ones of the rows before, which `work` has kept. Both go by
strips of columns, so that what is kept stays in the second cache however wide a panel is.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate import physics
from clustermark.apps.climate.layout import MOST_LANES, Array
from clustermark.devices.simd import lanes, load, store

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True}
_double_flux = numba.njit(**_OPTIONS)(physics.double_flux)
_absolute_vorticity = numba.njit(**_OPTIONS)(physics.absolute_vorticity)
_quarter_potential_vorticity = numba.njit(**_OPTIONS)(physics.quarter_potential_vorticity)
_twice_cubic_mean = numba.njit(**_OPTIONS)(physics.twice_cubic_mean)
_bernoulli = numba.njit(**_OPTIONS)(physics.bernoulli)
_depth_change = numba.njit(**_OPTIONS)(physics.depth_change)
_zonal_acceleration = numba.njit(**_OPTIONS)(physics.zonal_acceleration)
_meridional_acceleration = numba.njit(**_OPTIONS)(physics.meridional_acceleration)

# Rows of `work` that a chunk needs: potential vorticity of four neighbouring rows, both fluxes and energy of two each.
ROLLING_ROWS = 10
_NORTHWARD, _EASTWARD, _ENERGY = 4, 6, 8
# Columns of a strip [bytes]: so many of ROLLING_ROWS and of the fields fit in a second cache of 512 KiB. Narrow strips,
# which would fit in the first, take up to twice the time: memory is read ahead only along whole rows.
STRIP_BYTES = 24576


def make_work(chunks: int, pitch: int, dtype: str) -> Array:
    """Workspace of `shallow_stage`: (chunks, ROLLING_ROWS, elements of a row and what vectors may overrun)."""
    return np.zeros((chunks, ROLLING_ROWS, pitch + 2 * MOST_LANES), dtype)


@numba.njit(nogil=True, error_model="numpy")
def _ahead(h, u, v, bottom, coriolis, metric, gravity, row, pitch, first, last, width, work, kept):
    """Of the row north of a row: potential vorticity, U and energy; and V through the face between (1 to 5).

    Parameters
    ----------
    metric : see _metric_ahead
    row : index of element (j, 0)
    first, last : columns
    kept : places in `work` of the rows of q of j + 1, of V of j, of U and of B of j + 1
    """
    per_longitude, per_latitude, per_latitude_north, cos_face, quarter, north_weight, south_weight = metric
    vorticities, northward, eastward, energies = kept
    for i in range(first, last, lanes(width)):
        k = row + i
        n = k + pitch
        depth, depth_east = load(h, n, width), load(h, n + 1, width)
        v_here, u_here = load(v, n, width), load(u, n, width)
        v_south = load(v, k, width)
        vorticity = _absolute_vorticity(
            v_here,
            load(v, n + 1, width),
            u_here,
            load(u, n + pitch, width),
            load(coriolis, n, width),
            per_longitude,
            per_latitude,
            per_latitude_north,
        )
        north, north_east = load(h, n + pitch, width), load(h, n + pitch + 1, width)
        energy = _bernoulli(
            u_here,
            load(u, n - 1, width),
            v_here,
            v_south,
            depth,
            load(bottom, n, width),
            quarter,
            north_weight,
            south_weight,
            gravity,
        )
        q = _quarter_potential_vorticity(vorticity, depth, depth_east, north, north_east)
        store(work, vorticities + i, q)
        store(work, northward + i, _double_flux(load(h, k, width), depth, v_south * cos_face))
        store(work, eastward + i, _double_flux(depth, depth_east, u_here))
        store(work, energies + i, energy)


@numba.njit(nogil=True, error_model="numpy")
def _new_row(h0, u0, v0, factors, row, first, last, width, work, rings, h_new, u_new, v_new):
    """The new fields of a row (docs/climate.md, 6 to 8).

    Parameters
    ----------
    factors : see _step_factors
    rings : see _rings
    """
    divergence, zonal_rotation, zonal_gradient, meridional_rotation, meridional_gradient, near, far = factors
    (q_far, q_south, q_here, q_north), (over, under), (along, beyond), (energies, energies_north) = rings
    for i in range(first, last, lanes(width)):
        q, west, east = q_here + i, load(work, along + i - 1, width), load(work, along + i, width)
        vorticity, energy = load(work, q, width), load(work, energies + i, width)
        north, south = load(work, over + i, width), load(work, under + i, width)
        change_h = _depth_change(east, west, north, south, divergence)
        change_u = _zonal_acceleration(
            _twice_cubic_mean(
                load(work, q_far + i, width),
                load(work, q_south + i, width),
                vorticity,
                load(work, q_north + i, width),
                near,
                far,
            ),
            north + load(work, over + i + 1, width),
            south + load(work, under + i + 1, width),
            energy,
            load(work, energies + i + 1, width),
            zonal_rotation,
            zonal_gradient,
        )
        change_v = _meridional_acceleration(
            _twice_cubic_mean(
                load(work, q - 2, width), load(work, q - 1, width), vorticity, load(work, q + 1, width), near, far
            ),
            west + east,
            load(work, beyond + i - 1, width) + load(work, beyond + i, width),
            energy,
            load(work, energies_north + i, width),
            meridional_rotation,
            meridional_gradient,
        )
        store(h_new, row + i, load(h0, row + i, width) - change_h)
        store(u_new, row + i, load(u0, row + i, width) + change_u)
        store(v_new, row + i, load(v0, row + i, width) - change_v)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _rings(base, j, wide):
    """Places in `work` of the kept rows around row j: q of j − 2 to j + 1; V of j and j − 1; U, B of j and j + 1."""
    even, odd = base + (j & 1) * wide, base + (1 - (j & 1)) * wide
    vorticities = (
        base + ((j + 2) & 3) * wide, base + ((j + 3) & 3) * wide, base + (j & 3) * wide, base + ((j + 1) & 3) * wide
    )  # fmt: skip
    return (
        vorticities,
        (even + _NORTHWARD * wide, odd + _NORTHWARD * wide),
        (even + _EASTWARD * wide, odd + _EASTWARD * wide),
        (even + _ENERGY * wide, odd + _ENERGY * wide),
    )


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _metric_ahead(cos_center, cos_face, j, inverse_spacing):
    """What `_ahead` multiplies with, in float64: of q of row j + 1, of V of j, of the energy of j + 1."""
    center, north = cos_center[j + 1], cos_face[j + 1]
    per_longitude = inverse_spacing / north
    return (
        per_longitude,
        per_longitude * center,
        per_longitude * cos_center[j + 2],
        cos_face[j],
        0.25,
        0.25 * north / center,
        0.25 * cos_face[j] / center,
    )


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _step_factors(cosine, inverse_spacing, timestep):
    """What `_new_row` multiplies with, in float64."""
    gradient = timestep * inverse_spacing
    turn = 0.25 * timestep
    return 0.5 * gradient / cosine, turn / cosine, gradient / cosine, turn, gradient, 1.125, 0.125


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def shallow_stage(
    h,
    u,
    v,
    h0,
    u0,
    v0,
    bottom,
    coriolis,
    cos_center,
    cos_face,
    inverse_spacing,
    gravity,
    timestep,
    pitch,
    first_row,
    last_row,
    first_column,
    last_column,
    width,
    work,
    h_new,
    u_new,
    v_new,
):
    """One stage of shallow water, new = old + Δt·F(state), the enstrophy form of Sadourny 1975 (reference_shallow.py).

    The same bits for any region, number of chunks and number of threads. Cells of the region read two cells around it.

    Parameters
    ----------
    h, u, v : state that F is taken of, flat blocks of (rows·pitch)
    h0, u0, v0 : state that is added to
    bottom, coriolis : height of the ground [m]; f at north-east corners [1/s]
    cos_center, cos_face : (rows,) cos φ of cells and north faces
    inverse_spacing : 1/(aΔ) [1/m]
    gravity, timestep : g [m/s²], Δt [s]
    pitch : elements from row to row
    first_row, last_row, first_column, last_column : region in padded indices, ends exclusive
    width : lanes of a vector
    work : make_work, one chunk of rows per thread at a time
    h_new, u_new, v_new : out; none of the arrays before. What is written up to a vector less one behind the last
        column is right where the state is valid there, and anything elsewhere.
    """
    chunks = work.shape[0]
    wide = np.int64(work.shape[2])
    kept = work.reshape(-1)
    size = np.int64(lanes(width))
    columns = max(np.int64(STRIP_BYTES // work.itemsize) // size, 1) * size
    for chunk in numba.prange(chunks):
        base = np.int64(chunk) * ROLLING_ROWS * wide
        start = first_row + (last_row - first_row) * np.int64(chunk) // chunks
        end = first_row + (last_row - first_row) * (np.int64(chunk) + 1) // chunks
        # Whole vectors: what is written behind the region has the right values where the inputs are valid there.
        end_column = first_column + (last_column - first_column + size - 1) // size * size
        for first in range(first_column, end_column, columns):
            last = min(first + columns, end_column)
            # q of the row two before the first new one comes first; what else is made with it there is not read.
            for j in range(start - 3, end):
                row, rings = np.int64(j * pitch), _rings(base, j, wide)
                _ahead(
                    h,
                    u,
                    v,
                    bottom,
                    coriolis,
                    _metric_ahead(cos_center, cos_face, j, inverse_spacing),
                    gravity,
                    row,
                    pitch,
                    first - 2,
                    last + 1,
                    width,
                    kept,
                    (rings[0][3], rings[1][0], rings[2][1], rings[3][1]),
                )
                if j >= start:
                    factors = _step_factors(cos_center[j], inverse_spacing, timestep)
                    _new_row(h0, u0, v0, factors, row, first, last, width, kept, rings, h_new, u_new, v_new)
