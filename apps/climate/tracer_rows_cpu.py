"""Piecewise parabolic transport along one row of cells, with explicit vectors; tracer_cpu.py orders the rows.

The formulas are those of tracer_formulas.py. Everything is float64; the tracer itself may be stored as float32.
"""

from __future__ import annotations

from typing import Any

import numba

from clustermark.apps.climate.physics_3d import divergence as formula_of_divergence
from clustermark.apps.climate.tracer_formulas import make_formulas
from clustermark.devices.simd import lanes, load, magnitude, select, splat, store, store_first
from clustermark.devices.simd_lookup import converted

_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)
_divergence_of = _inline(formula_of_divergence)
_face_flux, _, _parabola, _, _carried, _moved, _sunk, _renewed = make_formulas(_inline, select, magnitude)


@_inline
def value(field, at, width):
    """A vector of a field of any precision as float64."""
    return converted(load(field, at, width), splat(1.0, width))


@_inline
def east_flux(mass, u, surface, at, width):
    """m̄u through an east face."""
    return _face_flux(value(mass, surface, width), value(mass, surface + 1, width), 0.5, value(u, at, width))


@_inline
def north_flux(mass, v, surface, at, pitch, cos_face, width):
    """m̄v cosφ through a north face."""
    beyond = value(mass, surface + pitch, width)
    return _face_flux(value(mass, surface, width), beyond, 0.5 * cos_face, value(v, at, width))


@_inline
def moved_east_row(q, mass, mass_0, u, here, line, quarter, work, row, first, last, width):
    """A row moved along itself for half a step."""
    for i in range(first, last, lanes(width)):
        at, surface = here + i, line + i
        west, east = east_flux(mass, u, surface - 1, at - 1, width), east_flux(mass, u, surface, at, width)
        made = _moved(
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
        made = _moved(
            value(q, at, width), value(q, at - pitch, width), value(q, at + pitch, width), south, north, quarter,
            value(mass_0, surface, width),
        )  # fmt: skip
        store(work, row + i, made)


@_inline
def east_row(q, mass, mass_0, u, here, line, factor, work, across, row, first, last, width):
    """Fluxes of the tracer through the east faces of a row at one level; the row `across` is q moved across it."""
    for i in range(first, last, lanes(width)):
        at, surface, side = here + i, line + i, across + i
        through = _carried(
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
        through = _carried(
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
    return _divergence_of(east, west, north, south, factor)


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
        top_below, bottom_below = _parabola(
            q_1, here, below, value(q, levels_at[3] + i, width), value(q, levels_at[4] + i, width), slopes, edges
        )
        sinking = load(work, total + i, width) * sigma - load(work, above + i, width)
        sunk = _sunk(
            sinking, step, value(mass_0, line + i, width), splat(thickness, width), splat(thickness_below, width),
            (load(work, top + i, width), here, load(work, bottom + i, width)), (top_below, below, bottom_below),
        )  # fmt: skip
        store(work, flux + i, sunk)
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
        made = _renewed(
            value(q, here + i, width), value(mass_0, line + i, width), value(mass_new, line + i, width), sides, factor,
            fall, step,
        )  # fmt: skip
        store_first(q_new, here + i, converted(made, like), last - i)
