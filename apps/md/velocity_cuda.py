"""Kernels over velocities on the GPU: the entries of velocity_kernels.py, same names and arguments.

Arrays are on the device. Both compute in float64 in every precision: a sum over all atoms, and deviates that must be
those of the CPU; each is a few operations per atom.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.md.launch_cuda import THREADS, blocks_of, host_sum, lane_tuple, sum_block
from clustermark.devices.counter_rng import LANGEVIN, four_normals
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(cache=True)
def sum_of_squares(velocities, types, masses, slots, width, partials):
    """Σ m v² of a block, float64."""
    lanes = len(width)
    scratch = cuda.shared.array((1, THREADS), numba.float64)
    slot = cuda.grid(1)
    value = 0.0
    if slot < slots:
        place = slot // lanes * (3 * lanes) + slot % lanes
        x, y, z = velocities[place], velocities[place + lanes], velocities[place + 2 * lanes]
        value = masses[types[slot]] * (float(x) * float(x) + float(y) * float(y) + float(z) * float(z))
    scratch[0, cuda.threadIdx.x] = value
    sum_block(scratch, partials)


def kinetic_energy(velocities: Any, types: Any, masses: Any, lanes: Any, clusters: int, mass_velocity2: float) -> float:
    """K = Σ m v²/2 of the first `clusters` clusters; as velocity_kernels.kinetic_energy."""
    width = lane_tuple(lanes)
    slots = clusters * len(width)
    if not slots:
        return 0.0
    partials = cuda.device_array((1, blocks_of(slots)), np.float64)
    launch(sum_of_squares, blocks_of(slots), THREADS)(velocities, types, masses, slots, width, partials)
    return 0.5 * mass_velocity2 * float(host_sum(partials)[0])


@cuda.jit(cache=True)
def scale_velocities(velocities, size, factor):
    """One component; see velocity_kernels.scale."""
    k = cuda.grid(1)
    if k < size:
        velocities[k] *= factor


def scale(velocities: Any, lanes: Any, clusters: int, factor: float) -> None:
    """v ← factor·v in the first `clusters` clusters; as velocity_kernels.scale."""
    size = 3 * clusters * len(lane_tuple(lanes))
    if size:
        real = np.dtype(velocities.dtype).type
        launch(scale_velocities, blocks_of(size), THREADS)(velocities, size, real(factor))


@cuda.jit(cache=True)
def renew_velocities(velocities, ids, types, first_slot, slots, width, decay, amplitudes, seed, step):
    """One slot; see velocity_kernels.langevin_kick."""
    lanes = len(width)
    k = cuda.grid(1)
    if k < slots:
        slot = first_slot + k
        if ids[slot] >= 0:
            amplitude = amplitudes[types[slot]]
            first, second, third, _ = four_normals(seed, ids[slot], step, LANGEVIN)
            place = slot // lanes * (3 * lanes) + slot % lanes
            velocities[place] = decay * velocities[place] + amplitude * first
            velocities[place + lanes] = decay * velocities[place + lanes] + amplitude * second
            velocities[place + 2 * lanes] = decay * velocities[place + 2 * lanes] + amplitude * third


def langevin_kick(
    velocities: Any,
    ids: Any,
    types: Any,
    lanes: Any,
    first_cluster: int,
    clusters: int,
    decay: float,
    amplitudes: Any,
    seed: int,
    step: int,
    deviates: Any,
) -> None:
    """v ← c v + a ξ with normal deviates ξ keyed by (seed, id, step); as velocity_kernels.langevin_kick.

    Parameters
    ----------
    deviates : not used: the registers of a thread hold them
    """
    width = lane_tuple(lanes)
    slots = clusters * len(width)
    if slots:
        launch(renew_velocities, blocks_of(slots), THREADS)(
            *(velocities, ids, types, first_cluster * len(width), slots, width),
            *(np.float64(decay), amplitudes, seed, step),
        )
