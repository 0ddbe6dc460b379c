"""One stage of the primitive equations on the GPU: one thread per column of cells; the entry of primitive_cpu.py.

Four kernels. The first makes the sums of divergence and writes W and Φ + K, marching down and up again; the second q, a
thread for each cell; the third, in float64, the new surface pressure; the fourth the winds and θ, marching down. What a
thread needs of the level below is read one level ahead and kept, and the vertical fluxes through an interface serve
both levels. What must move for a cell and stage: u, v, θ in and W, Φ + K out; u, v in and q out; then u, v, θ, q, W,
Φ + K and the old three in, the new three out: 20 words, 17 in the first stage, whose old fields are those of now; 2
more where no cache holds u and v until they are read again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from clustermark.apps.climate import physics_3d
from clustermark.apps.climate.launch_cuda import BLOCK, THREADS, blocks_of, blocks_over, load, store, workspace
from clustermark.apps.climate.primitive_columns_cuda import advance_columns
from clustermark.apps.climate.primitive_factors_cuda import (
    COS_CENTER,
    CURL,
    DIVERGENCE,
    HYDROSTATIC,
    LEVEL_FACTORS,
    LOWER_INTERFACE,
    NORTH_QUARTER,
    ROW_FACTORS,
    SOUTH_QUARTER,
    THICKNESS,
    primitive_factors,
)
from clustermark.apps.climate.surface_cpu import CORNER, EAST_MASS, EXNER, NORTH_MASS
from clustermark.core.errors import UsageError
from clustermark.devices.launch_cuda import flat, launch
from clustermark.devices.numba_cuda import cuda

divergence = cuda.jit(device=True)(physics_3d.divergence)
kinetic_energy = cuda.jit(device=True)(physics_3d.kinetic_energy)
geopotential_step = cuda.jit(device=True)(physics_3d.geopotential_step)
vertical_mass_flux = cuda.jit(device=True)(physics_3d.vertical_mass_flux)
relative_vorticity = cuda.jit(device=True)(physics_3d.vorticity)
potential_vorticity = cuda.jit(device=True)(physics_3d.potential_vorticity)

# What a place in a field that is counted in 32 bits stays below.
MOST_ELEMENTS = 2**32


class Work(NamedTuple):
    """Workspace of `advance` on the device, in the dtype of the fields.

    Attributes
    ----------
    vertical, energy, vorticity : (levels·rows·pitch,) W at the interface below, Φ + K, q at the north-east corner
    total, change, inverse : (rows·pitch,) Σ ∇·(p_s V)Δσ, p_s0 − p_s,new, 1/p_s,new
    row_factors, level_factors : of primitive_factors_cuda
    """

    vertical: Any
    energy: Any
    vorticity: Any
    total: Any
    change: Any
    inverse: Any
    row_factors: Any
    level_factors: Any


def make_work(levels: int, rows: int, pitch: int, dtype: str) -> Work:
    """Workspace of `advance` for blocks of so many levels and padded rows.

    Raises
    ------
    UsageError : fields of 2^32 elements, which the kernels do not count
    """
    plane = rows * pitch
    if levels * plane >= MOST_ELEMENTS:
        raise UsageError(
            f"a block has {levels} levels of {rows} × {pitch} cells with its halo: expected fewer than 2^32 cells on a "
            f"GPU; use more ranks"
        )
    field = levels * plane
    sizes = (field, field, field, plane, plane, plane, ROW_FACTORS * rows, LEVEL_FACTORS * levels)
    return Work(*(workspace(size, dtype) for size in sizes))


@cuda.jit(cache=True)
def diagnose_columns(
    u, v, theta, geopotential, terms, row_factors, level_factors, quarter, rows, pitch, levels, first_row, last_row,
    first_column, last_column, vertical, energy, total
):  # fmt: skip
    """Σ ∇·(p_s V)Δσ of a column, W and Φ + K of its cells (eqs. 1 to 4).

    Upwards, what lies above a level is the whole less what lies below: at the ground W is exactly zero.
    """
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        plane = rows * pitch
        at = j * pitch + i
        east, west = load(terms, EAST_MASS * plane + at), load(terms, EAST_MASS * plane + at - 1)
        north, south = load(terms, NORTH_MASS * plane + at), load(terms, NORTH_MASS * plane + at - pitch)
        factor = load(row_factors, DIVERGENCE * rows + j)
        whole = u.dtype.type(0)
        place = at
        for k in range(levels):
            weight = factor * load(level_factors, THICKNESS * levels + k)
            whole += divergence(
                east * load(u, place), west * load(u, place - 1), north * load(v, place),
                south * load(v, place - pitch), weight
            )  # fmt: skip
            place += plane
        store(total, at, whole)
        exner = load(terms, EXNER * plane + at)
        north_quarter = load(row_factors, NORTH_QUARTER * rows + j)
        south_quarter = load(row_factors, SOUTH_QUARTER * rows + j)
        # The sum down to the interface below a level; Φ there; θ of the level below (its own at the ground).
        above, height, theta_below = whole, load(geopotential, at), load(theta, place - plane)
        for steps in range(levels):
            k = levels - 1 - steps
            place -= plane
            u_here, u_west = load(u, place), load(u, place - 1)
            v_here, v_south, theta_here = load(v, place), load(v, place - pitch), load(theta, place)
            height += geopotential_step(theta_here, theta_below, exner, load(level_factors, HYDROSTATIC * levels + k))
            sinking = vertical_mass_flux(load(level_factors, LOWER_INTERFACE * levels + k), whole, above)
            moving = kinetic_energy(u_here, u_west, v_here, v_south, quarter, north_quarter, south_quarter)
            store(vertical, place, sinking)
            store(energy, place, moving + height)
            weight = factor * load(level_factors, THICKNESS * levels + k)
            above -= divergence(east * u_here, west * u_west, north * v_here, south * v_south, weight)
            theta_below = theta_here


@cuda.jit(cache=True)
def vorticity_cells(
    u, v, coriolis, terms, row_factors, rows, pitch, first_row, last_row, first_column, last_column, vorticity
):  # fmt: skip
    """q at the north-east corner of one cell of one level (eq. 5)."""
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        plane = rows * pitch
        at = j * pitch + i
        place = at + cuda.blockIdx.z * plane
        lower, upper = load(row_factors, COS_CENTER * rows + j), load(row_factors, COS_CENTER * rows + j + 1)
        relative = relative_vorticity(
            load(u, place), load(u, place + pitch), load(v, place), load(v, place + 1), lower, upper,
            load(row_factors, CURL * rows + j)
        )  # fmt: skip
        store(vorticity, place, potential_vorticity(relative, load(coriolis, at), load(terms, CORNER * plane + at)))


@cuda.jit(cache=True)
def pressure_cells(
    mass_0, total, step, pitch, first_row, last_row, first_column, last_column, mass_new, change, inverse
):  # fmt: skip
    """p_s of a column after the stage (eq. 1), in float64; its loss and its inverse in the precision of the fields."""
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        real = change.dtype.type
        at = j * pitch + i
        loss = np.float64(load(total, at)) * step
        after = load(mass_0, at) - loss
        store(mass_new, at, after)
        store(change, at, real(loss))
        store(inverse, at, real(1.0 / after))


def advance(
    u: Any,
    v: Any,
    theta: Any,
    mass_0: Any,
    u_0: Any,
    v_0: Any,
    theta_0: Any,
    geopotential: Any,
    coriolis: Any,
    terms: Any,
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
    mass_new: Any,
    u_new: Any,
    v_new: Any,
    theta_new: Any,
) -> None:
    """X_new = X₀ + Δt·F(X): one stage of the primitive equations of a block; as primitive_cpu.advance.

    Parameters
    ----------
    work : make_work; the others are those of the CPU, arrays on the device
    """
    if first_row >= last_row or first_column >= last_column:
        return
    real, levels = np.dtype(u.dtype).type, int(table.shape[1])
    columns = last_column - first_column
    factors = work.row_factors, work.level_factors
    launch(primitive_factors, blocks_of(max(last_row - first_row + 4, levels)), THREADS)(
        *(cos_center, cos_face, flat(table), float(inverse_distance), float(step), levels, first_row, last_row),
        *factors,
    )
    # The row to the north and the column to the east too: differences of W and Φ + K reach there.
    launch(diagnose_columns, blocks_over(last_row + 1 - first_row, columns + 1), (*BLOCK, 1))(
        *(u, v, theta, geopotential, terms, *factors, real(0.25), rows, pitch, levels),
        *(first_row, last_row + 1, first_column, last_column + 1, work.vertical, work.energy, work.total),
    )
    # Two corners before a face and one beyond make the cubic of q along it.
    launch(vorticity_cells, blocks_over(last_row + 3 - first_row, columns + 3, levels), (*BLOCK, 1))(
        *(u, v, coriolis, terms, work.row_factors, rows, pitch),
        *(first_row - 2, last_row + 1, first_column - 2, last_column + 1, work.vorticity),
    )
    place = (first_row, last_row, first_column, last_column)
    blocks = blocks_over(last_row - first_row, columns)
    launch(pressure_cells, blocks, (*BLOCK, 1))(
        mass_0, work.total, float(step), pitch, *place, mass_new, work.change, work.inverse
    )
    launch(advance_columns, blocks, (*BLOCK, 1))(
        *(u, v, theta, u_0, v_0, theta_0, terms, *work[:3], *work[4:6], *factors),
        *(real(-0.125 * step), real(inverse_distance * step), real(7.0), real(3.0), real(1.125), real(0.125)),
        *(rows, pitch, levels, *place, u_new, v_new, theta_new),
    )
