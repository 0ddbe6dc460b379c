"""What one stage needs of surface pressure alone, on the GPU: one thread per cell of a layer, float64 before the cast.

The entry of surface_cpu.py, same name and arguments. These kernels work in float64 in every precision, on fields of one
layer: 36 float64 instructions for (p_s/p₀)^κ and 63 for its eight terms, three of them divisions (sm_90). 4 words of
float64 and TERMS of the fields' precision move for each column of a stage.
"""

from __future__ import annotations

from typing import Any

from clustermark.apps.climate.launch_cuda import BLOCK, blocks_over, load, store
from clustermark.apps.climate.surface_cpu import (
    CORNER,
    EAST_EXNER,
    EAST_MASS,
    EAST_WEIGHT,
    EXNER,
    NORTH_EXNER,
    NORTH_MASS,
    NORTH_WEIGHT,
)
from clustermark.apps.climate.vertical import DEGREE, REDUCTIONS
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(device=True)
def power(x, table):
    """x^κ by the polynomial of vertical.power_table, for x from 2^−7.5 to 2^1.5; as surface_cpu.power."""
    result = 1.0
    for n in range(REDUCTIONS - 1):
        if x < load(table, n):
            result *= load(table, 2 * REDUCTIONS + n)
            x *= load(table, REDUCTIONS + n)
    last = REDUCTIONS - 1
    if load(table, last) < x:
        result *= load(table, 2 * REDUCTIONS + last)
        x *= load(table, REDUCTIONS + last)
    scale = 3 * REDUCTIONS
    t = x * load(table, scale) + load(table, scale + 1)
    value = load(table, scale + 2)
    for n in range(DEGREE):
        value = value * t + load(table, scale + 3 + n)
    return value * result


@cuda.jit(cache=True)
def exner_cells(mass, table, inverse_reference, pitch, first_row, last_row, first_column, last_column, exner):
    """(p_s/p₀)^κ of one cell, in float64."""
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        at = j * pitch + i
        store(exner, at, power(load(mass, at) * inverse_reference, table))


@cuda.jit(cache=True)
def terms_cells(
    mass, exner, cos_face, half_heat_capacity, plane, pitch, first_row, last_row, first_column, last_column, terms
):  # fmt: skip
    """The planes of `terms` at one cell; see surface_cpu.surface_terms."""
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        real = terms.dtype.type
        at = j * pitch + i
        p, p_east = load(mass, at), load(mass, at + 1)
        p_north, p_north_east = load(mass, at + pitch), load(mass, at + pitch + 1)
        e, e_east, e_north = load(exner, at), load(exner, at + 1), load(exner, at + pitch)
        east, north = p + p_east, p + p_north
        store(terms, EXNER * plane + at, real(e))
        store(terms, EAST_EXNER * plane + at, real((e_east - e) * half_heat_capacity))
        store(terms, NORTH_EXNER * plane + at, real((e_north - e) * half_heat_capacity))
        store(terms, EAST_MASS * plane + at, real(east * 0.5))
        store(terms, NORTH_MASS * plane + at, real(north * (0.5 * load(cos_face, j))))
        store(terms, CORNER * plane + at, real(4.0 / (p + p_east + p_north + p_north_east)))
        store(terms, EAST_WEIGHT * plane + at, real(0.5 / east))
        store(terms, NORTH_WEIGHT * plane + at, real(0.5 / north))


def surface_terms(
    mass: Any,
    cos_face: Any,
    power_table: Any,
    reference_pressure: float,
    heat_capacity: float,
    rows: int,
    pitch: int,
    first_row: int,
    last_row: int,
    first_column: int,
    last_column: int,
    exner: Any,
    terms: Any,
) -> None:
    """(p_s/p₀)^κ, its gradients, and p_s at faces and corners, for a stage; as surface_cpu.surface_terms.

    Parameters
    ----------
    those of the CPU, arrays on the device
    """
    if first_row >= last_row or first_column >= last_column:
        return
    place = (first_row - 2, last_row + 2, first_column - 2, last_column + 2)
    blocks = blocks_over(place[1] - place[0], place[3] - place[2])
    launch(exner_cells, blocks, (*BLOCK, 1))(mass, power_table, 1.0 / reference_pressure, pitch, *place, exner)
    place = (first_row - 2, last_row + 1, first_column - 2, last_column + 1)
    blocks = blocks_over(place[1] - place[0], place[3] - place[2])
    launch(terms_cells, blocks, (*BLOCK, 1))(
        mass, exner, cos_face, 0.5 * heat_capacity, rows * pitch, pitch, *place, terms
    )
