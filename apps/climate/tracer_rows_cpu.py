"""Piecewise parabolic transport along one row of cells, with explicit vectors; tracer_cpu.py orders the rows.

Equation numbers are those of docs/climate.md, tracer; (CW …) those of Colella & Woodward, J. Comput. Phys. 54, 174
(1984). Everything is float64; the tracer itself may be stored as float32.
"""

from __future__ import annotations

from typing import Any

import numba

from clustermark.apps.climate.transport import EDGE, SLOPE
from clustermark.devices.simd import lanes, load, magnitude, select, splat, store, store_first, zeros_like
from clustermark.devices.simd_lookup import converted

_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)


@_inline
def value(field, at, width):
    """A vector of a field of any precision as float64."""
    return converted(load(field, at, width), splat(1.0, width))


@_inline
def limited_slope(low, high, low_weight, high_weight):
    """Difference across a cell, no steeper than twice its neighbours' and zero at an extremum (CW 1.7, 1.8).

    Parameters
    ----------
    low, high : differences to the cell before, and to the one beyond
    low_weight, high_weight : ½ and ½ for cells of equal width
    """
    slope = high * high_weight + low * low_weight
    low_bound, high_bound = magnitude(low) * 2.0, magnitude(high) * 2.0
    size = magnitude(slope)
    bound = select(low_bound < high_bound, low_bound, high_bound)
    size = select(size < bound, size, bound)
    nothing = zeros_like(slope)
    return select(nothing < low * high, select(slope < nothing, nothing - size, size), nothing)


@_inline
def parabola(q_2, q_1, q, q1, q2, slopes, edges):
    """Monotone parabola of a cell: its values at the edge before and at the edge beyond (CW 1.6, 1.10).

    Parameters
    ----------
    q_2, q_1, q, q1, q2 : means of the cell and of its neighbours
    slopes : weights of limited_slope of the cells before, here and beyond, two each
    edges : weights of the difference, of the slope beyond and of the slope here, of the edges before and beyond
    """
    before, low, high, beyond = q_1 - q_2, q - q_1, q1 - q, q2 - q1
    slope_before = limited_slope(before, low, slopes[0], slopes[1])
    slope = limited_slope(low, high, slopes[2], slopes[3])
    slope_beyond = limited_slope(high, beyond, slopes[4], slopes[5])
    first = q_1 + low * edges[0] - slope * edges[1] + slope_before * edges[2]
    last = q + high * edges[3] - slope_beyond * edges[4] + slope * edges[5]
    spread = last - first
    bend, bound = spread * (q - (first + last) * 0.5), spread * spread * (1.0 / 6.0)
    nothing = zeros_like(q)
    steep_first = select(bound < bend, q * 3.0 - last * 2.0, first)
    steep_last = select(bend < nothing - bound, q * 3.0 - first * 2.0, last)
    between = nothing < (last - q) * (q - first)
    return select(between, steep_first, q), select(between, steep_last, q)


@_inline
def swept_mean(far, q, out, part):
    """Mean of a parabola over the part of the cell next to its edge `out` (CW 1.12)."""
    bend = (q - (far + out) * 0.5) * 6.0
    return out + part * 0.5 * ((far - out) + (splat_like(part, 1.0) - part * (2.0 / 3.0)) * bend)


@_inline
def splat_like(vector, number):
    """A number in every lane."""
    return zeros_like(vector) + number


@_inline
def carried(flux, q_2, q_1, q, q1, q2, q3, old, old1, mass, mass1, factor):
    """Flux of the tracer through the face between q and q1 (tracer 3 to 5).

    Parameters
    ----------
    flux : of mass, positive towards q1
    q_2 … q3 : moved sideways for half a step
    old, old1 : q and q1 before that; no more than three times the giver's leaves it
    mass, mass1 : of the cells on both sides, such that |flux|·factor/mass is the part of the cell that is swept
    """
    forward = zeros_like(flux) < flux
    far, out = parabola(
        select(forward, q_2, q3), select(forward, q_1, q2), select(forward, q, q1), select(forward, q1, q),
        select(forward, q2, q_1), SLOPE, EDGE,
    )  # fmt: skip
    part = magnitude(flux) * factor / select(forward, mass, mass1)
    mean, most = swept_mean(far, select(forward, q, q1), out, part), select(forward, old, old1) * 3.0
    return flux * select(most < mean, most, mean)


