"""Velocity Verlet on the cluster layout (Swope, Andersen, Berens & Wilson 1982), and what is measured on it."""

from __future__ import annotations

import numba

from clustermark.devices.simd import lanes, load, store
from clustermark.devices.simd_lookup import converted


@numba.njit(nogil=True, cache=True, error_model="numpy")
def kick_drift(forces, half_kicks, kicks, timestep, clusters, width, velocities, masters, positions):
    """v += kicks · (Δt/2m)·f, then r += Δt·v; one pass over memory.

    Parameters
    ----------
    forces : flat cluster layout, in the kernels' precision
    half_kicks : one float64 per slot, Δt/(2m), 0 in padding
    kicks : 1, or 2 where the closing half kick of the last step is done here too
    velocities, masters : flat cluster layout, float64 (float32 in single precision), in and out
    positions : the kernels' copy of the masters, out
    """
    size = lanes(width)
    for cluster in range(clusters):
        kick = load(half_kicks, cluster * size, width) * kicks
        for d in range(3):
            place = (3 * cluster + d) * size
            force = converted(load(forces, place, width), kick)
            velocity = load(velocities, place, width)
            velocity = velocity + converted(force * kick, velocity)
            store(velocities, place, velocity)
            master = load(masters, place, width) + velocity * timestep
            store(masters, place, master)
            store(positions, place, converted(master, load(positions, place, width)))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def kick(forces, half_kicks, clusters, width, velocities):
    """v += (Δt/2m)·f: the closing half of a step."""
    size = lanes(width)
    for cluster in range(clusters):
        factor = load(half_kicks, cluster * size, width)
        for d in range(3):
            place = (3 * cluster + d) * size
            velocity = load(velocities, place, width)
            change = converted(load(forces, place, width), factor) * factor
            store(velocities, place, velocity + converted(change, velocity))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def largest_displacement_square(positions, reference, clusters, lanes_):
    """Largest |r − r_reference|² of any slot; NaN is never the largest, so the caller must look for it elsewhere."""
    largest = 0.0
    for cluster in range(clusters):
        for lane in range(lanes_):
            place = 3 * cluster * lanes_ + lane
            square = 0.0
            for d in range(3):
                moved = float(positions[place + d * lanes_] - reference[place + d * lanes_])
                square += moved * moved
            largest = max(largest, square)
    return largest


@numba.njit(nogil=True, cache=True, error_model="numpy")
def per_slot(ids, types, by_type, values):
    """values[slot] = by_type[type of the slot], 0 in padding."""
    for slot in range(ids.size):
        values[slot] = by_type[types[slot]] if ids[slot] >= 0 else 0.0
