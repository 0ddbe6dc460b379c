"""One stage of the primitive equations on the CPU: rows of cells are swept northwards, and each is finished at once.

Row j needs W and Φ + K of the rows j and j + 1 and q of the rows j − 2 to j + 1, which are made in a workspace that
holds so many rows of all levels; no three-dimensional field is kept between. A chunk of rows begins with rows made
twice, so chunks know nothing of each other, and any region and number of chunks gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.layout import MOST_LANES, Array
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.apps.climate.primitive_rows_cpu import (
    copy_row,
    flux_row,
    hydrostatic_row,
    layer_row,
    mass_row,
    theta_row,
    vorticity_row,
    winds_row,
    zero_row,
)
from clustermark.apps.climate.surface_cpu import (
    CORNER,
    EAST_MASS,
    EXNER,
    NORTH_MASS,
)
from clustermark.apps.climate.vertical import EXNER as LEVEL_EXNER
from clustermark.apps.climate.vertical import HYDROSTATIC, INVERSE_THICKNESS, LOWER_INTERFACE, THICKNESS
from clustermark.devices.simd import lanes, ordered

# Cells beyond a region whose values a stage reads.
REACH = 2
# Rows of the workspace: single ones, then rings of two rows per level, then the ring of four of the vorticity.
(
    TOTAL, HEIGHT, EAST_PAIR, NORTH_PAIR, U_ABOVE, V_ABOVE, THETA_ABOVE, THETA_EAST, CHANGE, INVERSE, SINGLE,
) = range(11)  # fmt: skip
VERTICAL, ENERGY, THETA_NORTH, RINGS = range(4)
VORTICITY_ROWS = 4
# Of `twice_cubic_mean`.
NEAR, FAR = 1.125, 0.125
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)


def make_work(chunks: int, levels: int, pitch: int, dtype: str) -> Array:
    """Workspace of `advance`: (chunks, elements) of the fields' dtype. Rows begin MOST_LANES before column 0."""
    return aligned_zeros((chunks, (SINGLE + (2 * RINGS + VORTICITY_ROWS) * levels) * (pitch + 2 * MOST_LANES)), dtype)


@_inline
def _ring(kind, row, k, levels, wide):
    """Place of a row of a level in the ring of a kind."""
    return (SINGLE + (2 * kind + (row & 1)) * levels + k) * wide


@_inline
def _vorticity_of(row, k, levels, wide):
    """Place of a row of q of a level."""
    return (SINGLE + (2 * RINGS + (row & 3)) * levels + k) * wide


