"""One stage of the primitive equations on the CPU: rows of cells are swept northwards, and each is finished at once.

Row j needs W and Φ + K of the rows j and j + 1, which are made in a workspace that holds two rows of all levels; no
three-dimensional field is kept between. A chunk of rows begins with one row made twice, so chunks know nothing of each
other, and any region and number of chunks gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.layout import MOST_LANES, Array, Floats
from clustermark.apps.climate.primitive_rows_cpu import (
    column_flux_row,
    copy_row,
    flux_and_vorticity_row,
    hydrostatic_row,
    layer_row,
    mass_row,
    sum_row,
    theta_flux_row,
    theta_row,
    wind_row,
    zero_row,
)
from clustermark.apps.climate.surface_cpu import (
    CORNER,
    EAST_EXNER,
    EAST_MASS,
    EAST_WEIGHT,
    EXNER,
    NORTH_EXNER,
    NORTH_MASS,
    NORTH_WEIGHT,
)
from clustermark.apps.climate.vertical import EXNER as LEVEL_EXNER
from clustermark.apps.climate.vertical import HYDROSTATIC, INVERSE_THICKNESS, LOWER_INTERFACE, THICKNESS
from clustermark.devices.simd import lanes

# Cells beyond a region whose values a stage reads.
REACH = 2
# Rows of the workspace: single ones, then rings of two rows per level.
(
    TOTAL, EAST_SUM, NORTH_SUM, HEIGHT, EAST, NORTH, EAST_PAIR, NORTH_PAIR,
    U_ABOVE, V_ABOVE, THETA_ABOVE, THETA_EAST, CHANGE, INVERSE, SINGLE,
) = range(15)  # fmt: skip
VERTICAL, ENERGY, VORTICITY, THETA_NORTH, RINGS = range(5)
# Rows of the float64 workspace: column fluxes through east faces, and through north faces of two rows.
COLUMN_EAST, COLUMN_NORTH, COLUMNS = 0, 1, 3
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)
_row: Any = numba.njit(nogil=True, error_model="numpy")


def make_work(chunks: int, levels: int, pitch: int, dtype: str) -> tuple[Array, Floats]:
    """Workspace of `advance`: (chunks, elements) of the fields' dtype, and (chunks, elements) float64."""
    wide = pitch + 2 * MOST_LANES
    return np.zeros((chunks, (SINGLE + 2 * RINGS * levels) * wide), dtype), np.zeros((chunks, COLUMNS * wide))


@_row
def _ring(kind, row, k, levels, wide):
    """Place of a row of a level in the ring of a kind."""
    return (SINGLE + (2 * kind + (row & 1)) * levels + k) * wide


@_row
def _diagnose(u, v, theta, geopotential, terms, cos_center, cos_face, table, scale, rows, pitch, j, first, last, width,
              work, wide):  # fmt: skip
    """W, Φ + K of row j at all levels, and Σ uΔσ, Σ vΔσ."""
    levels = table.shape[1]
    plane = rows * pitch
    here, south = j * pitch, (j - 1) * pitch
    for single in range(TOTAL, HEIGHT):
        zero_row(work, single * wide, first, last, width)
    factor, quarter = scale / cos_center[j], 0.25
    north_quarter, south_quarter = quarter * cos_face[j] / cos_center[j], quarter * cos_face[j - 1] / cos_center[j]
    for k in range(levels):
        layer_row(
            u, v, k * plane + here, k * plane + south, terms, EAST_MASS * plane + here, NORTH_MASS * plane + here,
            NORTH_MASS * plane + south, work, TOTAL * wide, EAST_SUM * wide, NORTH_SUM * wide,
            _ring(VERTICAL, j, k, levels, wide), _ring(ENERGY, j, k, levels, wide), table[THICKNESS, k],
            factor * table[THICKNESS, k], quarter, north_quarter, south_quarter, first, last, width,
        )  # fmt: skip
    copy_row(geopotential, here, work, HEIGHT * wide, first, last, width)
    for down in range(levels):
        k = levels - 1 - down
        below = min(k + 1, levels - 1)
        hydrostatic_row(
            theta, k * plane + here, below * plane + here, terms, EXNER * plane + here, work, TOTAL * wide,
            HEIGHT * wide, _ring(VERTICAL, j, k, levels, wide), _ring(ENERGY, j, k, levels, wide),
            table[LOWER_INTERFACE, k], table[HYDROSTATIC, k], first, last, width,
        )  # fmt: skip


