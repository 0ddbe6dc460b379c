"""The primitive equations along one row of cells, with explicit vectors; primitive_cpu.py orders the rows.

Every function takes flat arrays and, for each, the index of column 0 of its row; `first` and `last` are columns. Rows
of `work` are longer than those of fields, so that what runs over before and behind the columns stays in its row.

A row ends before a CPU has learnt how it is read, and the same row of the next level is in another page: what no row
before has brought near is asked for while the row of the level above is worked on, `plane` elements ahead.
"""

from __future__ import annotations

from typing import Any

import numba

from clustermark.apps.climate import physics, physics_3d
from clustermark.apps.climate.surface_cpu import EAST_EXNER, EAST_WEIGHT, NORTH_EXNER, NORTH_WEIGHT
from clustermark.devices.simd import lanes, load, magnitude, splat, store, store_first, zeros_like
from clustermark.devices.simd_lookup import ask_for, ask_to_write, converted

_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)
divergence = _inline(physics_3d.divergence)
kinetic_energy = _inline(physics_3d.kinetic_energy)
potential_vorticity = _inline(physics_3d.potential_vorticity)
twice_cubic_mean = _inline(physics.twice_cubic_mean)
geopotential_step = _inline(physics_3d.geopotential_step)
vorticity = _inline(physics_3d.vorticity)
vertical_mass_flux = _inline(physics_3d.vertical_mass_flux)
wind = _inline(physics_3d.wind)
upwind_flux = _inline(physics_3d.upwind_flux)
theta_after = _inline(physics_3d.theta)


@_inline
def zero_row(work, row, first, last, width):
    """A row of zeros."""
    nothing = zeros_like(load(work, row, width))
    for i in range(first, last, lanes(width)):
        store(work, row + i, nothing)


@_inline
def copy_row(source, here, work, row, first, last, width):
    """A row of a field as a row of the workspace."""
    for i in range(first, last, lanes(width)):
        store(work, row + i, load(source, here + i, width))


@_inline
def layer_row(
    u, v, plane, here, south, terms, east_mass, north_mass, south_mass, work, total, vertical, energy,
    factor, quarter, north, south_quarter, first, last, width
):  # fmt: skip
    """Downwards: Σ ∇·(p_s V)Δσ down to below this level (eq. 1), and the kinetic energy (eq. 4)."""
    for i in range(first, last, lanes(width)):
        ask_for(v, here + plane + i)
        u_here = load(u, here + i, width)
        u_west = load(u, here + i - 1, width)
        v_here = load(v, here + i, width)
        v_south = load(v, south + i, width)
        grown = load(work, total + i, width) + divergence(
            load(terms, east_mass + i, width) * u_here,
            load(terms, east_mass + i - 1, width) * u_west,
            load(terms, north_mass + i, width) * v_here,
            load(terms, south_mass + i, width) * v_south,
            factor,
        )
        store(work, total + i, grown)
        store(work, vertical + i, grown)
        store(work, energy + i, kinetic_energy(u_here, u_west, v_here, v_south, quarter, north, south_quarter))


@_inline
def hydrostatic_row(
    theta, here, below, terms, exner, work, total, height, vertical, energy, sigma, step, first, last, width
):
    """Upwards: Φ (eq. 3) is added to the kinetic energy, and the sums become W (eq. 2)."""
    for i in range(first, last, lanes(width)):
        rise = geopotential_step(
            load(theta, here + i, width), load(theta, below + i, width), load(terms, exner + i, width), step
        )
        reached = load(work, height + i, width) + rise
        store(work, height + i, reached)
        store(work, energy + i, load(work, energy + i, width) + reached)
        flux = vertical_mass_flux(sigma, load(work, total + i, width), load(work, vertical + i, width))
        store(work, vertical + i, flux)


@_inline
def mass_row(mass_0, here, work, total, step, change, inverse, mass_new, first, last, width):
    """p_s after the stage (eq. 1), in float64; its loss and its inverse for θ in the precision of the fields."""
    like = load(work, change, width)
    for i in range(first, last, lanes(width)):
        before = load(mass_0, here + i, width)
        loss = converted(load(work, total + i, width), before) * step
        after = before - loss
        store_first(mass_new, here + i, after, last - i)
        store(work, change + i, converted(loss, like))
        store(work, inverse + i, converted(splat(1.0, width) / after, like))


@_inline
def flux_row(
    u, v, theta, plane, here, pitch, terms, east_mass, north_mass, work, east_pair, north_pair, theta_east, theta_north,
    seven, three, first, last, width
):  # fmt: skip
    """p_s u and p_s v cosφ of this level, summed over two faces, and twelvefold fluxes of θ through faces (eq. 9)."""
    north, south, far = here + pitch, here - pitch, here + 2 * pitch
    for i in range(first, last, lanes(width)):
        ask_for(theta, far + plane + i)
        east = load(terms, east_mass + i, width) * load(u, here + i, width)
        through = load(terms, north_mass + i, width) * load(v, here + i, width)
        east_beyond = load(terms, east_mass + pitch + i, width) * load(u, north + i, width)
        store(work, east_pair + i, east + east_beyond)
        before = load(terms, north_mass - pitch + i, width) * load(v, south + i, width)
        store(work, north_pair + i, through + before)
        centre = load(theta, here + i, width)
        moved = upwind_flux(
            east, magnitude(east), load(theta, here + i - 1, width), centre, load(theta, here + i + 1, width),
            load(theta, here + i + 2, width), seven, three,
        )  # fmt: skip
        store(work, theta_east + i, moved)
        moved = upwind_flux(
            through, magnitude(through), load(theta, south + i, width), centre, load(theta, north + i, width),
            load(theta, far + i, width), seven, three,
        )  # fmt: skip
        store(work, theta_north + i, moved)


