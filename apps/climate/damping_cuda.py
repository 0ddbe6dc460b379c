"""∇⁴ damping of winds and θ on the GPU: one thread per cell, one kernel per Laplacian; the entry of damping_cpu.py.

What must move for a cell: u, v, θ in and their Laplacians out, then both in and the new fields out: 15 words, every few
steps. Divergences and vorticities around a cell are made anew from winds that neighbours have brought into the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from clustermark.apps.climate import physics_3d
from clustermark.apps.climate.launch_cuda import BLOCK, THREADS, blocks_of, blocks_over, load, store, workspace
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda

divergence = cuda.jit(device=True)(physics_3d.divergence)
vorticity = cuda.jit(device=True)(physics_3d.vorticity)
vector_laplacian = cuda.jit(device=True)(physics_3d.vector_laplacian)
scalar_laplacian = cuda.jit(device=True)(physics_3d.scalar_laplacian)
damped = cuda.jit(device=True)(physics_3d.damped)

# Factors of a row, (FACTORS, rows) flat: cosφ of the cell and of its north face, 1/cosφ of both; 1/cos²φ of the cell,
# cosφ of its north and of its south face over that of the cell.
COS_CENTER, COS_FACE, PER_CENTER, PER_FACE, ALONG, UPPER, LOWER, FACTORS = range(8)


class Work(NamedTuple):
    """Workspace of `damp` on the device, in the dtype of the fields.

    Attributes
    ----------
    u, v, theta : (levels·rows·pitch,) ∇² of the fields, in units of 1/(aΔ)²
    factors : (FACTORS·rows,)
    """

    u: Any
    v: Any
    theta: Any
    factors: Any


def make_work(levels: int, rows: int, pitch: int, dtype: str) -> Work:
    """Workspace of `damp` for blocks of so many levels and padded rows."""
    size = levels * rows * pitch
    return Work(*(workspace(elements, dtype) for elements in (size, size, size, FACTORS * rows)))


@cuda.jit(cache=True)
def damping_factors(cos_center, cos_face, first_row, last_row, factors):
    """Factors of the rows `first_row` − 2 to `last_row` + 1, in float64 before the cast."""
    j = first_row - 2 + cuda.grid(1)
    if j <= last_row + 1:
        rows = cos_center.size
        center, face, face_south = load(cos_center, j), load(cos_face, j), load(cos_face, j - 1)
        store(factors, COS_CENTER * rows + j, center)
        store(factors, COS_FACE * rows + j, face)
        store(factors, PER_CENTER * rows + j, 1.0 / center)
        store(factors, PER_FACE * rows + j, 1.0 / face)
        store(factors, ALONG * rows + j, 1.0 / (center * center))
        store(factors, UPPER * rows + j, face / center)
        store(factors, LOWER * rows + j, face_south / center)


@cuda.jit(device=True)
def _divergence(u, v, at, pitch, factors, rows, j):
    """D of a cell, in units of 1/(aΔ)."""
    face = COS_FACE * rows + j
    north, south = load(v, at) * load(factors, face), load(v, at - pitch) * load(factors, face - 1)
    return divergence(load(u, at), load(u, at - 1), north, south, load(factors, PER_CENTER * rows + j))


@cuda.jit(device=True)
def _vorticity(u, v, at, pitch, factors, rows, j):
    """ζ at the north-east corner of a cell, in units of 1/(aΔ)."""
    center = COS_CENTER * rows + j
    return vorticity(
        load(u, at),
        load(u, at + pitch),
        load(v, at),
        load(v, at + 1),
        load(factors, center),
        load(factors, center + 1),
        load(factors, PER_FACE * rows + j),
    )


@cuda.jit(device=True)
def _of_winds(u, v, at, pitch, factors, rows, j, one):
    """∇²u and ∇²v at the faces of a cell (eq. 10), in units of 1/(aΔ)²."""
    here, corner = _divergence(u, v, at, pitch, factors, rows, j), _vorticity(u, v, at, pitch, factors, rows, j)
    east = _divergence(u, v, at + 1, pitch, factors, rows, j)
    north = _divergence(u, v, at + pitch, pitch, factors, rows, j + 1)
    south = _vorticity(u, v, at - pitch, pitch, factors, rows, j - 1)
    west = _vorticity(u, v, at - 1, pitch, factors, rows, j)
    along = vector_laplacian(east, here, corner, south, load(factors, PER_CENTER * rows + j), one)
    across = vector_laplacian(north, here, west, corner, one, load(factors, PER_FACE * rows + j))
    return along, across


@cuda.jit(device=True)
def _of_scalar(theta, at, pitch, factors, rows, j):
    """∇²θ of a cell (eq. 11), in units of 1/(aΔ)²."""
    return scalar_laplacian(
        load(theta, at),
        load(theta, at + 1),
        load(theta, at - 1),
        load(theta, at + pitch),
        load(theta, at - pitch),
        load(factors, ALONG * rows + j),
        load(factors, UPPER * rows + j),
        load(factors, LOWER * rows + j),
    )


@cuda.jit(cache=True)
def laplacian_cells(
    u, v, theta, factors, one, rows, pitch, first_row, last_row, first_column, last_column, u_out, v_out, theta_out
):  # fmt: skip
    """∇² of winds and θ at one cell of one level."""
    x, y, k = cuda.grid(3)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        at = (k * rows + j) * pitch + i
        along, across = _of_winds(u, v, at, pitch, factors, rows, j, one)
        scalar = _of_scalar(theta, at, pitch, factors, rows, j)
        store(u_out, at, along)
        store(v_out, at, across)
        store(theta_out, at, scalar)


@cuda.jit(cache=True)
def damp_cells(
    u, v, theta, u_once, v_once, theta_once, factors, one, strength, rows, pitch, first_row, last_row, first_column,
    last_column, u_new, v_new, theta_new
):  # fmt: skip
    """Winds and θ less ν₄Δt times the Laplacian of their Laplacian, at one cell of one level (eq. 12)."""
    x, y, k = cuda.grid(3)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        at = (k * rows + j) * pitch + i
        along, across = _of_winds(u_once, v_once, at, pitch, factors, rows, j, one)
        scalar = _of_scalar(theta_once, at, pitch, factors, rows, j)
        u_after = damped(load(u, at), along, strength)
        v_after = damped(load(v, at), across, strength)
        theta_after = damped(load(theta, at), scalar, strength)
        store(u_new, at, u_after)
        store(v_new, at, v_after)
        store(theta_new, at, theta_after)


@cuda.jit(cache=True)
def copy_cell(source, pitch, first_row, last_row, first_column, last_column, target):
    """One cell; see damping_cpu.copy_cells."""
    x, y = cuda.grid(2)
    i, j = first_column + x, first_row + y
    if i < last_column and j < last_row:
        store(target, j * pitch + i, load(source, j * pitch + i))


def copy_cells(
    source: Any, pitch: int, first_row: int, last_row: int, first_column: int, last_column: int, target: Any
) -> None:
    """The cells of a rectangle of a flat block into another block; as damping_cpu.copy_cells."""
    if first_row < last_row and first_column < last_column:
        launch(copy_cell, blocks_over(last_row - first_row, last_column - first_column), (*BLOCK, 1))(
            source, pitch, first_row, last_row, first_column, last_column, target
        )


def damp(
    u: Any,
    v: Any,
    theta: Any,
    cos_center: Any,
    cos_face: Any,
    inverse_distance: float,
    coefficient: float,
    levels: int,
    rows: int,
    pitch: int,
    first_row: int,
    last_row: int,
    first_column: int,
    last_column: int,
    work: Work,
    u_new: Any,
    v_new: Any,
    theta_new: Any,
) -> None:
    """V − ν₄Δt ∇⁴V and θ − ν₄Δt ∇⁴θ (docs/climate.md, atmosphere 10 to 12); as damping_cpu.damp.

    Parameters
    ----------
    work : make_work; the others are those of the CPU, arrays on the device
    """
    height, length = last_row - first_row, last_column - first_column
    if height <= 0 or length <= 0:
        return
    real = np.dtype(u.dtype).type
    one, strength = real(1.0), real(coefficient * inverse_distance**4)
    launch(damping_factors, blocks_of(height + 4), THREADS)(cos_center, cos_face, first_row, last_row, work.factors)
    launch(laplacian_cells, blocks_over(height + 2, length + 2, levels), (*BLOCK, 1))(
        *(u, v, theta, work.factors, one, rows, pitch),
        *(first_row - 1, last_row + 1, first_column - 1, last_column + 1, *work[:3]),
    )
    launch(damp_cells, blocks_over(height, length, levels), (*BLOCK, 1))(
        *(u, v, theta, *work, one, strength, rows, pitch),
        *(first_row, last_row, first_column, last_column, u_new, v_new, theta_new),
    )
