"""Shallow water on the CPU: one pass over a block with rolling rows and explicit vectors.

Every row is visited once. A first sweep makes the fluxes, potential vorticity and energies north of it, a second one
the new fields from those and the ones of the row before, which `work` has kept. Both go by strips of columns, so that
what is kept stays in the second cache however wide a panel is.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate import physics
from clustermark.devices.simd import lanes, load, store

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True}
_double_flux = numba.njit(**_OPTIONS)(physics.double_flux)
_absolute_vorticity = numba.njit(**_OPTIONS)(physics.absolute_vorticity)
_quarter_potential_vorticity = numba.njit(**_OPTIONS)(physics.quarter_potential_vorticity)
_bernoulli = numba.njit(**_OPTIONS)(physics.bernoulli)
_depth_change = numba.njit(**_OPTIONS)(physics.depth_change)
_zonal_acceleration = numba.njit(**_OPTIONS)(physics.zonal_acceleration)
_meridional_acceleration = numba.njit(**_OPTIONS)(physics.meridional_acceleration)

# Rows of `work` that a chunk needs: potential vorticity, both fluxes and energy, each of two neighbouring rows.
ROLLING_ROWS = 8
# Columns of a strip [bytes]: so many of ROLLING_ROWS and of the fields fit in a second cache of 512 KiB. Narrow strips,
# which would fit in the first, take up to twice the time: memory is read ahead only along whole rows.
STRIP_BYTES = 24576


@numba.njit(nogil=True, error_model="numpy")
def _between_rows(h, u, v, bottom, coriolis, metric, gravity, row, pitch, first, last, width, work, here, north):
    """Potential vorticity and V north of a row; U and energy of the row beyond (docs/climate.md, 1 to 5).

    Parameters
    ----------
    metric : see _metric_between
    row : index of element (j, 0)
    first, last : columns
    here, north : places in `work` of the kept rows of j, and of j + 1
    """
    per_longitude, per_latitude, per_latitude_north, cos_face, quarter, north_weight, south_weight = metric
    for i in range(first, last, lanes(width)):
        k = row + i
        n = k + pitch
        depth, depth_east = load(h, k, width), load(h, k + 1, width)
        depth_north, depth_north_east = load(h, n, width), load(h, n + 1, width)
        v_here, u_north = load(v, k, width), load(u, n, width)
        vorticity = _absolute_vorticity(
            v_here,
            load(v, k + 1, width),
            load(u, k, width),
            u_north,
            load(coriolis, k, width),
            per_longitude,
            per_latitude,
            per_latitude_north,
        )
        q = _quarter_potential_vorticity(vorticity, depth, depth_east, depth_north, depth_north_east)
        energy = _bernoulli(
            u_north,
            load(u, n - 1, width),
            load(v, n, width),
            v_here,
            depth_north,
            load(bottom, n, width),
            quarter,
            north_weight,
            south_weight,
            gravity,
        )
        store(work, here + i, q)
        store(work, here + 2 * pitch + i, _double_flux(depth, depth_north, v_here * cos_face))
        store(work, north + 4 * pitch + i, _double_flux(depth_north, depth_north_east, u_north))
        store(work, north + 6 * pitch + i, energy)


@numba.njit(nogil=True, error_model="numpy")
def _new_row(h0, u0, v0, factors, row, pitch, first, last, width, work, here, other, h_new, u_new, v_new):
    """The new fields of a row (docs/climate.md, 6 to 8).

    Parameters
    ----------
    factors : see _step_factors
    here, other : places in `work` of the kept rows of j, and of j − 1 and j + 1
    """
    divergence, zonal_rotation, zonal_gradient, meridional_rotation, meridional_gradient = factors
    for i in range(first, last, lanes(width)):
        q, q_south = here + i, other + i
        flux_north, flux_south = q + 2 * pitch, q_south + 2 * pitch
        flux, flux_beyond = q + 4 * pitch, q_south + 4 * pitch
        energy = load(work, q + 6 * pitch, width)
        vorticity = load(work, q, width)
        west, east = load(work, flux - 1, width), load(work, flux, width)
        north, south = load(work, flux_north, width), load(work, flux_south, width)
        change_h = _depth_change(east, west, north, south, divergence)
        change_u = _zonal_acceleration(
            vorticity,
            load(work, q_south, width),
            north + load(work, flux_north + 1, width),
            south + load(work, flux_south + 1, width),
            energy,
            load(work, q + 6 * pitch + 1, width),
            zonal_rotation,
            zonal_gradient,
        )
        change_v = _meridional_acceleration(
            vorticity,
            load(work, q - 1, width),
            west + east,
            load(work, flux_beyond - 1, width) + load(work, flux_beyond, width),
            energy,
            load(work, q_south + 6 * pitch, width),
            meridional_rotation,
            meridional_gradient,
        )
        store(h_new, row + i, load(h0, row + i, width) - change_h)
        store(u_new, row + i, load(u0, row + i, width) + change_u)
        store(v_new, row + i, load(v0, row + i, width) - change_v)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _metric_between(cos_center, cos_face, j, inverse_spacing):
    """What `_between_rows` multiplies with, in float64: 1/(aΔ cos φ), cos φ of the rows by it, weights of energies."""
    north = cos_center[j + 1]
    per_longitude = inverse_spacing / cos_face[j]
    return (
        per_longitude,
        per_longitude * cos_center[j],
        per_longitude * north,
        cos_face[j],
        0.25,
        0.25 * cos_face[j + 1] / north,
        0.25 * cos_face[j] / north,
    )


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _step_factors(cosine, inverse_spacing, timestep):
    """What `_new_row` multiplies with, in float64."""
    gradient = timestep * inverse_spacing
    return 0.5 * gradient / cosine, 0.25 * timestep / cosine, gradient / cosine, 0.25 * timestep, gradient


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
    """One stage of shallow water, new = old + Δt·F(state), enstrophy-conserving (Sadourny 1975; reference_shallow.py).

    The same bits for any region, number of chunks and number of threads. Cells of the region read one cell around it.

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
    work : (chunks, ROLLING_ROWS, pitch), one chunk of rows per thread at a time
    h_new, u_new, v_new : out; none of the arrays before. What is written up to a vector less one behind the last
        column is right where the state is valid there, and anything elsewhere.
    """
    chunks = work.shape[0]
    kept = work.reshape(-1)
    size = np.int64(lanes(width))
    columns = max(np.int64(STRIP_BYTES // work.itemsize) // size, 1) * size
    for chunk in numba.prange(chunks):
        base = np.int64(chunk) * ROLLING_ROWS * pitch
        start = first_row + (last_row - first_row) * np.int64(chunk) // chunks
        end = first_row + (last_row - first_row) * (np.int64(chunk) + 1) // chunks
        # Whole vectors: what is written behind the region has the right values where the inputs are valid there.
        end_column = first_column + (last_column - first_column + size - 1) // size * size
        for first in range(first_column, end_column, columns):
            last = min(first + columns, end_column)
            for j in range(start - 1, end):
                here, other = base + (j & 1) * pitch, base + (1 - (j & 1)) * pitch
                row = np.int64(j * pitch)
                metric = _metric_between(cos_center, cos_face, j, inverse_spacing)
                _between_rows(
                    h,
                    u,
                    v,
                    bottom,
                    coriolis,
                    metric,
                    gravity,
                    row,
                    pitch,
                    first - 1,
                    last + 1,
                    width,
                    kept,
                    here,
                    other,
                )
                if j >= start:
                    factors = _step_factors(cos_center[j], inverse_spacing, timestep)
                    _new_row(
                        h0, u0, v0, factors, row, pitch, first, last, width, kept, here, other, h_new, u_new, v_new
                    )
