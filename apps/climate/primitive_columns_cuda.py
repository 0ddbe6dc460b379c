"""Winds and θ of a column of cells after a stage of the primitive equations: what a thread of the GPU does."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate import physics, physics_3d
from clustermark.apps.climate.launch_cuda import load, store
from clustermark.apps.climate.primitive_factors_cuda import (
    HEAT,
    LEVEL_EXNER,
    PULL,
    THETA_WEIGHT,
    TURN,
    WIND_WEIGHT,
)
from clustermark.apps.climate.surface_cpu import (
    EAST_EXNER,
    EAST_MASS,
    EAST_WEIGHT,
    NORTH_EXNER,
    NORTH_MASS,
    NORTH_WEIGHT,
)
from clustermark.devices.numba_cuda import cuda

twice_cubic_mean = cuda.jit(device=True)(physics.twice_cubic_mean)
wind = cuda.jit(device=True)(physics_3d.wind)
upwind_flux = cuda.jit(device=True)(physics_3d.upwind_flux)
theta_after = cuda.jit(device=True)(physics_3d.theta)


@cuda.jit(device=True)
def _middle(q, place, beside, near, far):
    """Twice q at the middle of the face between the corners at `place` and `beside` elements further."""
    return twice_cubic_mean(
        load(q, place - beside), load(q, place), load(q, place + beside), load(q, place + 2 * beside), near, far
    )


@cuda.jit(device=True)
def _warmth(theta, flux, place, beside, seven, three):
    """Twelvefold flux of θ from the cell at `place` to the one `beside` elements further (eq. 9)."""
    return upwind_flux(
        flux,
        abs(flux),
        load(theta, place - beside),
        load(theta, place),
        load(theta, place + beside),
        load(theta, place + 2 * beside),
        seven,
        three,
    )


@cuda.jit(device=True)
def _spread(theta, fluxes, place, pitch, seven, three):
    """Twelvefold flux of θ out of a cell: through the east less the west face, and the north less the south face."""
    east, west, north, south = fluxes
    along = _warmth(theta, east, place, 1, seven, three) - _warmth(theta, west, place - 1, 1, seven, three)
    leaving = _warmth(theta, north, place, pitch, seven, three)
    return along + (leaving - _warmth(theta, south, place - pitch, pitch, seven, three))


@cuda.jit(device=True)
def _masses(terms, east, north, pitch):
    """p_s at the east face, west of it, north of both; p_s cosφ at the north face, south of it, east of both."""
    return (
        load(terms, east), load(terms, east - 1), load(terms, east + pitch), load(terms, east + pitch - 1),
        load(terms, north), load(terms, north - pitch), load(terms, north + 1), load(terms, north - pitch + 1),
    )  # fmt: skip


@cuda.jit(device=True)
def _slopes(terms, plane, line):
    """½c_p δ(p_s/p₀)^κ, and 1/(4p_s), at the east and at the north face."""
    return (
        load(terms, EAST_EXNER * plane + line), load(terms, NORTH_EXNER * plane + line),
        load(terms, EAST_WEIGHT * plane + line), load(terms, NORTH_WEIGHT * plane + line),
    )  # fmt: skip


@cuda.jit(device=True)
def _fluxes(u, v, u_here, v_here, place, pitch, masses):
    """Mass fluxes of a cell; `masses` of its function.

    Returns
    -------
    sums of the four fluxes of the other wind beside its east and beside its north face; the fluxes through its east,
    west, north and south face
    """
    mass, mass_west, mass_n, mass_nw, north_m, south_m, north_m_east, south_m_east = masses
    east, west = mass * u_here, mass_west * load(u, place - 1)
    north, south = north_m * v_here, south_m * load(v, place - pitch)
    across_u = (north + south) + (north_m_east * load(v, place + 1) + south_m_east * load(v, place - pitch + 1))
    across_v = (west + mass_nw * load(u, place + pitch - 1)) + (east + mass_n * load(u, place + pitch))
    return across_u, across_v, (east, west, north, south)


@cuda.jit(cache=True)
def advance_columns(
    u, v, theta, u_0, v_0, theta_0, terms, vertical, energy, vorticity, change, inverse, row_factors, level_factors,
    turn, pull, seven, three, near, far, rows, pitch, levels, first_row, last_row, first_column, last_column,
    u_new, v_new, theta_new
):  # fmt: skip
    """Winds and θ of a column after a stage (eqs. 6 to 9); arrays as in primitive_cpu.advance and primitive_cuda.Work.

    Parameters
    ----------
    vorticity : q at the north-east corner of each cell
    turn, pull, seven, three, near, far : −⅛Δt, Δt/(aΔ), 7, 3, 9/8, 1/8
    """
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        plane = rows * pitch
        line = j * pitch + i
        # What all levels share stays in registers: as far as the compiler knows, each store might change it.
        masses = _masses(terms, EAST_MASS * plane + line, NORTH_MASS * plane + line, pitch)
        exner_u, exner_v, weight_u, weight_v = _slopes(terms, plane, line)
        turn_u, pull_u = load(row_factors, TURN * rows + j), load(row_factors, PULL * rows + j)
        lost, per_mass, heat = load(change, line), load(inverse, line), load(row_factors, HEAT * rows + j)
        # Of this level: winds and θ, read with the level above; fluxes of u, v, θ through the interface above it.
        u_here, v_here, t_here = load(u, line), load(v, line), load(theta, line)
        u_above = u.dtype.type(0)
        v_above, t_above = u_above, u_above
        # Counted in 32 bits, so that the compiler keeps one place in registers and not the address in every array.
        cell, layer = np.uint32(line), np.uint32(plane)
        for k in range(levels):
            place = np.int64(cell)
            below = place + plane if k + 1 < levels else place
            u_below, v_below, t_below = load(u, below), load(v, below), load(theta, below)
            across_u, across_v, fluxes = _fluxes(u, v, u_here, v_here, place, pitch, masses)
            q_u = _middle(vorticity, place - pitch, pitch, near, far)
            q_v = _middle(vorticity, place - 1, 1, near, far)
            w_here, e_here = load(vertical, place), load(energy, place)
            u_sinking = (w_here + load(vertical, place + 1)) * (u_below - u_here)
            v_sinking = (w_here + load(vertical, place + pitch)) * (v_below - v_here)
            t_sinking = w_here * (t_here + t_below)
            level, weight = load(level_factors, LEVEL_EXNER * levels + k), load(level_factors, WIND_WEIGHT * levels + k)
            t_weight = load(level_factors, THETA_WEIGHT * levels + k)
            u_push, u_warmth = load(energy, place + 1) - e_here, t_here + load(theta, place + 1)
            u_after = wind(load(u_0, place), q_u, across_u, turn_u, u_push, u_warmth, exner_u, level, pull_u,
                           u_above + u_sinking, weight_u * weight)  # fmt: skip
            v_push, v_warmth = load(energy, place + pitch) - e_here, t_here + load(theta, place + pitch)
            v_after = wind(load(v_0, place), q_v, across_v, turn, v_push, v_warmth, exner_v, level, pull,
                           v_above + v_sinking, weight_v * weight)  # fmt: skip
            spread = _spread(theta, fluxes, place, pitch, seven, three)
            t_after = theta_after(load(theta_0, place), lost, per_mass, spread, heat, t_sinking - t_above, t_weight)
            store(u_new, place, u_after)
            store(v_new, place, v_after)
            store(theta_new, place, t_after)
            u_above, v_above, t_above = u_sinking, v_sinking, t_sinking
            u_here, v_here, t_here = u_below, v_below, t_below
            cell = np.uint32(cell + layer)
