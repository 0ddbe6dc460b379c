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
def _corners(terms, coriolis, plane, line, pitch):
    """4/Σp_s, and f, at the north-east corner of a cell, at the one south of it, and at the one west of it."""
    at = CORNER * plane + line
    return (
        load(terms, at), load(terms, at - pitch), load(terms, at - 1),
        load(coriolis, line), load(coriolis, line - pitch), load(coriolis, line - 1),
    )  # fmt: skip


@cuda.jit(device=True)
def _slopes(terms, plane, line):
    """½c_p δ(p_s/p₀)^κ, and 1/(4p_s), at the east and at the north face."""
    return (
        load(terms, EAST_EXNER * plane + line), load(terms, NORTH_EXNER * plane + line),
        load(terms, EAST_WEIGHT * plane + line), load(terms, NORTH_WEIGHT * plane + line),
    )  # fmt: skip


@cuda.jit(device=True)
def _metric(row_factors, rows, j):
    """cosφ of the rows south of a cell, of it, and north of it; factors of the vorticities north and south of it."""
    at = COS_CENTER * rows + j
    return (
        load(row_factors, at - 1), load(row_factors, at), load(row_factors, at + 1),
        load(row_factors, CURL * rows + j), load(row_factors, CURL * rows + j - 1),
    )  # fmt: skip


@cuda.jit(device=True)
def _turning(u, v, u_here, v_here, place, pitch, masses, corners, metric):
    """What turns the winds of a cell, and its mass fluxes (eq. 5); `masses`, `corners`, `metric` of their functions.

    Returns
    -------
    sums of q at the ends of its east and of its north face; sums of the four fluxes of the other wind beside them; the
    fluxes through its east, west, north and south face
    """
    mass, mass_west, mass_n, mass_nw, north_m, south_m, north_m_east, south_m_east = masses
    c, c_south, c_west, f, f_south, f_west = corners
    cos_s, cos_c, cos_n, curl, curl_south = metric
    q = _corner(u, v, place, pitch, cos_c, cos_n, curl, f, c)
    q_south = _corner(u, v, place - pitch, pitch, cos_s, cos_c, curl_south, f_south, c_south)
    q_west = _corner(u, v, place - 1, pitch, cos_c, cos_n, curl, f_west, c_west)
    east, west = mass * u_here, mass_west * load(u, place - 1)
    north, south = north_m * v_here, south_m * load(v, place - pitch)
    across_u = (north + south) + (north_m_east * load(v, place + 1) + south_m_east * load(v, place - pitch + 1))
    across_v = (west + mass_nw * load(u, place + pitch - 1)) + (east + mass_n * load(u, place + pitch))
    return q + q_south, q_west + q, across_u, across_v, (east, west, north, south)


@cuda.jit(cache=True)
def advance_columns(
    u, v, theta, u_0, v_0, theta_0, coriolis, terms, vertical, energy, change, inverse, row_factors, level_factors,
    turn, pull, seven, three, rows, pitch, levels, first_row, last_row, first_column, last_column, u_new, v_new,
    theta_new
):  # fmt: skip
    """Winds and θ of a column after a stage (eqs. 5 to 9); arrays as in primitive_cpu.advance and primitive_cuda.Work.

    Parameters
    ----------
    turn, pull, seven, three : −⅛Δt, Δt/(aΔ), 7, 3
    """
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        plane = rows * pitch
        line = j * pitch + i
        # What all levels share stays in registers: as far as the compiler knows, each store might change it.
        masses = _masses(terms, EAST_MASS * plane + line, NORTH_MASS * plane + line, pitch)
        corners, metric = _corners(terms, coriolis, plane, line, pitch), _metric(row_factors, rows, j)
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
            q_u, q_v, across_u, across_v, fluxes = _turning(
                u, v, u_here, v_here, place, pitch, masses, corners, metric
            )  # fmt: skip
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
