"""Shallow water on the GPU: one thread per cell; the entries of shallow_cpu.py, same names and arguments.

Arrays are on the device. A thread makes the fluxes, vorticities and energies around its cell anew from h, u and v:
seven corners, eight fluxes and three energies, from values that neighbouring threads have brought into the first
cache. What must move is 11 words a cell and stage: h, u, v, the old three, b and f in, three out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.climate import physics
from clustermark.apps.climate.launch_cuda import BLOCK, THREADS, blocks_of, blocks_over, load, store, workspace
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda

double_flux = cuda.jit(device=True)(physics.double_flux)
absolute_vorticity = cuda.jit(device=True)(physics.absolute_vorticity)
quarter_potential_vorticity = cuda.jit(device=True)(physics.quarter_potential_vorticity)
twice_cubic_mean = cuda.jit(device=True)(physics.twice_cubic_mean)
bernoulli = cuda.jit(device=True)(physics.bernoulli)
depth_change = cuda.jit(device=True)(physics.depth_change)
zonal_acceleration = cuda.jit(device=True)(physics.zonal_acceleration)
meridional_acceleration = cuda.jit(device=True)(physics.meridional_acceleration)

# Factors of a row, (FACTORS, rows) flat. Of the corners north of it: 1/(aΔ cosφ), that by cosφ of the cells south and
# north of them, cosφ. Of the energy of its cells: ¼cosφ of the north and of the south face over that of the cell. Of
# the step: ½Δt/(aΔ cosφ), ¼Δt/cosφ, Δt/(aΔ cosφ).
(
    PER_LONGITUDE, PER_LATITUDE, PER_LATITUDE_NORTH, COS_FACE, NORTH_WEIGHT, SOUTH_WEIGHT, DIVERGENCE, ROTATION,
    GRADIENT, FACTORS,
) = range(10)  # fmt: skip


def make_work(rows: int, dtype: str) -> Any:
    """Workspace of `shallow_stage` for blocks of so many padded rows: (FACTORS·rows,) in the dtype of the fields."""
    return workspace(FACTORS * rows, dtype)


@cuda.jit(cache=True)
def shallow_factors(cos_center, cos_face, inverse_spacing, timestep, first_row, last_row, factors):
    """Factors of the rows `first_row` − 2 to `last_row`, in float64 before the cast.

    Parameters
    ----------
    cos_center, cos_face : (rows,) cos φ of cells and north faces
    inverse_spacing, timestep : float64, 1/(aΔ) [1/m] and Δt [s]
    factors : (FACTORS·rows,), out
    """
    j = first_row - 2 + cuda.grid(1)
    if j <= last_row:
        rows = cos_center.size
        center, center_north = np.float64(load(cos_center, j)), np.float64(load(cos_center, j + 1))
        face, face_south = np.float64(load(cos_face, j)), np.float64(load(cos_face, j - 1))
        per_longitude = inverse_spacing / face
        store(factors, PER_LONGITUDE * rows + j, per_longitude)
        store(factors, PER_LATITUDE * rows + j, per_longitude * center)
        store(factors, PER_LATITUDE_NORTH * rows + j, per_longitude * center_north)
        store(factors, COS_FACE * rows + j, face)
        store(factors, NORTH_WEIGHT * rows + j, 0.25 * face / center)
        store(factors, SOUTH_WEIGHT * rows + j, 0.25 * face_south / center)
        store(factors, DIVERGENCE * rows + j, 0.5 * timestep * inverse_spacing / center)
        store(factors, ROTATION * rows + j, 0.25 * timestep / center)
        store(factors, GRADIENT * rows + j, timestep * inverse_spacing / center)


@cuda.jit(device=True)
def _corner(h, u, v, coriolis, factors, rows, j, at, pitch):
    """q/4 at the north-east corner of a cell (docs/climate.md, water 2 and 3)."""
    vorticity = absolute_vorticity(
        load(v, at),
        load(v, at + 1),
        load(u, at),
        load(u, at + pitch),
        load(coriolis, at),
        load(factors, PER_LONGITUDE * rows + j),
        load(factors, PER_LATITUDE * rows + j),
        load(factors, PER_LATITUDE_NORTH * rows + j),
    )
    north = at + pitch
    return quarter_potential_vorticity(vorticity, load(h, at), load(h, at + 1), load(h, north), load(h, north + 1))


@cuda.jit(device=True)
def _turning(h, u, v, coriolis, factors, rows, j, at, pitch, near, far):
    """`twice_cubic_mean` of q/4 along the east face of a cell, from four corners of a column, and along its north."""
    q = _corner(h, u, v, coriolis, factors, rows, j, at, pitch)
    along_u = twice_cubic_mean(
        _corner(h, u, v, coriolis, factors, rows, j - 2, at - 2 * pitch, pitch),
        _corner(h, u, v, coriolis, factors, rows, j - 1, at - pitch, pitch),
        q,
        _corner(h, u, v, coriolis, factors, rows, j + 1, at + pitch, pitch),
        near,
        far,
    )
    along_v = twice_cubic_mean(
        _corner(h, u, v, coriolis, factors, rows, j, at - 2, pitch),
        _corner(h, u, v, coriolis, factors, rows, j, at - 1, pitch),
        q,
        _corner(h, u, v, coriolis, factors, rows, j, at + 1, pitch),
        near,
        far,
    )
    return along_u, along_v


@cuda.jit(device=True)
def _energy(h, u, v, bottom, factors, rows, j, at, pitch, quarter, gravity):
    """B of a cell (docs/climate.md, water 4 and 5)."""
    return bernoulli(
        load(u, at),
        load(u, at - 1),
        load(v, at),
        load(v, at - pitch),
        load(h, at),
        load(bottom, at),
        quarter,
        load(factors, NORTH_WEIGHT * rows + j),
        load(factors, SOUTH_WEIGHT * rows + j),
        gravity,
    )


@cuda.jit(device=True)
def _through_east(h, u, at):
    """2U through the east face of a cell (docs/climate.md, water 1)."""
    return double_flux(load(h, at), load(h, at + 1), load(u, at))


@cuda.jit(device=True)
def _through_north(h, v, cos_face, at, pitch):
    """2V through the north face of a cell (docs/climate.md, water 1)."""
    return double_flux(load(h, at), load(h, at + pitch), load(v, at) * cos_face)


@cuda.jit(cache=True)
def advance_cells(
    h, u, v, h0, u0, v0, bottom, coriolis, factors, quarter, near, far, gravity, turn, pull, rows, pitch, first_row,
    last_row, first_column, last_column, h_new, u_new, v_new
):  # fmt: skip
    """One cell after a stage (docs/climate.md, water 6 to 8); see shallow_cpu.shallow_stage.

    Parameters
    ----------
    factors : of shallow_factors
    quarter, near, far, gravity, turn, pull : ¼, 9/8, 1/8, g, ¼Δt, Δt/(aΔ)
    """
    i, y = cuda.grid(2)
    i, j = first_column + i, first_row + y
    if i < last_column and j < last_row:
        at = j * pitch + i
        south, north = at - pitch, at + pitch
        face, face_south = load(factors, COS_FACE * rows + j), load(factors, COS_FACE * rows + j - 1)
        turning_u, turning_v = _turning(h, u, v, coriolis, factors, rows, j, at, pitch, near, far)
        energy = _energy(h, u, v, bottom, factors, rows, j, at, pitch, quarter, gravity)
        energy_east = _energy(h, u, v, bottom, factors, rows, j, at + 1, pitch, quarter, gravity)
        energy_north = _energy(h, u, v, bottom, factors, rows, j + 1, north, pitch, quarter, gravity)
        east, west = _through_east(h, u, at), _through_east(h, u, at - 1)
        over, under = _through_north(h, v, face, at, pitch), _through_north(h, v, face_south, south, pitch)
        lost = depth_change(east, west, over, under, load(factors, DIVERGENCE * rows + j))
        over += _through_north(h, v, face, at + 1, pitch)
        under += _through_north(h, v, face_south, south + 1, pitch)
        rotation, gradient = load(factors, ROTATION * rows + j), load(factors, GRADIENT * rows + j)
        gained_u = zonal_acceleration(turning_u, over, under, energy, energy_east, rotation, gradient)
        beyond = _through_east(h, u, north - 1) + _through_east(h, u, north)
        lost_v = meridional_acceleration(turning_v, west + east, beyond, energy, energy_north, turn, pull)
        h_after, u_after, v_after = load(h0, at) - lost, load(u0, at) + gained_u, load(v0, at) - lost_v
        # All is read before anything is written: to the compiler the new arrays might be the old ones.
        store(h_new, at, h_after)
        store(u_new, at, u_after)
        store(v_new, at, v_after)


def shallow_stage(
    h: Any,
    u: Any,
    v: Any,
    h0: Any,
    u0: Any,
    v0: Any,
    bottom: Any,
    coriolis: Any,
    cos_center: Any,
    cos_face: Any,
    inverse_spacing: float,
    gravity: float,
    timestep: float,
    pitch: int,
    first_row: int,
    last_row: int,
    first_column: int,
    last_column: int,
    work: Any,
    h_new: Any,
    u_new: Any,
    v_new: Any,
) -> None:
    """One stage of shallow water, new = old + Δt·F(state) (Sadourny 1975); as shallow_cpu.shallow_stage.

    Parameters
    ----------
    work : make_work; the others are those of the CPU, on the device
    """
    if first_row >= last_row or first_column >= last_column:
        return
    real, rows = np.dtype(u.dtype).type, int(cos_center.size)
    launch(shallow_factors, blocks_of(last_row - first_row + 3), THREADS)(
        cos_center, cos_face, float(inverse_spacing), float(timestep), first_row, last_row, work
    )
    launch(advance_cells, blocks_over(last_row - first_row, last_column - first_column), (*BLOCK, 1))(
        *(h, u, v, h0, u0, v0, bottom, coriolis, work),
        *(real(0.25), real(1.125), real(0.125), real(gravity), real(0.25 * timestep), real(timestep * inverse_spacing)),
        *(rows, pitch, first_row, last_row, first_column, last_column, h_new, u_new, v_new),
    )