@_inline
def vorticity_row(
    u, v, coriolis, apart, here, north, plane, terms, corner, lower, upper, factor, work, corners, first, last, width
):  # fmt: skip
    """q at the corners of this level (eq. 5)."""
    for i in range(first, last, lanes(width)):
        ask_for(u, north + apart + i)
        relative = vorticity(
            load(u, here + i, width), load(u, north + i, width), load(v, here + i, width),
            load(v, here + i + 1, width), lower, upper, factor,
        )  # fmt: skip
        q = potential_vorticity(relative, load(coriolis, plane + i, width), load(terms, corner + i, width))
        store(work, corners + i, q)


@_inline
def winds_row(
    u_0, v_0, u, v, theta, here, north, below, terms, line, plane, work, vorticities, north_pair, east_pair, vertical,
    vertical_north, energy, energy_north, u_above, v_above, turn_u, turn_v, pull_u, pull_v, level, weight, near, far,
    u_new, v_new, first, last, width
):  # fmt: skip
    """u and v of this level after the stage (eqs. 6, 7).

    `vorticities` are the rows of q from two south of this one to the next north. `u_above` and `v_above` hold the
    vertical fluxes at the interface above and get those below, for the next level.
    """
    q_far, q_south, q, q_north = vorticities
    for i in range(first, last, lanes(width)):
        ask_for(u_0, here + plane + i)
        ask_for(v_0, here + plane + i)
        ask_to_write(u_new, here + plane + i)
        ask_to_write(v_new, here + plane + i)
        q_here = load(work, q + i, width)
        w_here = load(work, vertical + i, width)
        e_here = load(work, energy + i, width)
        t_here = load(theta, here + i, width)
        speed = load(u, here + i, width)
        sinking = (w_here + load(work, vertical + i + 1, width)) * (load(u, below + i, width) - speed)
        turning = twice_cubic_mean(
            load(work, q_far + i, width), load(work, q_south + i, width), q_here, load(work, q_north + i, width),
            near, far,
        )  # fmt: skip
        after = wind(
            load(u_0, here + i, width),
            turning,
            load(work, north_pair + i, width) + load(work, north_pair + i + 1, width),
            turn_u,
            load(work, energy + i + 1, width) - e_here,
            t_here + load(theta, here + i + 1, width),
            load(terms, EAST_EXNER * plane + line + i, width),
            level,
            pull_u,
            load(work, u_above + i, width) + sinking,
            load(terms, EAST_WEIGHT * plane + line + i, width) * weight,
        )
        store(work, u_above + i, sinking)
        store_first(u_new, here + i, after, last - i)
        speed = load(v, here + i, width)
        sinking = (w_here + load(work, vertical_north + i, width)) * (load(v, below + i, width) - speed)
        turning = twice_cubic_mean(
            load(work, q + i - 2, width), load(work, q + i - 1, width), q_here, load(work, q + i + 1, width),
            near, far,
        )  # fmt: skip
        after = wind(
            load(v_0, here + i, width),
            turning,
            load(work, east_pair + i - 1, width) + load(work, east_pair + i, width),
            turn_v,
            load(work, energy_north + i, width) - e_here,
            t_here + load(theta, north + i, width),
            load(terms, NORTH_EXNER * plane + line + i, width),
            level,
            pull_v,
            load(work, v_above + i, width) + sinking,
            load(terms, NORTH_WEIGHT * plane + line + i, width) * weight,
        )
        store(work, v_above + i, sinking)
        store_first(v_new, here + i, after, last - i)


@_inline
def theta_row(
    theta_0, theta, plane, here, below, work, change, inverse, east, north, south, vertical, above, horizontal_weight,
    vertical_weight, new, first, last, width
):  # fmt: skip
    """θ of this level after the stage (eq. 8); `above` as in `winds_row`."""
    for i in range(first, last, lanes(width)):
        ask_for(theta_0, here + plane + i)
        ask_to_write(new, here + plane + i)
        sinking = load(work, vertical + i, width) * (load(theta, here + i, width) + load(theta, below + i, width))
        through = sinking - load(work, above + i, width)
        store(work, above + i, sinking)
        spread = (load(work, east + i, width) - load(work, east + i - 1, width)) + (
            load(work, north + i, width) - load(work, south + i, width)
        )
        after = theta_after(
            load(theta_0, here + i, width),
            load(work, change + i, width),
            load(work, inverse + i, width),
            spread,
            horizontal_weight,
            through,
            vertical_weight,
        )
        store_first(new, here + i, after, last - i)
