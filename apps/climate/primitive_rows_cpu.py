"""The primitive equations along one row of cells, with explicit vectors; primitive_cpu.py orders the rows.

Every function takes flat arrays and, for each, the index of column 0 of its row; `first` and `last` are columns. Rows
of `work` are longer than those of fields, so that what runs over behind the last column stays in its row.
"""

from __future__ import annotations

from typing import Any

import numba

from clustermark.apps.climate import physics_3d
from clustermark.devices.simd import lanes, load, magnitude, splat, store, zeros_like
from clustermark.devices.simd_lookup import converted

_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)
_row: Any = numba.njit(nogil=True, error_model="numpy")
divergence = _inline(physics_3d.divergence)
kinetic_energy = _inline(physics_3d.kinetic_energy)
potential_vorticity = _inline(physics_3d.potential_vorticity)
geopotential_step = _inline(physics_3d.geopotential_step)
vorticity = _inline(physics_3d.vorticity)
vertical_mass_flux = _inline(physics_3d.vertical_mass_flux)
wind = _inline(physics_3d.wind)
upwind_flux = _inline(physics_3d.upwind_flux)
theta_after = _inline(physics_3d.theta)


@_row
def zero_row(work, row, first, last, width):
    """A row of zeros."""
    nothing = zeros_like(load(work, row, width))
    for i in range(first, last, lanes(width)):
        store(work, row + i, nothing)


@_row
def copy_row(source, here, work, row, first, last, width):
    """A row of a field as a row of the workspace."""
    for i in range(first, last, lanes(width)):
        store(work, row + i, load(source, here + i, width))


@_row
def layer_row(
    u, v, here, south, terms, east_mass, north_mass, south_mass, work, total, east_sum, north_sum, vertical, energy,
    thickness, factor, quarter, north, south_quarter, first, last, width
):  # fmt: skip
    """Downwards: Σ ∇·(p_s V)Δσ down to below this level (eq. 1), Σ uΔσ and Σ vΔσ, and the kinetic energy (eq. 4)."""
    for i in range(first, last, lanes(width)):
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
        store(work, east_sum + i, load(work, east_sum + i, width) + u_here * thickness)
        store(work, north_sum + i, load(work, north_sum + i, width) + v_here * thickness)


@_row
def sum_row(v, here, work, north_sum, thickness, first, last, width):
    """Σ vΔσ alone, with the same operations as in `layer_row`."""
    for i in range(first, last, lanes(width)):
        store(work, north_sum + i, load(work, north_sum + i, width) + load(v, here + i, width) * thickness)


@_row
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


@_row
def column_flux_row(mass, here, beyond, work, row, sums, flux, weight, first, last, width):
    """Mass flux of a column through a face, ½(p_s + p_s beyond)·Σ uΔσ, in float64."""
    for i in range(first, last, lanes(width)):
        here_mass = load(mass, here + i, width)
        through = converted(load(work, row + i, width), here_mass)
        store(sums, flux + i, (here_mass + load(mass, beyond + i, width)) * through * weight)


@_row
def mass_row(mass_0, here, sums, east, north, south, factor, work, change, inverse, mass_new, first, last, width):
    """p_s after the stage (eq. 1), in float64; its change and its inverse for θ in the precision of the fields."""
    like = load(work, change, width)
    for i in range(first, last, lanes(width)):
        before = load(mass_0, here + i, width)
        loss = divergence(
            load(sums, east + i, width),
            load(sums, east + i - 1, width),
            load(sums, north + i, width),
            load(sums, south + i, width),
            factor,
        )
        after = before - loss
        store(mass_new, here + i, after)
        store(work, change + i, converted(loss, like))
        store(work, inverse + i, converted(splat(1.0, width) / after, like))


@_row
def flux_and_vorticity_row(
    u, v, coriolis, here, south, north, plane, terms, corner, east_mass, east_mass_north, north_mass, south_mass,
    lower, upper, factor, work, east, east_pair, through_north, north_pair, corners, first, last, width
):  # fmt: skip
    """p_s u and p_s v cosφ at the faces of this level, their sums over two rows, and q at the corners (eq. 5)."""
    for i in range(first, last, lanes(width)):
        u_here = load(u, here + i, width)
        u_north = load(u, north + i, width)
        v_here = load(v, here + i, width)
        flux_east = load(terms, east_mass + i, width) * u_here
        flux_north = load(terms, north_mass + i, width) * v_here
        store(work, east + i, flux_east)
        store(work, through_north + i, flux_north)
        store(work, east_pair + i, flux_east + load(terms, east_mass_north + i, width) * u_north)
        store(work, north_pair + i, flux_north + load(terms, south_mass + i, width) * load(v, south + i, width))
        relative = vorticity(u_here, u_north, v_here, load(v, here + i + 1, width), lower, upper, factor)
        q = potential_vorticity(relative, load(coriolis, plane + i, width), load(terms, corner + i, width))
        store(work, corners + i, q)


@_row
def wind_row(
    before, here, now, level_here, level_below, theta, across_theta, terms, exner, mass_weight, work, q, q_other, pair,
    pair_other, vertical, across_vertical, energy, across_energy, above, rotation, level, gradient, weight, new,
    first, last, width
):  # fmt: skip
    """One wind component of this level after the stage (eqs. 6, 7).

    `across_` names the cell beyond the face. `above` holds the vertical flux at the interface above and gets the one
    below, for the next level.
    """
    for i in range(first, last, lanes(width)):
        speed = load(now, level_here + i, width)
        flux = load(work, vertical + i, width) + load(work, across_vertical + i, width)
        below = flux * (load(now, level_below + i, width) - speed)
        through = load(work, above + i, width) + below
        store(work, above + i, below)
        after = wind(
            load(before, here + i, width),
            load(work, q + i, width) + load(work, q_other + i, width),
            load(work, pair + i, width) + load(work, pair_other + i, width),
            rotation,
            load(work, across_energy + i, width) - load(work, energy + i, width),
            load(theta, here + i, width) + load(theta, across_theta + i, width),
            load(terms, exner + i, width),
            level,
            gradient,
            through,
            load(terms, mass_weight + i, width) * weight,
        )
        store(new, here + i, after)


@_row
def theta_flux_row(theta, before, here, beyond, far, work, flux, out, seven, three, first, last, width):
    """Twelvefold flux of θ through one face of each cell (eq. 9)."""
    for i in range(first, last, lanes(width)):
        through = load(work, flux + i, width)
        moved = upwind_flux(
            through,
            magnitude(through),
            load(theta, before + i, width),
            load(theta, here + i, width),
            load(theta, beyond + i, width),
            load(theta, far + i, width),
            seven,
            three,
        )
        store(work, out + i, moved)


@_row
def theta_row(
    theta_0, theta, here, below, work, change, inverse, east, north, south, vertical, above, horizontal_weight,
    vertical_weight, new, first, last, width
):  # fmt: skip
    """θ of this level after the stage (eq. 8); `above` as in `wind_row`."""
    for i in range(first, last, lanes(width)):
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
        store(new, here + i, after)