@_inline
def moved(q, low, high, flux_low, flux_high, quarter, mass):
    """A cell half a step later by the flow across the direction of a sweep, upwind (tracer 2).

    Parameters
    ----------
    low, high : the neighbours in the direction of that flow
    flux_low, flux_high : of mass through the faces to them
    quarter : ¼Δt/(aΔ cosφ)
    mass : before the step
    """
    both_fluxes = flux_low + flux_high
    difference = select(zeros_like(q) < both_fluxes, q - low, high - q)
    return q - both_fluxes * quarter / mass * difference


@_inline
def east_flux(mass, u, surface, at, width):
    """m̄u through an east face."""
    return (value(mass, surface, width) + value(mass, surface + 1, width)) * 0.5 * value(u, at, width)


@_inline
def north_flux(mass, v, surface, at, pitch, cos_face, width):
    """m̄v cosφ through a north face."""
    both_masses = value(mass, surface, width) + value(mass, surface + pitch, width)
    return both_masses * (0.5 * cos_face) * value(v, at, width)


@_inline
def moved_east_row(q, mass, mass_0, u, here, line, quarter, work, row, first, last, width):
    """A row moved along itself for half a step."""
    for i in range(first, last, lanes(width)):
        at, surface = here + i, line + i
        west, east = east_flux(mass, u, surface - 1, at - 1, width), east_flux(mass, u, surface, at, width)
        made = moved(
            value(q, at, width), value(q, at - 1, width), value(q, at + 1, width), west, east, quarter,
            value(mass_0, surface, width),
        )  # fmt: skip
        store(work, row + i, made)


@_inline
def moved_north_row(q, mass, mass_0, v, here, line, pitch, south_face, north_face, quarter, work, row, first, last,
                    width):  # fmt: skip
    """A row moved across itself for half a step."""
    for i in range(first, last, lanes(width)):
        at, surface = here + i, line + i
        south = north_flux(mass, v, surface - pitch, at - pitch, pitch, south_face, width)
        north = north_flux(mass, v, surface, at, pitch, north_face, width)
        made = moved(
            value(q, at, width), value(q, at - pitch, width), value(q, at + pitch, width), south, north, quarter,
            value(mass_0, surface, width),
        )  # fmt: skip
        store(work, row + i, made)


@_inline
def east_row(q, mass, mass_0, u, here, line, factor, work, across, row, first, last, width):
    """Fluxes of the tracer through the east faces of a row at one level; the row `across` is q moved across it."""
    for i in range(first, last, lanes(width)):
        at, surface, side = here + i, line + i, across + i
        through = carried(
            east_flux(mass, u, surface, at, width), load(work, side - 2, width), load(work, side - 1, width),
            load(work, side, width), load(work, side + 1, width), load(work, side + 2, width),
            load(work, side + 3, width), value(q, at, width), value(q, at + 1, width), value(mass_0, surface, width),
            value(mass_0, surface + 1, width), factor,
        )  # fmt: skip
        store(work, row + i, through)