@_row
def _fluxes(u, v, coriolis, terms, cos_center, cos_face, scale, rows, pitch, j, k, levels, first, last, width, work,
            wide):  # fmt: skip
    """Mass fluxes and potential vorticity of row j at one level."""
    plane = rows * pitch
    here = j * pitch
    south, north, at = here - pitch, here + pitch, k * plane
    flux_and_vorticity_row(
        u, v, coriolis, at + here, at + south, at + north, here, terms, CORNER * plane + here,
        EAST_MASS * plane + here, EAST_MASS * plane + north, NORTH_MASS * plane + here, NORTH_MASS * plane + south,
        cos_center[j], cos_center[j + 1], scale / cos_face[j], work, EAST * wide, EAST_PAIR * wide, NORTH * wide,
        NORTH_PAIR * wide, _ring(VORTICITY, j, k, levels, wide), first, last, width,
    )  # fmt: skip


@_row
def _theta_north(theta, rows, pitch, j, k, levels, first, last, width, work, wide):
    """Flux of θ through the north faces of row j at one level."""
    here = (k * rows + j) * pitch
    theta_flux_row(
        theta, here - pitch, here, here + pitch, here + 2 * pitch, work, NORTH * wide,
        _ring(THETA_NORTH, j, k, levels, wide), 7.0, 3.0, first, last, width,
    )  # fmt: skip


@_row
def _begin(u, v, theta, mass, coriolis, terms, cos_center, cos_face, table, scale, rows, pitch, j, first, last, width,
           work, sums, wide):  # fmt: skip
    """What the row before the first leaves to it: q and fluxes through its north faces."""
    levels = table.shape[1]
    zero_row(work, NORTH_SUM * wide, first, last, width)
    for k in range(levels):
        _fluxes(u, v, coriolis, terms, cos_center, cos_face, scale, rows, pitch, j, k, levels, first - 1, last + 1,
                width, work, wide)  # fmt: skip
        _theta_north(theta, rows, pitch, j, k, levels, first, last, width, work, wide)
        sum_row(v, (k * rows + j) * pitch, work, NORTH_SUM * wide, table[THICKNESS, k], first, last, width)
    column_flux_row(mass, j * pitch, (j + 1) * pitch, work, NORTH_SUM * wide, sums, (COLUMN_NORTH + (j & 1)) * wide,
                    0.5 * cos_face[j], first, last, width)  # fmt: skip


@_row
def _mass(mass, mass_0, cos_center, cos_face, scale, step, pitch, j, first, last, width, work, sums, wide, mass_new):
    """p_s of row j after the stage."""
    here = j * pitch
    north, south = (COLUMN_NORTH + (j & 1)) * wide, (COLUMN_NORTH + (~j & 1)) * wide
    column_flux_row(mass, here, here + 1, work, EAST_SUM * wide, sums, COLUMN_EAST * wide, 0.5, first - 1, last, width)
    column_flux_row(
        mass, here, here + pitch, work, NORTH_SUM * wide, sums, north, 0.5 * cos_face[j], first, last, width
    )
    mass_row(mass_0, here, sums, COLUMN_EAST * wide, north, south, step * scale / cos_center[j], work, CHANGE * wide,
             INVERSE * wide, mass_new, first, last, width)  # fmt: skip
    for single in (U_ABOVE, V_ABOVE, THETA_ABOVE):
        zero_row(work, single * wide, first, last, width)


@_row
def _winds(u, v, theta, u_0, v_0, terms, cos_center, table, scale, step, rows, pitch, j, k, first, last, width, work,
           wide, u_new, v_new):  # fmt: skip
    """u and v of row j at one level after the stage."""
    levels = table.shape[1]
    plane = rows * pitch
    line = j * pitch
    here = k * plane + line
    below = min(k + 1, levels - 1) * plane + line
    w, w_north = _ring(VERTICAL, j, k, levels, wide), _ring(VERTICAL, j + 1, k, levels, wide)
    e, e_north = _ring(ENERGY, j, k, levels, wide), _ring(ENERGY, j + 1, k, levels, wide)
    q, q_south = _ring(VORTICITY, j, k, levels, wide), _ring(VORTICITY, j - 1, k, levels, wide)
    turn, pull, weight = 0.125 * step, scale * step, step * table[INVERSE_THICKNESS, k]
    wind_row(
        u_0, here, u, here, below, theta, here + 1, terms, EAST_EXNER * plane + line, EAST_WEIGHT * plane + line, work,
        q, q_south, NORTH_PAIR * wide, NORTH_PAIR * wide + 1, w, w + 1, e, e + 1, U_ABOVE * wide,
        turn / cos_center[j], table[LEVEL_EXNER, k], pull / cos_center[j], weight, u_new, first, last, width,
    )  # fmt: skip
    wind_row(
        v_0, here, v, here, below, theta, here + pitch, terms, NORTH_EXNER * plane + line, NORTH_WEIGHT * plane + line,
        work, q, q - 1, EAST_PAIR * wide, EAST_PAIR * wide - 1, w, w_north, e, e_north, V_ABOVE * wide,
        -turn, table[LEVEL_EXNER, k], pull, weight, v_new, first, last, width,
    )  # fmt: skip


