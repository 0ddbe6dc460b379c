"""What an engine computes with: the kernels of one processor and the memory that they work on, chosen once.

The entries of both have the same names and parameters; the engine calls them through this table and asks no more
which processor it is. Nothing of the GPU is imported where the CPU was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clustermark.apps.md.interactions import Interaction
from clustermark.devices.memory import HostMemory, Memory


@dataclass(frozen=True)
class Backend:
    """Kernels by what they are for; each is a module, or has its entries.

    Attributes
    ----------
    memory : makes and moves arrays
    clusters : sort_into_columns, fill_padding, scatter, collect, take_atoms, bounding_boxes
    numbers : take, put, add (one number per slot)
    lists : build_list
    pairs : pair_forces, densities, embed
    integrate : kick_drift, kick, largest_displacement_square, per_slot
    velocities : kinetic_energy, langevin_kick, scale
    halo : pack, unpack, unpack_add
    on_device : the interaction as `pairs` wants it
    choose_lanes : dtype of the kernels → atoms per cluster
    full_list : every pair stands in the list twice, once for each of its atoms; else once
    exact_kicks : Δt/(2m) is float64 in every precision; else of the masters' type
    """

    memory: Memory
    clusters: Any
    numbers: Any
    lists: Any
    pairs: Any
    integrate: Any
    velocities: Any
    halo: Any
    on_device: Callable[[Interaction], Interaction]
    choose_lanes: Callable[[str], int]
    full_list: bool
    exact_kicks: bool


def _cpu(direct: bool) -> Backend:
    from clustermark.apps.md import (
        clusters,
        halo,
        integrate_cpu,
        kernels_cpu,
        pair_list,
        slot_numbers,
        velocity_kernels,
    )

    return Backend(
        memory=HostMemory(lambda shape, dtype: clusters.aligned(shape[0], dtype)),
        clusters=clusters,
        numbers=slot_numbers,
        lists=pair_list,
        pairs=kernels_cpu,
        integrate=integrate_cpu,
        velocities=velocity_kernels,
        halo=halo,
        on_device=lambda interaction: interaction,
        choose_lanes=clusters.choose_lanes,
        full_list=False,
        exact_kicks=True,
    )


def _cuda(direct: bool) -> Backend:
    from clustermark.apps.md import (
        clusters_cuda,
        halo_cuda,
        integrate_cuda,
        kernels_cuda,
        pair_list_cuda,
        slot_numbers_cuda,
        velocity_cuda,
    )
    from clustermark.devices.memory_cuda import DeviceMemory

    return Backend(
        memory=DeviceMemory(direct),
        clusters=clusters_cuda,
        numbers=slot_numbers_cuda,
        lists=pair_list_cuda,
        pairs=kernels_cuda,
        integrate=integrate_cuda,
        velocities=velocity_cuda,
        halo=halo_cuda,
        on_device=kernels_cuda.on_device,
        choose_lanes=lambda dtype: clusters_cuda.LANES,
        full_list=True,
        exact_kicks=False,
    )


BACKENDS: dict[str, Callable[[bool], Backend]] = {"cpu": _cpu, "cuda": _cuda}


def make_backend(device: str, direct: bool = False) -> Backend:
    """The kernels and the memory of a device.

    Parameters
    ----------
    device : one of BACKENDS; where it is "cuda", a GPU is bound to this process already
    direct : messages are handed to MPI in the memory of the device
    """
    return BACKENDS[device](direct)