@_inline
def _diagnose(u, v, theta, geopotential, terms, cos_center, cos_face, table, scale, rows, pitch, j, first, last, width,
              work, wide):  # fmt: skip
    """W and Φ + K of row j at all levels."""
    levels = table.shape[1]
    plane = rows * pitch
    here, south = j * pitch, (j - 1) * pitch
    zero_row(work, TOTAL * wide, first, last, width)
    factor, quarter = scale / cos_center[j], 0.25
    north_quarter, south_quarter = quarter * cos_face[j] / cos_center[j], quarter * cos_face[j - 1] / cos_center[j]
    for k in range(levels):
        layer_row(
            u, v, plane, k * plane + here, k * plane + south, terms, EAST_MASS * plane + here,
            NORTH_MASS * plane + here, NORTH_MASS * plane + south, work, TOTAL * wide,
            _ring(VERTICAL, j, k, levels, wide), _ring(ENERGY, j, k, levels, wide),
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


@_inline
def _fluxes(u, v, theta, terms, rows, pitch, j, k, levels, first, last, width, work, wide):
    """Fluxes of mass and of θ of row j at one level."""
    plane = rows * pitch
    line = j * pitch
    flux_row(
        u, v, theta, plane, k * plane + line, pitch, terms, EAST_MASS * plane + line, NORTH_MASS * plane + line, work,
        EAST_PAIR * wide, NORTH_PAIR * wide, THETA_EAST * wide, _ring(THETA_NORTH, j, k, levels, wide), 7.0, 3.0,
        first, last, width,
    )  # fmt: skip


@_inline
def _vorticity(u, v, coriolis, terms, cos_center, cos_face, scale, rows, pitch, j, k, levels, first, last, width, work,
               wide):  # fmt: skip
    """Potential vorticity of row j at one level."""
    plane = rows * pitch
    here = j * pitch
    vorticity_row(
        u, v, coriolis, plane, k * plane + here, k * plane + here + pitch, here, terms, CORNER * plane + here,
        cos_center[j], cos_center[j + 1], scale / cos_face[j], work, _vorticity_of(j, k, levels, wide),
        first, last, width,
    )  # fmt: skip


@_inline
def _begin(u, v, theta, coriolis, terms, cos_center, cos_face, scale, rows, pitch, j, levels, first, last, width, work,
           wide):  # fmt: skip
    """What the row before the first leaves to it: q from a row before to one after, fluxes of θ at its north faces."""
    for k in range(levels):
        for row in range(j - 1, j + 2):
            _vorticity(u, v, coriolis, terms, cos_center, cos_face, scale, rows, pitch, row, k, levels, first, last,
                       width, work, wide)  # fmt: skip
        _fluxes(u, v, theta, terms, rows, pitch, j, k, levels, first, last, width, work, wide)


@_inline
def _mass(mass_0, step, pitch, j, first, last, width, work, wide, mass_new):
    """p_s of row j after the stage, and no vertical fluxes at the top."""
    mass_row(mass_0, j * pitch, work, TOTAL * wide, step, CHANGE * wide, INVERSE * wide, mass_new, first, last, width)
    for single in (U_ABOVE, V_ABOVE, THETA_ABOVE):
        zero_row(work, single * wide, first, last, width)


@_inline
def _winds(u, v, theta, u_0, v_0, terms, cos_center, table, scale, step, rows, pitch, j, k, first, last, width, work,
           wide, u_new, v_new):  # fmt: skip
    """u and v of row j at one level after the stage."""
    levels = table.shape[1]
    plane = rows * pitch
    line = j * pitch
    here = k * plane + line
    below = min(k + 1, levels - 1) * plane + line
    turn, pull = 0.125 * step, scale * step
    vorticities = (
        _vorticity_of(j - 2, k, levels, wide), _vorticity_of(j - 1, k, levels, wide), _vorticity_of(j, k, levels, wide),
        _vorticity_of(j + 1, k, levels, wide),
    )  # fmt: skip
    winds_row(
        u_0, v_0, u, v, theta, here, here + pitch, below, terms, line, plane, work, vorticities, NORTH_PAIR * wide,
        EAST_PAIR * wide, _ring(VERTICAL, j, k, levels, wide), _ring(VERTICAL, j + 1, k, levels, wide),
        _ring(ENERGY, j, k, levels, wide), _ring(ENERGY, j + 1, k, levels, wide), U_ABOVE * wide, V_ABOVE * wide,
        turn / cos_center[j], -turn, pull / cos_center[j], pull, table[LEVEL_EXNER, k],
        step * table[INVERSE_THICKNESS, k], NEAR, FAR, u_new, v_new, first, last, width,
    )  # fmt: skip


@_inline
def _theta(
    theta, theta_0, cos_center, table, scale, step, rows, pitch, j, k, first, last, width, work, wide, theta_new
):
    """θ of row j at one level after the stage."""
    levels = table.shape[1]
    plane = rows * pitch
    here, below = k * plane + j * pitch, min(k + 1, levels - 1) * plane + j * pitch
    theta_row(
        theta_0, theta, plane, here, below, work, CHANGE * wide, INVERSE * wide, THETA_EAST * wide,
        _ring(THETA_NORTH, j, k, levels, wide), _ring(THETA_NORTH, j - 1, k, levels, wide),
        _ring(VERTICAL, j, k, levels, wide), THETA_ABOVE * wide, step * scale / (12.0 * cos_center[j]),
        0.5 * step * table[INVERSE_THICKNESS, k], theta_new, first, last, width,
    )  # fmt: skip


@numba.njit(nogil=True, error_model="numpy")
def _sweep(
    mass_0, u, v, theta, u_0, v_0, theta_0, geopotential, coriolis, terms, cos_center, cos_face, table, scale, step,
    rows, pitch, begin, end, first, last, width, work, mass_new, u_new, v_new, theta_new
):  # fmt: skip
    """Rows `begin` to `end`.

    What is needed a column or two before the region is made from a whole vector before it, so that the vectors of a
    row do not straddle cache lines.
    """
    levels = table.shape[1]
    wide = pitch + 2 * MOST_LANES
    early, late = first - lanes(width), last + 1
    _begin(u, v, theta, coriolis, terms, cos_center, cos_face, scale, rows, pitch, begin - 1, levels, early, late,
           width, work, wide)  # fmt: skip
    _diagnose(u, v, theta, geopotential, terms, cos_center, cos_face, table, scale, rows, pitch, begin, early, late,
              width, work, wide)  # fmt: skip
    for j in range(begin, end):
        _mass(mass_0, step, pitch, j, first, last, width, work, wide, mass_new)
        _diagnose(u, v, theta, geopotential, terms, cos_center, cos_face, table, scale, rows, pitch, j + 1, early, late,
                  width, work, wide)  # fmt: skip
        for k in range(levels):
            _fluxes(u, v, theta, terms, rows, pitch, j, k, levels, early, late, width, work, wide)
            _vorticity(u, v, coriolis, terms, cos_center, cos_face, scale, rows, pitch, j + 1, k, levels, early, late,
                       width, work, wide)  # fmt: skip
            _winds(u, v, theta, u_0, v_0, terms, cos_center, table, scale, step, rows, pitch, j, k, first, last, width,
                   work, wide, u_new, v_new)  # fmt: skip
            _theta(theta, theta_0, cos_center, table, scale, step, rows, pitch, j, k, first, last, width, work, wide,
                   theta_new)  # fmt: skip


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def advance(
    u, v, theta, mass_0, u_0, v_0, theta_0, geopotential, coriolis, terms, cos_center, cos_face, table,
    inverse_distance, step, rows, pitch, first_row, last_row, first_column, last_column, width, work,
    mass_new, u_new, v_new, theta_new
):  # fmt: skip
    """X_new = X₀ + Δt·F(X): one stage of the primitive equations of a block (docs/climate.md, atmosphere 1 to 9).

    Parameters
    ----------
    u, v, theta : X, valid REACH cells beyond the region: (levels·rows·pitch,) winds [m/s], potential temperature [K];
        surface pressure is in `terms`
    mass_0, u_0, v_0, theta_0 : X₀, may be X; mass_0 (rows·pitch,) float64 surface pressure [Pa]
    geopotential : (rows·pitch,) Φ of the ground in the precision of the fields [m²/s²]
    coriolis : (rows·pitch,) f at corners in the precision of the fields [1/s]
    terms : surface_cpu.surface_terms of the surface pressure of X, over the same region
    cos_center, cos_face : (rows,) float64 cosφ at cells and at north faces
    table : vertical.level_table
    inverse_distance : 1/(a Δ) [1/m]
    step : Δt of the stage [s]
    rows, pitch : padded rows of the block; elements from one row to the next
    first_row, last_row, first_column, last_column : region, in padded indices
    width : Width of the vectors
    work : make_work; threads may take as many chunks of rows as they have rows
    mass_new, u_new, v_new, theta_new : X_new, out over the region; other arrays than X and X₀
    """
    chunks = work.shape[0]
    exact = ordered(width)
    for chunk in numba.prange(chunks):
        c = np.int64(chunk)
        begin = first_row + (last_row - first_row) * c // chunks
        end = first_row + (last_row - first_row) * (c + 1) // chunks
        if begin < end:
            _sweep(
                mass_0, u, v, theta, u_0, v_0, theta_0, geopotential, coriolis, terms, cos_center, cos_face, table,
                inverse_distance, step, rows, pitch, begin, end, first_column, last_column, exact, work[c, MOST_LANES:],
                mass_new, u_new, v_new, theta_new,
            )  # fmt: skip
