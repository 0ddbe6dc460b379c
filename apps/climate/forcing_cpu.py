"""The forcing of Held & Suarez (1994) on the CPU, implicit in time, in place (eqs. 13 to 15)."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from clustermark.apps.climate import physics_3d
from clustermark.apps.climate.forcing import BOUNDARY, FRICTION, INVERSE_EXNER, LOG_SIGMA
from clustermark.apps.climate.layout import MOST_LANES, Array
from clustermark.devices.simd import lanes, load, ordered, select, store_first

# Rows of the workspace: ln(p_s/p₀); 200 K/(p_s/p₀)^κ; 315 K − ΔT_y sin²φ; Δθ_z cos²φ; cos⁴φ.
LOG, COLD, BASE, SLOPE, FOURTH, WORK_ROWS = range(6)
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)
warm_equilibrium = _inline(physics_3d.warm_equilibrium)
relaxed = _inline(physics_3d.relaxed)


def make_work(chunks: int, pitch: int, dtype: str) -> Array:
    """Workspace of `force`: (chunks, elements)."""
    return np.zeros((chunks, WORK_ROWS * (pitch + 2 * MOST_LANES)), dtype)


@_inline
def column_row(
    mass, sine_square, here, reference_pressure, kappa, warmest, coldest, meridional, vertical, work, wide, first, last
):
    """What all levels of a row share."""
    for i in range(first, last):
        log_pressure = math.log(mass[here + i] / reference_pressure)
        square = np.float64(sine_square[here + i])
        cosine_square = 1.0 - square
        work[LOG * wide + i] = log_pressure
        work[COLD * wide + i] = coldest * math.exp(-kappa * log_pressure)
        work[BASE * wide + i] = warmest - meridional * square
        work[SLOPE * wide + i] = vertical * cosine_square
        work[FOURTH * wide + i] = cosine_square * cosine_square


@_inline
def relax_row(theta, here, work, wide, log_sigma, inverse_exner, rate, more, first, last, width):
    """θ of a level towards T_eq/P_k, with rates Δt·k_a + `more`·cos⁴φ."""
    for i in range(first, last, lanes(width)):
        warm = warm_equilibrium(
            load(work, BASE * wide + i, width),
            load(work, SLOPE * wide + i, width),
            load(work, LOG * wide + i, width) + log_sigma,
        )
        cold = load(work, COLD * wide + i, width) * inverse_exner
        target = select(warm < cold, cold, warm)
        speed = load(work, FOURTH * wide + i, width) * more + rate
        store_first(theta, here + i, relaxed(load(theta, here + i, width), target, speed, 1.0), last - i)


@_inline
def slow_row(wind, here, factor, first, last, width):
    """Rayleigh friction: a wind times 1/(1 + Δt·k_v)."""
    for i in range(first, last, lanes(width)):
        store_first(wind, here + i, load(wind, here + i, width) * factor, last - i)


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def force(
    mass, u, v, theta, sine_square, table, constants, kappa, reference_pressure, step, rows, pitch, first_row,
    last_row, first_column, last_column, width, work
):  # fmt: skip
    """Relax θ to T_eq and slow the winds for one step (Held & Suarez 1994), in place.

    T = θ·P_k with the model's own P_k = c_k(p_s/p₀)^κ, so T_eq = max{200 K, Θ (p/p₀)^κ} becomes
    θ_eq = max{200 K/P_k, Θ}.

    Parameters
    ----------
    mass : (rows·pitch,) float64 surface pressure [Pa]
    u, v, theta : (levels·rows·pitch,) in and out
    sine_square : (rows·pitch,) sin² of the true latitude of cells
    table : forcing.forcing_table
    constants : HeldSuarez.constants
    kappa, reference_pressure : κ, p₀ [Pa]
    step : Δt [s]
    rows, pitch : padded rows of the block; elements from one row to the next
    first_row, last_row, first_column, last_column : region, in padded indices
    width : Width of the vectors
    work : make_work; threads may take as many chunks of rows as it has
    """
    warmest, coldest, meridional, vertical, slow, fast = constants
    levels, chunks = table.shape[1], work.shape[0]
    wide = pitch + 2 * MOST_LANES
    exact = ordered(width)
    for chunk in numba.prange(chunks):
        c = np.int64(chunk)
        space = work[c]
        count = last_row - first_row
        for j in range(first_row + count * c // chunks, first_row + count * (c + 1) // chunks):
            line = j * pitch
            column_row(mass, sine_square, line, reference_pressure, kappa, warmest, coldest, meridional, vertical,
                       space, wide, first_column, last_column)  # fmt: skip
            for k in range(levels):
                here = k * rows * pitch + line
                relax_row(theta, here, space, wide, table[LOG_SIGMA, k], table[INVERSE_EXNER, k], step * slow,
                          step * (fast - slow) * table[BOUNDARY, k], first_column, last_column, exact)  # fmt: skip
                if table[FRICTION, k] > 0.0:
                    factor = 1.0 / (1.0 + step * table[FRICTION, k])
                    slow_row(u, here, factor, first_column, last_column, exact)
                    slow_row(v, here, factor, first_column, last_column, exact)
