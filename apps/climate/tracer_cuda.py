"""One step of a tracer on the GPU, with the formulas and the entries of tracer_cpu.py; all arithmetic is float64.

Three kernels. The first moves q for half a step along rows and across them, a thread for each cell; the second makes
the fluxes through east and north faces, a thread for each cell; the third marches down a column with the parabolas of
its levels and writes q. What must move for a cell: q, u, v in and two moved values out; these and q, u, v in and two
fluxes out; these and q, u, v in and q out: 10 words of the fields and 8 of float64, and 2 more where no cache holds u
and v until the column has been summed up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from clustermark.apps.climate import physics_3d
from clustermark.apps.climate.launch_cuda import BLOCK, blocks_over, load, store, workspace
from clustermark.apps.climate.layout import HALO
from clustermark.apps.climate.tracer_formulas import make_formulas
from clustermark.apps.climate.transport import INTERFACE, THICKNESS, WEIGHTS
from clustermark.devices.launch_cuda import flat, launch
from clustermark.devices.numba_cuda import cuda

device: Any = cuda.jit(device=True)
# Columns of `transport.level_weights`.
_COLUMNS = WEIGHTS + 12


@device
def select(condition, yes, no):
    """The one or the other."""
    return yes if condition else no


@device
def magnitude(number):
    """|x|."""
    return abs(number)


divergence = device(physics_3d.divergence)
face_flux, _, parabola, _, carried, moved, sunk, renewed = make_formulas(device, select, magnitude)


class Work(NamedTuple):
    """Workspace of `advance` on the device, float64, (levels·rows·pitch,) each.

    Attributes
    ----------
    along, across : q moved for half a step along rows, and across them
    east, north : fluxes of the tracer through faces; north ones times cosφ
    """

    along: Any
    across: Any
    east: Any
    north: Any


def make_work(levels: int, rows: int, pitch: int) -> Work:
    """Workspace of `advance` for blocks of so many levels and padded rows."""
    return Work(*(workspace(levels * rows * pitch, np.float64) for _ in Work._fields))


@device
def _value(field, at):
    """A number of a field of any precision as float64."""
    return np.float64(load(field, at))


@device
def _east(mass, u, surface, at):
    """m̄u through an east face."""
    return face_flux(_value(mass, surface), _value(mass, surface + 1), 0.5, _value(u, at))


@device
def _north(mass, v, surface, at, pitch, cos_face):
    """m̄v cosφ through a north face."""
    return face_flux(_value(mass, surface), _value(mass, surface + pitch), 0.5 * cos_face, _value(v, at))


@device
def _divergence(mass, u, v, surface, at, pitch, south_face, north_face, factor):
    """∇·(m V) of a cell at one level (primitive equations 1)."""
    return divergence(
        _east(mass, u, surface, at),
        _east(mass, u, surface - 1, at - 1),
        _north(mass, v, surface, at, pitch, north_face),
        _north(mass, v, surface - pitch, at - pitch, pitch, south_face),
        factor,
    )


@cuda.jit(cache=True)
def move_cells(
    q, mass_0, mass, u, v, cos_center, cos_face, quarter, rows, pitch, first_row, last_row, first_column, last_column,
    along, across
):  # fmt: skip
    """A cell moved for half a step along its row and across it (tracer 2), three cells beyond the region each.

    Parameters
    ----------
    quarter : ¼Δt/(aΔ); the others as in tracer_cpu.advance
    along, across : out
    """
    x, y, k = cuda.grid(3)
    i, j = first_column - 3 + x, first_row - 3 + y
    if i < last_column + 3 and j < last_row + 3:
        surface = j * pitch + i
        at = k * rows * pitch + surface
        here, under, factor = _value(q, at), _value(mass_0, surface), quarter / load(cos_center, j)
        if first_column <= i and i < last_column:
            west, east = _east(mass, u, surface - 1, at - 1), _east(mass, u, surface, at)
            store(along, at, moved(here, _value(q, at - 1), _value(q, at + 1), west, east, factor, under))
        if first_row <= j and j < last_row:
            south = _north(mass, v, surface - pitch, at - pitch, pitch, load(cos_face, j - 1))
            north = _north(mass, v, surface, at, pitch, load(cos_face, j))
            store(across, at, moved(here, _value(q, at - pitch), _value(q, at + pitch), south, north, factor, under))


@device
def _carried(moved_q, at, stride, flux, q, mass, mass_beyond, factor):
    """Flux of the tracer through the face beyond a cell; `stride` leads to the cell behind it."""
    return carried(
        flux, load(moved_q, at - 2 * stride), load(moved_q, at - stride), load(moved_q, at),
        load(moved_q, at + stride), load(moved_q, at + 2 * stride), load(moved_q, at + 3 * stride), _value(q, at),
        _value(q, at + stride), mass, mass_beyond, factor,
    )  # fmt: skip


@cuda.jit(cache=True)
def carry_cells(
    q, mass_0, mass, u, v, cos_center, cos_face, courant, along, across, rows, pitch, first_row, last_row,
    first_column, last_column, east, north
):  # fmt: skip
    """Fluxes of the tracer through the east and the north face of a cell (tracer 3 to 5).

    Parameters
    ----------
    courant : Δt/(aΔ)
    along, across : of move_cells
    east, north : out, over the region and over the cells west and south of it
    """
    x, y, k = cuda.grid(3)
    i, j = first_column - 1 + x, first_row - 1 + y
    if i < last_column and j < last_row:
        surface = j * pitch + i
        at = k * rows * pitch + surface
        under = _value(mass_0, surface)
        if j >= first_row:
            beyond, factor = _value(mass_0, surface + 1), courant / load(cos_center, j)
            flux = _east(mass, u, surface, at)
            store(east, at, _carried(across, at, 1, flux, q, under, beyond, factor))
        if i >= first_column:
            beyond = _value(mass_0, surface + pitch) * load(cos_center, j + 1)
            flux = _north(mass, v, surface, at, pitch, load(cos_face, j))
            under *= load(cos_center, j)
            store(north, at, _carried(along, at, pitch, flux, q, under, beyond, courant))


@device
def _six(table, first):
    """Six numbers of a table one after the other."""
    return (
        load(table, first), load(table, first + 1), load(table, first + 2), load(table, first + 3),
        load(table, first + 4), load(table, first + 5),
    )  # fmt: skip


@cuda.jit(cache=True)
def renew_columns(
    q, mass_0, mass, u, v, mass_new, cos_center, cos_face, table, east, north, inverse_distance, step, rows, pitch,
    levels, first_row, last_row, first_column, last_column, q_new
):  # fmt: skip
    """q of a column of cells after the step (tracer 1 and 6), downwards.

    Of the levels above and below, five values of q and the parabola of the level are kept, and the flux through the
    interface above.
    """
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        plane, surface = rows * pitch, j * pitch + i
        factor = inverse_distance / load(cos_center, j)
        south_face, north_face = load(cos_face, j - 1), load(cos_face, j)
        before, after = _value(mass_0, surface), _value(mass_new, surface)
        total, above, fall_above = 0.0, 0.0, 0.0
        at = surface
        if levels > 1:
            for k in range(levels):
                weight = factor * load(table, k * _COLUMNS + THICKNESS)
                total += _divergence(mass, u, v, surface, at, pitch, south_face, north_face, weight)
                at += plane
        lowest, at = (levels - 1) * plane + surface, surface
        here = _value(q, at)
        # The first level is as constant as its parabola is; beyond the last one its value is repeated.
        cell, last = (here, here, here), here
        below = _value(q, min(at + plane, lowest))
        beyond = _value(q, min(at + 2 * plane, lowest))
        for k in range(levels):
            fall, row = 0.0, k * _COLUMNS
            under, thickness = cell, load(table, row + THICKNESS)
            farthest = _value(q, min(at + 3 * plane, lowest))
            if k < levels - 1:
                above += _divergence(mass, u, v, surface, at, pitch, south_face, north_face, factor * thickness)
                slopes = _six(table, row + _COLUMNS + WEIGHTS)
                edges = _six(table, row + _COLUMNS + WEIGHTS + 6)
                top, bottom = parabola(last, cell[1], below, beyond, farthest, slopes, edges)
                under = top, below, bottom
                sinking = total * load(table, row + INTERFACE) - above
                fall = sunk(sinking, step, before, thickness, load(table, row + _COLUMNS + THICKNESS), cell, under)
            sides = (load(east, at) - load(east, at - 1)) + (load(north, at) - load(north, at - pitch))
            vertical = (fall - fall_above) * (1.0 / thickness)
            store(q_new, at, renewed(cell[1], before, after, sides, factor, vertical, step))
            last, fall_above, cell, below, beyond = cell[1], fall, under, beyond, farthest
            at += plane


def advance(
    q: Any,
    mass_0: Any,
    mass: Any,
    u: Any,
    v: Any,
    mass_new: Any,
    cos_center: Any,
    cos_face: Any,
    table: Any,
    inverse_distance: float,
    step: float,
    rows: int,
    pitch: int,
    first_row: int,
    last_row: int,
    first_column: int,
    last_column: int,
    work: Work,
    q_new: Any,
) -> None:
    """q_new = [m₀q − Δt ∇·(F q_face)]/m_new: a step of a tracer of a block; as tracer_cpu.advance.

    Parameters
    ----------
    work : make_work; the others are those of the CPU, arrays on the device
    """
    if first_row >= last_row or first_column >= last_column:
        return
    levels, height, width = int(table.shape[0]), last_row - first_row, last_column - first_column
    place = (first_row, last_row, first_column, last_column)
    fields, metric, block = (q, mass_0, mass, u, v), (cos_center, cos_face), (*BLOCK, 1)
    courant = float(step * inverse_distance)
    launch(move_cells, blocks_over(height + 6, width + 6, levels), block)(
        *(*fields, *metric, 0.25 * courant, rows, pitch, *place, work.along, work.across)
    )
    launch(carry_cells, blocks_over(height + 1, width + 1, levels), block)(
        *(*fields, *metric, courant, work.along, work.across, rows, pitch, *place, work.east, work.north)
    )
    launch(renew_columns, blocks_over(height, width), block)(
        *(*fields, mass_new, *metric, flat(table), work.east, work.north, float(inverse_distance), float(step)),
        *(rows, pitch, levels, *place, q_new),
    )


@cuda.jit(cache=True)
def take_cell(new, rows, pitch, height, width, field):
    """One evolved cell; see tracer_cpu.take_cells."""
    x, y, k = cuda.grid(3)
    if x < width and y < height:
        at = (k * rows + HALO + y) * pitch + HALO + x
        store(field, at, load(new, at))


@cuda.jit(cache=True)
def cut_cell(rows, pitch, height, width, field):
    """One cell of a halo; see tracer_cpu.cut_below_zero."""
    i, j, k = cuda.grid(3)
    if i < pitch and j < rows and (i < HALO or i >= HALO + width or j < HALO or j >= HALO + height):
        at = (k * rows + j) * pitch + i
        if load(field, at) < 0:
            store(field, at, 0)


def take_cells(new: Any, levels: int, rows: int, pitch: int, columns: int, field: Any) -> None:
    """The evolved cells of a block, out of one flat array into another; as tracer_cpu.take_cells."""
    height = rows - 2 * HALO
    if height > 0 and columns > 0:
        launch(take_cell, blocks_over(height, columns, levels), (*BLOCK, 1))(new, rows, pitch, height, columns, field)


def cut_below_zero(levels: int, rows: int, pitch: int, columns: int, field: Any) -> None:
    """Zero in the halo of a block where it is less; as tracer_cpu.cut_below_zero."""
    launch(cut_cell, blocks_over(rows, pitch, levels), (*BLOCK, 1))(rows, pitch, rows - 2 * HALO, columns, field)
