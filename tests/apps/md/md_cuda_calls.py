"""Every host entry of the CUDA kernels called once, with arrays of the types that each precision has."""

from __future__ import annotations

from typing import Any

import numpy as np
from physics_examples import one_type, two_metals, two_types

from clustermark.apps.md import (
    clusters_cuda,
    halo_cuda,
    integrate_cuda,
    kernels_cuda,
    launch_cuda,
    pair_list_cuda,
    pair_terms_cuda,
    scan_cuda,
    slot_numbers_cuda,
    velocity_cuda,
)
from clustermark.apps.md.interactions import Embedded, make_interaction
from clustermark.apps.md.layout import PRECISIONS
from clustermark.apps.md.pair_list import RUN_COLUMNS
from clustermark.devices import memory_cuda
from clustermark.devices.simd import Width

MODULES = (
    *(clusters_cuda, halo_cuda, integrate_cuda, kernels_cuda, launch_cuda),
    *(pair_list_cuda, pair_terms_cuda, scan_cuda, slot_numbers_cuda, velocity_cuda, memory_cuda),
)
LANES, CLUSTERS = 8, 3
SLOTS = LANES * CLUSTERS


def call_every_entry(precision: str) -> None:
    """Arrays are as large as the entries want them, their content means nothing."""
    master, kernel = PRECISIONS[precision]
    ids, types = np.zeros(SLOTS, np.int64), np.zeros(SLOTS, np.int32)
    slots, starts = np.zeros(SLOTS, np.int32), np.zeros(5, np.int32)
    rows, masters = np.zeros((SLOTS, 3)), np.zeros(3 * SLOTS, master)
    clusters_cuda.sort_into_columns(
        *(rows, 0, SLOTS, np.zeros(3), 1.0, 1.0, 2, 2, LANES, 0, starts, slots.copy(), slots)
    )
    clusters_cuda.fill_padding(0, CLUSTERS, LANES, 1.0, np.ones(3), ids, types, masters)
    clusters_cuda.scatter(rows, 0, SLOTS, slots, LANES, np.zeros(3), masters)
    clusters_cuda.collect(masters, slots, LANES, np.zeros(3), rows)
    taken = masters, masters.copy(), ids, types, CLUSTERS, LANES, np.zeros(3), np.ones(3)
    clusters_cuda.take_atoms(*taken, rows, rows.copy(), ids.copy(), types.copy())
    _call_pairs(kernel, ids, types, starts)
    _call_steps(master, kernel, ids, types)


def _call_pairs(kernel: str, ids: Any, types: Any, starts: Any) -> None:
    width = Width(LANES)
    positions, forces = np.zeros(3 * SLOTS, kernel), np.zeros(3 * SLOTS, kernel)
    per_slot, slope = np.zeros(SLOTS, kernel), np.zeros(SLOTS, kernel)
    boxes, shifts = np.zeros((6, CLUSTERS), np.float32), np.zeros((28, 3), kernel)
    runs, entries = np.zeros((4, RUN_COLUMNS), np.int32), np.zeros(4, np.int32)
    clusters_cuda.bounding_boxes(positions, ids, 0, CLUSTERS, LANES, boxes)
    grid, numbers = (0.0, 0.0, 1.0, 1.0, 2, 2), np.zeros(8, np.int64)
    pair_list_cuda.build_list(positions, 0, CLUSTERS, boxes, starts, grid, 1.0, shifts, numbers, width, runs, entries)
    interaction = None
    for potential in (one_type(2.5), two_types("force-shifted"), two_metals()):
        interaction = kernels_cuda.on_device(make_interaction(potential, kernel, types, slope))
        for totals in (None, np.zeros(3)):
            kernels_cuda.pair_forces(interaction, positions, runs, entries, shifts, 0, 4, width, forces, totals)
    assert isinstance(interaction, Embedded)
    kernels_cuda.densities(interaction, positions, runs, entries, shifts, 0, 4, width, per_slot)
    kernels_cuda.embed(ids, types, per_slot, np.zeros(40), 5, 1.0, 1.0, slope)
    offsets, buffer = np.zeros(5, np.int32), np.zeros(15, kernel)
    halo_cuda.pack(positions, offsets, LANES, np.zeros(3, kernel), buffer)
    halo_cuda.unpack(buffer, offsets, LANES, positions)
    halo_cuda.unpack_add(buffer, offsets, LANES, positions)
    integrate_cuda.largest_displacement_square(positions, positions.copy(), CLUSTERS, LANES)


def _call_steps(master: str, kernel: str, ids: Any, types: Any) -> None:
    width = Width(LANES)
    velocities, masters = np.zeros(3 * SLOTS, master), np.zeros(3 * SLOTS, master)
    positions, forces = np.zeros(3 * SLOTS, kernel), np.zeros(3 * SLOTS, kernel)
    half_kicks, by_type = np.zeros(SLOTS, master), np.ones(1)
    integrate_cuda.per_slot(ids, types, by_type.astype(master), half_kicks)
    integrate_cuda.kick_drift(forces, half_kicks, 2.0, 0.005, CLUSTERS, width, velocities, masters, positions)
    integrate_cuda.kick(forces, half_kicks, CLUSTERS, width, velocities)
    velocity_cuda.kinetic_energy(velocities, types, by_type, LANES, CLUSTERS, 1.0)
    velocity_cuda.langevin_kick(velocities, ids, types, LANES, 0, CLUSTERS, 0.9, by_type, 1, 2, np.zeros((3, 256)))
    memory = memory_cuda.DeviceMemory()
    memory.convert(masters, 3 * SLOTS, positions)
    for values in (masters, positions):
        memory.clear(values, 3 * SLOTS)
    velocity_cuda.scale(velocities, LANES, CLUSTERS, 0.5)
    scan_cuda.running_totals(np.zeros(200, np.int32))
    for values in (ids, types, forces[:SLOTS]):
        slot_numbers_cuda.put(values, types, values.copy())
    slot_numbers_cuda.take(forces, types, forces[:SLOTS])
    slot_numbers_cuda.add(forces[:SLOTS], types, forces)
