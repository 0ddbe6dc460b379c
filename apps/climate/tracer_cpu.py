"""One step of a tracer on the CPU: rows of cells are swept northwards, with the fluxes through their south faces kept.

Row j needs q of the rows j − 3 to j + 3, moved along themselves for half a step: eight such rows of every level are
kept. A chunk of rows begins with what the rows before it would have left, made at the same place in the program as all
others, so that any number of chunks gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.layout import HALO, MOST_LANES, Array, Floats
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.apps.climate.primitive_rows_cpu import copy_row, zero_row
from clustermark.apps.climate.tracer_rows_cpu import (
    add_divergence_row,
    east_row,
    fall_row,
    moved_east_row,
    moved_north_row,
    new_row,
    north_row,
    value,
)
from clustermark.apps.climate.transport import INTERFACE, THICKNESS, WEIGHTS
from clustermark.devices.simd import lanes, ordered, store

# Rows of the workspace: single ones; then by level two with the fluxes through north faces and KEPT moved ones.
EAST, TOTAL, ABOVE, FALL, FALL_ABOVE, TOP, BOTTOM, ACROSS, SINGLE = range(9)
KEPT = 8
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)


def make_work(chunks: int, levels: int, pitch: int) -> Floats:
    """Workspace of `advance`: (chunks, elements)."""
    return aligned_zeros((chunks, (SINGLE + (2 + KEPT) * levels) * (pitch + 2 * MOST_LANES)), "float64")


@_inline
def _begin_column(q, here, work, wide, first, last, width):
    """No flux through the top, and the first level as constant as its parabola is."""
    for row in (TOTAL, ABOVE, FALL_ABOVE, FALL):
        zero_row(work, row * wide, first, last, width)
    for i in range(first, last, lanes(width)):
        store(work, TOP * wide + i, value(q, here + i, width))
        store(work, BOTTOM * wide + i, value(q, here + i, width))


@_inline
def _fall(q, mass_0, table, step, plane, line, k, first, last, width, work, wide):
    """Flux through the interface below level k; the one above is what was below the level before."""
    levels = table.shape[0]
    copy_row(work, FALL * wide, work, FALL_ABOVE * wide, first, last, width)
    if k == levels - 1:
        zero_row(work, FALL * wide, first, last, width)
        return
    places = (
        max(k - 1, 0) * plane + line,
        k * plane + line,
        (k + 1) * plane + line,
        min(k + 2, levels - 1) * plane + line,
        min(k + 3, levels - 1) * plane + line,
    )
    w = table[k + 1, WEIGHTS:]
    fall_row(
        q, mass_0, places, line, (w[0], w[1], w[2], w[3], w[4], w[5]), (w[6], w[7], w[8], w[9], w[10], w[11]), step,
        table[k, INTERFACE], table[k, THICKNESS], table[k + 1, THICKNESS], work,
        (TOTAL * wide, ABOVE * wide, FALL * wide, TOP * wide, BOTTOM * wide), first, last, width,
    )  # fmt: skip


@_inline
def _row(q, mass_0, mass, u, v, mass_new, cos_center, cos_face, table, scale, step, plane, pitch, j, first, last, width,
         work, wide, q_new):  # fmt: skip
    """q of row j after the step; fluxes through its south and north faces are in the workspace."""
    levels = table.shape[0]
    line = j * pitch
    factor = scale / cos_center[j]
    _begin_column(q, line, work, wide, first, last, width)
    if levels > 1:
        for k in range(levels):
            add_divergence_row(mass, u, v, k * plane + line, line, pitch, cos_face[j - 1], cos_face[j],
                               factor * table[k, THICKNESS], work, TOTAL * wide, first, last, width)  # fmt: skip
    for k in range(levels):
        here = k * plane + line
        moved_north_row(q, mass, mass_0, v, here, line, pitch, cos_face[j - 1], cos_face[j], 0.25 * step * factor, work,
                        ACROSS * wide, first - 3, last + 3, width)  # fmt: skip
        east_row(q, mass, mass_0, u, here, line, step * factor, work, ACROSS * wide, EAST * wide, first - 1, last,
                 width)  # fmt: skip
        if levels > 1:
            add_divergence_row(mass, u, v, here, line, pitch, cos_face[j - 1], cos_face[j],
                               factor * table[k, THICKNESS], work, ABOVE * wide, first, last, width)  # fmt: skip
            _fall(q, mass_0, table, step, plane, line, k, first, last, width, work, wide)
        north = (SINGLE + 2 * k + (j & 1)) * wide
        south = (SINGLE + 2 * k + 1 - (j & 1)) * wide
        new_row(
            q, mass_0, mass_new, here, line, factor, step, 1.0 / table[k, THICKNESS], work, EAST * wide, north, south,
            FALL_ABOVE * wide, FALL * wide, q_new, first, last, width,
        )  # fmt: skip


@_inline
def _moved_place(j, k, levels, wide):
    """Place of the moved row j of a level."""
    return (SINGLE + 2 * levels + KEPT * k + (j & (KEPT - 1))) * wide


@_inline
def _north(q, mass_0, mass, v, cos_center, cos_face, scale, step, levels, plane, pitch, j, first, last, width, work,
           wide):  # fmt: skip
    """Fluxes through the north faces of row j, all levels."""
    for k in range(levels):
        along = (
            _moved_place(j - 2, k, levels, wide),
            _moved_place(j - 1, k, levels, wide),
            _moved_place(j, k, levels, wide),
            _moved_place(j + 1, k, levels, wide),
            _moved_place(j + 2, k, levels, wide),
            _moved_place(j + 3, k, levels, wide),
        )
        north_row(
            q, mass, mass_0, v, k * plane + j * pitch, j * pitch, pitch, cos_center[j], cos_center[j + 1], cos_face[j],
            step * scale, work, along, (SINGLE + 2 * k + (j & 1)) * wide, first, last, width,
        )  # fmt: skip


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def advance(
    q, mass_0, mass, u, v, mass_new, cos_center, cos_face, table, inverse_distance, step, rows, pitch, first_row,
    last_row, first_column, last_column, width, work, q_new
):  # fmt: skip
    """q_new = [m₀q − Δt ∇·(F q_face)]/m_new: a step of a tracer of a block (docs/climate.md, tracer 1 to 6).

    Parameters
    ----------
    q : (levels·rows·pitch,) mixing ratio before the step, valid three cells beyond the region
    mass_0 : (rows·pitch,) h or p_s before the step
    mass, u, v : the state that the last stage reads, valid three cells beyond the region
    mass_new : h or p_s that the last stage has left
    cos_center, cos_face : (rows,) float64 cosφ at cells and at north faces
    table : transport.level_weights
    inverse_distance : 1/(a Δ) [1/m]
    step : Δt [s]
    rows, pitch : padded rows of the block; elements from one row to the next
    first_row, last_row, first_column, last_column : region, in padded indices
    width : Width of float64 vectors
    work : make_work; threads may take as many chunks of rows as it has
    q_new : out over the region; another array than q
    """
    chunks, levels = work.shape[0], table.shape[0]
    plane, wide = rows * pitch, pitch + 2 * MOST_LANES
    exact = ordered(width)
    for chunk in numba.prange(chunks):
        c = np.int64(chunk)
        begin = first_row + (last_row - first_row) * c // chunks
        end = first_row + (last_row - first_row) * (c + 1) // chunks
        for j in range(begin - 6, end):
            quarter = 0.25 * step * inverse_distance / cos_center[j + 3]
            for k in range(levels):
                moved_east_row(
                    q, mass, mass_0, u, k * plane + (j + 3) * pitch, (j + 3) * pitch, quarter, work[c],
                    _moved_place(j + 3, k, levels, wide), first_column, last_column, exact,
                )  # fmt: skip
            if j >= begin - 1:
                _north(
                    q, mass_0, mass, v, cos_center, cos_face, inverse_distance, step, levels, plane, pitch, j,
                    first_column, last_column, exact, work[c], wide,
                )  # fmt: skip
            if j >= begin:
                _row(
                    q, mass_0, mass, u, v, mass_new, cos_center, cos_face, table, inverse_distance, step, plane, pitch,
                    j, first_column, last_column, exact, work[c], wide, q_new,
                )  # fmt: skip


def take_cells(new: Array, levels: int, rows: int, pitch: int, columns: int, field: Array) -> None:
    """The evolved cells of a block, out of one flat array into another; `rows` counts the halo."""
    cells, shape = np.s_[:, HALO:-HALO, HALO : HALO + columns], (levels, rows, pitch)
    field.reshape(shape)[cells] = new.reshape(shape)[cells]


def cut_below_zero(levels: int, rows: int, pitch: int, columns: int, field: Array) -> None:
    """Zero in the halo of a block where it is less; the arguments are those of take_cells."""
    values = field.reshape(levels, rows, pitch)
    for strip in (np.s_[:, :HALO], np.s_[:, -HALO:], np.s_[..., :HALO], np.s_[..., HALO + columns :]):
        np.maximum(values[strip], 0, out=values[strip])
