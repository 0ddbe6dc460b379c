"""Kernels over the velocities of a rank in the cluster layout (docs/md.md)."""

from typing import Any

import numba

from clustermark.devices.counter_rng import LANGEVIN, fill_normals

# Slots whose deviates are drawn in one vectorised loop: small enough to stay in the first-level cache.
BLOCK = 256


@numba.njit(nogil=True, cache=True, error_model="numpy")
def kinetic_energy(velocities: Any, types: Any, masses: Any, lanes: int, clusters: int, mass_velocity2: float) -> float:
    """K = Σ m v²/2 of the first `clusters` clusters; each cluster is summed by itself first.

    Parameters
    ----------
    velocities : flat, float64 or float32 [length/time]; 0 in empty slots
    types : (lanes·clusters or more,) int32; a type or −1 in empty slots
    masses : (types,) float64 [mass]
    lanes, clusters : layout
    mass_velocity2 : energy of one mass × velocity²

    Returns
    -------
    float64 [energy]
    """
    total = 0.0
    for cluster in range(clusters):
        x = 3 * lanes * cluster
        y, z = x + lanes, x + 2 * lanes
        part = 0.0
        for lane in range(lanes):
            square = float(velocities[x + lane]) ** 2
            square += float(velocities[y + lane]) ** 2 + float(velocities[z + lane]) ** 2
            part += masses[types[lanes * cluster + lane]] * square
        total += part
    return 0.5 * mass_velocity2 * total


def scale(velocities: Any, lanes: int, clusters: int, factor: float) -> None:
    """v ← factor·v in the first `clusters` clusters; arguments as of `kinetic_energy`."""
    velocities[: 3 * lanes * clusters] *= factor


@numba.njit(nogil=True, cache=True, error_model="numpy")
def langevin_kick(
    velocities: Any,
    ids: Any,
    types: Any,
    lanes: int,
    first_cluster: int,
    clusters: int,
    decay: float,
    amplitudes: Any,
    seed: int,
    step: int,
    deviates: Any,
) -> None:
    """v ← c v + a ξ with normal deviates ξ keyed by (seed, id, step); 0 stays 0 in empty slots.

    Parameters
    ----------
    velocities : flat, float64 or float32 [length/time], changed from first_cluster on
    ids : (slots,) int64, −1 in empty slots
    types : (slots,) int32; a type or −1 in empty slots
    lanes : slots of a cluster, at most BLOCK
    first_cluster, clusters : which clusters
    decay : c
    amplitudes : (types,) float64, a [length/time]
    seed, step : keys of the deviates
    deviates : (3, BLOCK) float64, work space
    """
    at_once = deviates.shape[1] // lanes
    end = first_cluster + clusters
    for start in range(first_cluster, end, at_once):
        stop = min(start + at_once, end)
        fill_normals(deviates, ids[lanes * start : lanes * stop], seed, step, LANGEVIN)
        for cluster in range(start, stop):
            x = 3 * lanes * cluster
            y, z = x + lanes, x + 2 * lanes
            for lane in range(lanes):
                slot = lanes * cluster + lane
                k = slot - lanes * start
                amplitude = amplitudes[types[slot]] if ids[slot] >= 0 else 0.0
                velocities[x + lane] = decay * velocities[x + lane] + amplitude * deviates[0, k]
                velocities[y + lane] = decay * velocities[y + lane] + amplitude * deviates[1, k]
                velocities[z + lane] = decay * velocities[z + lane] + amplitude * deviates[2, k]