@_inline
def north_row(q, mass, mass_0, v, here, line, pitch, cosine, cosine_north, cos_face, factor, work, along, row, first,
              last, width):  # fmt: skip
    """Fluxes of the tracer through the north faces of a row at one level, times cosφ.

    Parameters
    ----------
    along : places of six rows in the workspace, from two before to three beyond: q moved along the rows
    """
    for i in range(first, last, lanes(width)):
        at, surface = here + i, line + i
        north = surface + pitch
        through = carried(
            north_flux(mass, v, surface, at, pitch, cos_face, width), load(work, along[0] + i, width),
            load(work, along[1] + i, width), load(work, along[2] + i, width), load(work, along[3] + i, width),
            load(work, along[4] + i, width), load(work, along[5] + i, width), value(q, at, width),
            value(q, at + pitch, width), value(mass_0, surface, width) * cosine,
            value(mass_0, north, width) * cosine_north, factor,
        )  # fmt: skip
        store(work, row + i, through)


@_inline
def divergence(mass, u, v, at, surface, pitch, south_face, north_face, factor, width):
    """∇·(m V) of a cell at one level (primitive equations 1)."""
    east, west = east_flux(mass, u, surface, at, width), east_flux(mass, u, surface - 1, at - 1, width)
    north = north_flux(mass, v, surface, at, pitch, north_face, width)
    south = north_flux(mass, v, surface - pitch, at - pitch, pitch, south_face, width)
    return ((east - west) + (north - south)) * factor


@_inline
def add_divergence_row(mass, u, v, here, line, pitch, south_face, north_face, factor, work, row, first, last, width):
    """A row of the workspace grows by ∇·(m V) times what is in `factor`."""
    for i in range(first, last, lanes(width)):
        grown = divergence(mass, u, v, here + i, line + i, pitch, south_face, north_face, factor, width)
        store(work, row + i, value(work, row + i, width) + grown)


@_inline
def fall_row(q, mass_0, levels_at, line, slopes, edges, step, sigma, thickness, thickness_below, work, rows, first,
             last, width):  # fmt: skip
    """Flux of the tracer through the interface below a level (tracer 6); the parabola below replaces that of the level.

    Parameters
    ----------
    levels_at : places of the levels k − 1 … k + 3 in q, the last ones again where there are no more
    slopes, edges : weights of `parabola` of level k + 1
    sigma : of the interface
    rows : places in the workspace: ΣD, Σ of D down to this level, the flux, and the parabola at its top and bottom
    """
    total, above, flux, top, bottom = rows
    for i in range(first, last, lanes(width)):
        q_1, here, below = (
            value(q, levels_at[0] + i, width),
            value(q, levels_at[1] + i, width),
            value(q, levels_at[2] + i, width),
        )
        top_below, bottom_below = parabola(
            q_1, here, below, value(q, levels_at[3] + i, width), value(q, levels_at[4] + i, width), slopes, edges
        )
        sinking = load(work, total + i, width) * sigma - load(work, above + i, width)
        down = zeros_like(sinking) < sinking
        mass = value(mass_0, line + i, width)
        part = magnitude(sinking) * step / (mass * select(down, splat(thickness, width), splat(thickness_below, width)))
        mean = swept_mean(
            select(down, load(work, top + i, width), bottom_below),
            select(down, here, below),
            select(down, load(work, bottom + i, width), top_below),
            part,
        )
        store(work, flux + i, sinking * mean)
        store(work, top + i, top_below)
        store(work, bottom + i, bottom_below)


@_inline
def new_row(q, mass_0, mass_new, here, line, factor, step, vertical, work, east, north, south, above, below, q_new,
            first, last, width):  # fmt: skip
    """q_new = [m₀q − Δt(∇·F + δW/Δσ)]/m_new of a row (tracer 1)."""
    like = load(q_new, here + first, width)
    for i in range(first, last, lanes(width)):
        sides = (load(work, east + i, width) - load(work, east + i - 1, width)) + (
            load(work, north + i, width) - load(work, south + i, width)
        )
        fall = (load(work, below + i, width) - load(work, above + i, width)) * vertical
        held = value(mass_0, line + i, width) * value(q, here + i, width)
        made = (held - (sides * factor + fall) * step) / value(mass_new, line + i, width)
        store_first(q_new, here + i, converted(made, like), last - i)