@_row
def _theta(
    theta, theta_0, cos_center, table, scale, step, rows, pitch, j, k, first, last, width, work, wide, theta_new
):
    """θ of row j at one level after the stage."""
    levels = table.shape[1]
    here = (k * rows + j) * pitch
    below = (min(k + 1, levels - 1) * rows + j) * pitch
    theta_flux_row(theta, here - 1, here, here + 1, here + 2, work, EAST * wide, THETA_EAST * wide, 7.0, 3.0, first - 1,
                   last, width)  # fmt: skip
    _theta_north(theta, rows, pitch, j, k, levels, first, last, width, work, wide)
    theta_row(
        theta_0, theta, here, below, work, CHANGE * wide, INVERSE * wide, THETA_EAST * wide,
        _ring(THETA_NORTH, j, k, levels, wide), _ring(THETA_NORTH, j - 1, k, levels, wide),
        _ring(VERTICAL, j, k, levels, wide), THETA_ABOVE * wide, step * scale / (12.0 * cos_center[j]),
        0.5 * step * table[INVERSE_THICKNESS, k], theta_new, first, last, width,
    )  # fmt: skip


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def advance(
    mass, u, v, theta, mass_0, u_0, v_0, theta_0, geopotential, coriolis, terms, cos_center, cos_face, table,
    inverse_distance, step, rows, pitch, first_row, last_row, first_column, last_column, width, work, sums,
    mass_new, u_new, v_new, theta_new,
):  # fmt: skip
    """X_new = X₀ + Δt·F(X): one stage of the primitive equations of a block (eqs. 1 to 9 of docs/climate.md).

    Parameters
    ----------
    mass, u, v, theta : X, valid REACH cells beyond the region: (rows·pitch,) float64 surface pressure [Pa];
        (levels·rows·pitch,) winds [m/s] and potential temperature [K]
    mass_0, u_0, v_0, theta_0 : X₀; may be X
    geopotential : (rows·pitch,) Φ of the ground in the precision of the fields [m²/s²]
    coriolis : (rows·pitch,) f at corners in the precision of the fields [1/s]
    terms : surface_cpu.surface_terms of `mass` over the same region
    cos_center, cos_face : (rows,) float64 cosφ at cells and at north faces
    table : vertical.level_table
    inverse_distance : 1/(a Δ) [1/m]
    step : Δt of the stage [s]
    rows, pitch : padded rows of the block; elements from one row to the next
    first_row, last_row, first_column, last_column : region, in padded indices
    width : Width of the vectors
    work, sums : make_work; threads may take as many chunks of rows as they have rows
    mass_new, u_new, v_new, theta_new : X_new, out over the region; other arrays than X and X₀. Up to a vector less one
        behind the last column is written too: with what belongs there where X and `terms` are valid two cells beyond,
        with anything elsewhere
    """
    levels, chunks = table.shape[1], work.shape[0]
    wide = pitch + 2 * MOST_LANES
    size = lanes(width)
    first, last = first_column, first_column + (last_column - first_column + size - 1) // size * size
    for chunk in numba.prange(chunks):
        c = np.int64(chunk)
        begin = first_row + (last_row - first_row) * c // chunks
        end = first_row + (last_row - first_row) * (c + 1) // chunks
        space, columns = work[c], sums[c]
        if begin < end:
            _begin(u, v, theta, mass, coriolis, terms, cos_center, cos_face, table, inverse_distance, rows, pitch,
                   begin - 1, first, last, width, space, columns, wide)  # fmt: skip
            _diagnose(u, v, theta, geopotential, terms, cos_center, cos_face, table, inverse_distance, rows, pitch,
                      begin, first - 1, last + 1, width, space, wide)  # fmt: skip
        for j in range(begin, end):
            _mass(mass, mass_0, cos_center, cos_face, inverse_distance, step, pitch, j, first, last, width, space,
                  columns, wide, mass_new)  # fmt: skip
            _diagnose(u, v, theta, geopotential, terms, cos_center, cos_face, table, inverse_distance, rows, pitch,
                      j + 1, first - 1, last + 1, width, space, wide)  # fmt: skip
            for k in range(levels):
                _fluxes(u, v, coriolis, terms, cos_center, cos_face, inverse_distance, rows, pitch, j, k, levels,
                        first - 1, last + 1, width, space, wide)  # fmt: skip
                _winds(u, v, theta, u_0, v_0, terms, cos_center, table, inverse_distance, step, rows, pitch, j, k,
                       first, last, width, space, wide, u_new, v_new)  # fmt: skip
                _theta(theta, theta_0, cos_center, table, inverse_distance, step, rows, pitch, j, k, first, last,
                       width, space, wide, theta_new)  # fmt: skip
