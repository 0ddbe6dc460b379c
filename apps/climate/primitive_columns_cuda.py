"""Winds and θ of a column of cells after a stage of the primitive equations: what a thread of the GPU does."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate import physics_3d
from clustermark.apps.climate.launch_cuda import load, store
from clustermark.apps.climate.primitive_factors_cuda import (
    COS_CENTER,
    CURL,
    HEAT,
    LEVEL_EXNER,
    PULL,
    THETA_WEIGHT,
    TURN,
    WIND_WEIGHT,
)
from clustermark.apps.climate.surface_cpu import (
    CORNER,
    EAST_EXNER,
    EAST_MASS,
    EAST_WEIGHT,
    NORTH_EXNER,
    NORTH_MASS,
    NORTH_WEIGHT,
)
from clustermark.devices.numba_cuda import cuda

vorticity = cuda.jit(device=True)(physics_3d.vorticity)
potential_vorticity = cuda.jit(device=True)(physics_3d.potential_vorticity)
wind = cuda.jit(device=True)(physics_3d.wind)
upwind_flux = cuda.jit(device=True)(physics_3d.upwind_flux)
theta_after = cuda.jit(device=True)(physics_3d.theta)


@cuda.jit(device=True)
def _corner(u, v, place, pitch, center, center_north, curl, coriolis, inverse_mass):
    """q at the north-east corner of a cell (eq. 5)."""
    relative = vorticity(
        load(u, place), load(u, place + pitch), load(v, place), load(v, place + 1), center, center_north, curl
    )
    return potential_vorticity(relative, coriolis, inverse_mass)


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
def _masses(terms, east, north, pitch):
    """p_s at the east face, west of it, north of both; p_s cosφ at the north face, south of it, east of both."""
    return (
        load(terms, east), load(terms, east - 1), load(terms, east + pitch), load(terms, east + pitch - 1),
        load(terms, north), load(terms, north - pitch), load(terms, north + 1), load(terms, north - pitch + 1),
    )  # fmt: skip


@cuda.jit(device=True)
def _corners(terms, coriolis, plane, line, pitch):
    """4/Σp_s, and f, at the north-east corner of a cell, at the one south of it, and at the one west of it."""
    at = CORNER * plane + line
    return (
        load(terms, at), load(terms, at - pitch), load(terms, at - 1),
        load(coriolis, line), load(coriolis, line - pitch), load(coriolis, line - 1),
    )  # fmt: skip


@cuda.jit(device=True)
def _metric(row_factors, rows, j):
    """cosφ of the rows south of a cell, of it, and north of it; factors of the corners and of the step."""
    at = COS_CENTER * rows + j
    return (
        load(row_factors, at - 1), load(row_factors, at), load(row_factors, at + 1),
        load(row_factors, CURL * rows + j), load(row_factors, CURL * rows + j - 1),
        load(row_factors, TURN * rows + j), load(row_factors, PULL * rows + j), load(row_factors, HEAT * rows + j),
    )  # fmt: skip


@cuda.jit(cache=True)
def advance_columns(
    u, v, theta, u_0, v_0, theta_0, coriolis, terms, vertical, energy, change, inverse, row_factors, level_factors,
    turn, pull, seven, three, rows, pitch, levels, first_row, last_row, first_column, last_column, u_new, v_new,
    theta_new
):  # fmt: skip
    """Winds and θ of a column after a stage (eqs. 5 to 9).

    Parameters
    ----------
    vertical, energy, change, inverse, row_factors, level_factors : as in primitive_cuda.Work
    turn, pull, seven, three : −⅛Δt, Δt/(aΔ), 7, 3
    the others : as in primitive_cpu.advance
    """
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        plane = rows * pitch
        line = j * pitch + i
        # What all levels share stays in registers: as far as the compiler knows, each store might change it.
        mass, mass_west, mass_n, mass_nw, north_m, south_m, north_m_east, south_m_east = _masses(
            terms, EAST_MASS * plane + line, NORTH_MASS * plane + line, pitch
        )
        c, c_south, c_west, f, f_south, f_west = _corners(terms, coriolis, plane, line, pitch)
        cos_s, cos_c, cos_n, curl, curl_south, turn_u, pull_u, heat = _metric(row_factors, rows, j)
        exner_u, exner_v = load(terms, EAST_EXNER * plane + line), load(terms, NORTH_EXNER * plane + line)
        weight_u, weight_v = load(terms, EAST_WEIGHT * plane + line), load(terms, NORTH_WEIGHT * plane + line)
        lost, per_mass = load(change, line), load(inverse, line)
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
            q = _corner(u, v, place, pitch, cos_c, cos_n, curl, f, c)
            q_south = _corner(u, v, place - pitch, pitch, cos_s, cos_c, curl_south, f_south, c_south)
            q_west = _corner(u, v, place - 1, pitch, cos_c, cos_n, curl, f_west, c_west)
            east, west = mass * u_here, mass_west * load(u, place - 1)
            north, south = north_m * v_here, south_m * load(v, place - pitch)
            across_u = (north + south) + (north_m_east * load(v, place + 1) + south_m_east * load(v, place - pitch + 1))
            across_v = (west + mass_nw * load(u, place + pitch - 1)) + (east + mass_n * load(u, place + pitch))
            w_here, e_here = load(vertical, place), load(energy, place)
            u_sinking = (w_here + load(vertical, place + 1)) * (u_below - u_here)
            v_sinking = (w_here + load(vertical, place + pitch)) * (v_below - v_here)
            t_sinking = w_here * (t_here + t_below)
            spread = _warmth(theta, east, place, 1, seven, three) - _warmth(theta, west, place - 1, 1, seven, three)
            spread += _warmth(theta, north, place, pitch, seven, three) - _warmth(
                theta, south, place - pitch, pitch, seven, three
            )
            level = load(level_factors, LEVEL_EXNER * levels + k)
            weight = load(level_factors, WIND_WEIGHT * levels + k)
            u_after = wind(
                load(u_0, place), q + q_south, across_u, turn_u, load(energy, place + 1) - e_here,
                t_here + load(theta, place + 1), exner_u, level, pull_u,
                u_above + u_sinking, weight_u * weight,
            )  # fmt: skip
            v_after = wind(
                load(v_0, place), q_west + q, across_v, turn, load(energy, place + pitch) - e_here,
                t_here + load(theta, place + pitch), exner_v, level, pull,
                v_above + v_sinking, weight_v * weight,
            )  # fmt: skip
            t_after = theta_after(
                load(theta_0, place), lost, per_mass, spread,
                heat, t_sinking - t_above,
                load(level_factors, THETA_WEIGHT * levels + k),
            )  # fmt: skip
            store(u_new, place, u_after)
            store(v_new, place, v_after)
            store(theta_new, place, t_after)
            u_above, v_above, t_above = u_sinking, v_sinking, t_sinking
            u_here, v_here, t_here = u_below, v_below, t_below
            cell = np.uint32(cell + layer)
