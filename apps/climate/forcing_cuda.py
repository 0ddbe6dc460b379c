"""The forcing of Held & Suarez (1994) on the GPU, implicit in time, in place; the entry of forcing_cpu.py.

A thread has a column of cells and marches down. ln(p_s/p₀) and (p_s/p₀)^−κ are made before, in float64, once a column.
What must move for a cell: θ in and out, and u and v in and out at the levels that have friction: 2 to 6 words.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from clustermark.apps.climate import forcing, physics_3d
from clustermark.apps.climate.launch_cuda import BLOCK, THREADS, blocks_of, blocks_over, load, store, workspace
from clustermark.devices.launch_cuda import flat, launch
from clustermark.devices.numba_cuda import cuda

warm_equilibrium = cuda.jit(device=True)(physics_3d.warm_equilibrium)
relaxed = cuda.jit(device=True)(physics_3d.relaxed)

# Factors of a level, (FACTORS, levels) flat: ln σ; 1/c; Δt(k_s − k_a)b; 1/(1 + Δt·k_v).
LOG_SIGMA, INVERSE_EXNER, RATE, SLOWING, FACTORS = range(5)


class Work(NamedTuple):
    """Workspace of `force` on the device, in the dtype of the fields.

    Attributes
    ----------
    log_pressure, cold : (rows·pitch,) ln(p_s/p₀) and 200 K/(p_s/p₀)^κ
    factors : (FACTORS·levels,)
    """

    log_pressure: Any
    cold: Any
    factors: Any


def make_work(levels: int, rows: int, pitch: int, dtype: str) -> Work:
    """Workspace of `force` for blocks of so many levels and padded rows."""
    return Work(*(workspace(size, dtype) for size in (rows * pitch, rows * pitch, FACTORS * levels)))


@cuda.jit(cache=True)
def forcing_factors(table, step, slow, fast, levels, factors):
    """Factors of a level, in float64 before the cast.

    Parameters
    ----------
    table : forcing.forcing_table, flat
    step, slow, fast : float64, Δt [s], k_a and k_s [1/s]
    """
    k = cuda.grid(1)
    if k < levels:
        store(factors, LOG_SIGMA * levels + k, load(table, forcing.LOG_SIGMA * levels + k))
        store(factors, INVERSE_EXNER * levels + k, load(table, forcing.INVERSE_EXNER * levels + k))
        store(factors, RATE * levels + k, step * (fast - slow) * load(table, forcing.BOUNDARY * levels + k))
        store(factors, SLOWING * levels + k, 1.0 / (1.0 + step * load(table, forcing.FRICTION * levels + k)))


@cuda.jit(cache=True)
def pressure_columns(
    mass, reference_pressure, kappa, coldest, pitch, first_row, last_row, first_column, last_column, log_pressure, cold
):  # fmt: skip
    """ln(p_s/p₀) and 200 K/(p_s/p₀)^κ of a column, in float64 before the cast."""
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        real = cold.dtype.type
        at = j * pitch + i
        logarithm = math.log(load(mass, at) / reference_pressure)
        store(log_pressure, at, real(logarithm))
        store(cold, at, real(coldest * math.exp(-kappa * logarithm)))


@cuda.jit(cache=True)
def relax_columns(
    u, v, theta, sine_square, log_pressure, cold, factors, warmest, meridional, vertical, slow, one, rows, pitch,
    levels, first_row, last_row, first_column, last_column
):  # fmt: skip
    """θ of a column towards T_eq/P_k, and its winds towards rest (eqs. 13 to 15).

    Parameters
    ----------
    warmest, meridional, vertical : 315 K, ΔT_y, Δθ_z
    slow, one : Δt·k_a, 1
    """
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        at = j * pitch + i
        square = load(sine_square, at)
        cosine_square = one - square
        base, slope, fourth = warmest - meridional * square, vertical * cosine_square, cosine_square * cosine_square
        logarithm, coldest = load(log_pressure, at), load(cold, at)
        for k in range(levels):
            warm = warm_equilibrium(base, slope, logarithm + load(factors, LOG_SIGMA * levels + k))
            target = max(warm, coldest * load(factors, INVERSE_EXNER * levels + k))
            rate = fourth * load(factors, RATE * levels + k) + slow
            store(theta, at, relaxed(load(theta, at), target, rate, one))
            slowing = load(factors, SLOWING * levels + k)
            if slowing < one:
                u_after, v_after = load(u, at) * slowing, load(v, at) * slowing
                store(u, at, u_after)
                store(v, at, v_after)
            at += rows * pitch


def force(
    mass: Any,
    u: Any,
    v: Any,
    theta: Any,
    sine_square: Any,
    table: Any,
    constants: tuple[float, float, float, float, float, float],
    kappa: float,
    reference_pressure: float,
    step: float,
    rows: int,
    pitch: int,
    first_row: int,
    last_row: int,
    first_column: int,
    last_column: int,
    work: Work,
) -> None:
    """Relax θ to T_eq and slow the winds for one step (Held & Suarez 1994), in place; as forcing_cpu.force.

    Parameters
    ----------
    work : make_work; the others are those of the CPU, arrays on the device
    """
    if first_row >= last_row or first_column >= last_column:
        return
    warmest, coldest, meridional, vertical, slow, fast = map(float, constants)
    real, levels = np.dtype(theta.dtype).type, int(table.shape[1])
    place = (first_row, last_row, first_column, last_column)
    blocks = blocks_over(last_row - first_row, last_column - first_column)
    launch(forcing_factors, blocks_of(levels), THREADS)(flat(table), float(step), slow, fast, levels, work.factors)
    launch(pressure_columns, blocks, (*BLOCK, 1))(
        mass, float(reference_pressure), float(kappa), coldest, pitch, *place, work.log_pressure, work.cold
    )
    launch(relax_columns, blocks, (*BLOCK, 1))(
        *(u, v, theta, sine_square, *work),
        *map(real, (warmest, meridional, vertical, step * slow, 1.0)),
        *(rows, pitch, levels, *place),
    )
