"""Velocity Verlet on the GPU: the entries of integrate_cpu.py, same names and arguments, one thread per slot.

Arrays are on the device. In single precision `half_kicks` may be float32, which keeps float64 out of the kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.md.launch_cuda import THREADS, blocks_of, lane_tuple, maximum_of_block
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(cache=True)
def kick_and_drift(forces, half_kicks, kicks, timestep, slots, width, velocities, masters, positions):
    """One slot; see integrate_cpu.kick_drift."""
    lanes = len(width)
    slot = cuda.grid(1)
    if slot < slots:
        real = velocities.dtype.type
        factor = real(half_kicks[slot]) * kicks
        for d in range(3):
            place = slot // lanes * (3 * lanes) + d * lanes + slot % lanes
            velocity = velocities[place] + real(forces[place]) * factor
            velocities[place] = velocity
            master = masters[place] + velocity * timestep
            masters[place] = master
            positions[place] = master


def kick_drift(
    forces: Any,
    half_kicks: Any,
    kicks: float,
    timestep: float,
    clusters: int,
    width: Any,
    velocities: Any,
    masters: Any,
    positions: Any,
) -> None:
    """v += kicks · (Δt/2m)·f, then r += Δt·v; as integrate_cpu.kick_drift."""
    lanes, real = lane_tuple(width), np.dtype(velocities.dtype).type
    slots = clusters * len(lanes)
    if slots:
        launch(kick_and_drift, blocks_of(slots), THREADS)(
            forces, half_kicks, real(kicks), real(timestep), slots, lanes, velocities, masters, positions
        )


@cuda.jit(cache=True)
def kick_slots(forces, half_kicks, slots, width, velocities):
    """One slot; see integrate_cpu.kick."""
    lanes = len(width)
    slot = cuda.grid(1)
    if slot < slots:
        real = velocities.dtype.type
        for d in range(3):
            place = slot // lanes * (3 * lanes) + d * lanes + slot % lanes
            velocities[place] += real(forces[place]) * real(half_kicks[slot])


def kick(forces: Any, half_kicks: Any, clusters: int, width: Any, velocities: Any) -> None:
    """v += (Δt/2m)·f: the closing half of a step; as integrate_cpu.kick."""
    lanes = lane_tuple(width)
    slots = clusters * len(lanes)
    if slots:
        launch(kick_slots, blocks_of(slots), THREADS)(forces, half_kicks, slots, lanes, velocities)


@cuda.jit(cache=True)
def displacements(positions, reference, slots, width, partials):
    """Largest |r − r_reference|² of a block."""
    lanes = len(width)
    scratch = cuda.shared.array(THREADS, positions.dtype)
    slot = cuda.grid(1)
    zero = positions.dtype.type(0)
    square = zero
    if slot < slots:
        for d in range(3):
            place = slot // lanes * (3 * lanes) + d * lanes + slot % lanes
            moved = positions[place] - reference[place]
            square += moved * moved
    scratch[cuda.threadIdx.x] = square if square > zero else zero  # NaN becomes 0: it must not hide a number
    maximum_of_block(scratch, partials)


def largest_displacement_square(positions: Any, reference: Any, clusters: int, lanes_: Any) -> float:
    """Largest |r − r_reference|² of any slot; as integrate_cpu.largest_displacement_square."""
    lanes = lane_tuple(lanes_)
    slots = clusters * len(lanes)
    if not slots:
        return 0.0
    partials = cuda.device_array(blocks_of(slots), positions.dtype)
    launch(displacements, blocks_of(slots), THREADS)(positions, reference, slots, lanes, partials)
    return float(partials.copy_to_host().max())


@cuda.jit(cache=True)
def spread_by_type(ids, types, by_type, values):
    """One slot; see integrate_cpu.per_slot."""
    slot = cuda.grid(1)
    if slot < ids.size:
        values[slot] = by_type[types[slot]] if ids[slot] >= 0 else by_type.dtype.type(0)


def per_slot(ids: Any, types: Any, by_type: Any, values: Any) -> None:
    """values[slot] = by_type[type of the slot], 0 in padding; as integrate_cpu.per_slot."""
    if ids.size:
        launch(spread_by_type, blocks_of(ids.size), THREADS)(ids, types, by_type, values)
