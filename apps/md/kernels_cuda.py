"""Pair kernels of the GPU: one thread per slot i, a full list, no atomic addition; the entries of kernels_cpu.py.

Every pair stands in the list twice, once for each of its atoms, so that a thread adds to its own atom only: the sums
have one order, and two runs give the same bits. The J threads of a cluster walk the same entries, whose positions are
read by all of them at once. Energy, virial and number of pairs are those of half of all entries; ghosts have a list of
their own (pair_list_cuda.py), which holds the other half of the pairs with them.
"""

from __future__ import annotations

from typing import Any, SupportsFloat

import numba
import numpy as np

from clustermark.apps.md.interactions import Embedded, Interaction
from clustermark.apps.md.launch_cuda import (
    POSITIVE,
    THREADS,
    SumWhenAsked,
    blocks_of,
    host_sum,
    lane_tuple,
    sum_block,
)
from clustermark.apps.md.pair_list import END, FIRST, ITSELF, SHIFT
from clustermark.apps.md.pair_list_cuda import CLUSTER
from clustermark.apps.md.pair_terms_cuda import FAST, KINDS, Kind, cubic, cubic_slope, density_given
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(device=True, fastmath=FAST)
def leads(runs, row, first, last):
    """Whether a row is the first of its cluster among the rows that are done: its threads do all rows of it."""
    return row < last and (row == first or runs[row, CLUSTER] != runs[row - 1, CLUSTER])


def walk_of(kind: Kind, want_sums: bool) -> Any:
    """Device function: force on the atom of a thread from all rows of its cluster, with energy, virial and pairs."""
    own_data, reach_square, terms = kind

    @cuda.jit(device=True, fastmath=FAST)
    def walk(interaction, positions, runs, entries, shifts, row, last, lane, width):
        lanes = len(width)
        i = runs[row, CLUSTER] & POSITIVE
        slot = i * lanes + lane
        at = i * 3 * lanes + lane
        own = own_data(interaction, slot)
        force_x = positions.dtype.type(0)
        force_y, force_z, energy, virial = force_x, force_x, force_x, force_x
        pairs = 0
        while row < last and runs[row, CLUSTER] == i:
            shift = runs[row, SHIFT]
            x = positions[at] + shifts[shift, 0]
            y = positions[at + lanes] + shifts[shift, 1]
            z = positions[at + 2 * lanes] + shifts[shift, 2]
            itself = i if shift == ITSELF else -1
            for k in range(runs[row, FIRST], runs[row, END]):
                j = entries[k] & POSITIVE
                skipped = lane if j == itself else -1
                for other in range(lanes):
                    place = j * 3 * lanes + other
                    dx = x - positions[place]
                    dy = y - positions[place + lanes]
                    dz = z - positions[place + 2 * lanes]
                    square = dx * dx + dy * dy + dz * dz
                    if other != skipped and square < reach_square(interaction, own, j * lanes + other):
                        force_over_r, potential = terms(interaction, own, j * lanes + other, square)
                        force_x += dx * force_over_r
                        force_y += dy * force_over_r
                        force_z += dz * force_over_r
                        if want_sums:
                            energy += potential
                            virial += square * force_over_r
                            pairs += 1
            row += 1
        return force_x, force_y, force_z, energy, virial, pairs

    return walk


def forces_of(kind: Kind) -> Any:
    """Kernel: forces alone."""
    walk = walk_of(kind, False)

    @cuda.jit(fastmath=FAST)
    def add_forces(interaction, positions, runs, entries, shifts, first, last, width, forces):
        lanes = len(width)
        thread = cuda.grid(1)
        row, lane = first + thread // lanes, thread % lanes
        if leads(runs, row, first, last):
            place = (runs[row, CLUSTER] & POSITIVE) * 3 * lanes + lane
            x, y, z, _, _, _ = walk(interaction, positions, runs, entries, shifts, row, last, lane, width)
            forces[place] += x
            forces[place + lanes] += y
            forces[place + 2 * lanes] += z

    return add_forces


def forces_and_sums_of(kind: Kind) -> Any:
    """Kernel: forces, and per block the sums of energy, virial and pairs, in the kernels' precision.

    float32 counts the pairs of a block exactly: they are far fewer than 2²⁴.
    """
    walk = walk_of(kind, True)

    @cuda.jit(fastmath=FAST)
    def add_forces_and_sums(interaction, positions, runs, entries, shifts, first, last, width, forces, partials):
        scratch = cuda.shared.array((3, THREADS), positions.dtype)
        real = positions.dtype.type
        lanes = len(width)
        thread = cuda.grid(1)
        row, lane = first + thread // lanes, thread % lanes
        energy, virial, pairs = real(0), real(0), 0
        if leads(runs, row, first, last):
            place = (runs[row, CLUSTER] & POSITIVE) * 3 * lanes + lane
            x, y, z, energy, virial, pairs = walk(interaction, positions, runs, entries, shifts, row, last, lane, width)
            forces[place] += x
            forces[place + lanes] += y
            forces[place + 2 * lanes] += z
        scratch[0, cuda.threadIdx.x] = energy
        scratch[1, cuda.threadIdx.x] = virial
        scratch[2, cuda.threadIdx.x] = real(pairs)
        sum_block(scratch, partials)

    return add_forces_and_sums


ADD_FORCES: dict[type, Any] = {interaction: forces_of(kind) for interaction, kind in KINDS.items()}
ADD_FORCES_AND_SUMS: dict[type, Any] = {interaction: forces_and_sums_of(kind) for interaction, kind in KINDS.items()}


def pair_forces(
    interaction: Interaction,
    positions: Any,
    runs: Any,
    entries: Any,
    shifts: Any,
    first: int,
    last: int,
    width: Any,
    forces: Any,
    totals: Any,
) -> None:
    """Forces of the listed pairs on their atoms i: f_i += (f/r)·(r_i − r_j); as kernels_cpu.pair_forces.

    Parameters
    ----------
    interaction : OneType, ManyTypes or Embedded, its arrays on the device (`on_device`)
    runs, entries : of pair_list_cuda.build_list
    totals : None, or (3,) float64 on the host, in and out: half of energy, virial and number of the entries in range
    """
    lanes = lane_tuple(width)
    blocks = blocks_of((last - first) * len(lanes))
    if last <= first:
        return
    arguments = (interaction, positions, runs, entries, shifts, first, last, lanes, forces)
    if totals is None:
        launch(ADD_FORCES[type(interaction)], blocks, THREADS)(*arguments)
        return
    partials = cuda.device_array((3, blocks), positions.dtype)
    launch(ADD_FORCES_AND_SUMS[type(interaction)], blocks, THREADS)(*arguments, partials)
    totals[:] += 0.5 * host_sum(partials)


@cuda.jit(cache=True, fastmath=FAST)
def add_densities(interaction, positions, runs, entries, shifts, first, last, width, electron_density):
    """One slot; see kernels_cpu.densities."""
    lanes = len(width)
    thread = cuda.grid(1)
    row, lane = first + thread // lanes, thread % lanes
    if leads(runs, row, first, last):
        i = runs[row, CLUSTER] & POSITIVE
        slot = i * lanes + lane
        at = i * 3 * lanes + lane
        density = positions.dtype.type(0)
        while row < last and runs[row, CLUSTER] == i:
            shift = runs[row, SHIFT]
            x = positions[at] + shifts[shift, 0]
            y = positions[at + lanes] + shifts[shift, 1]
            z = positions[at + 2 * lanes] + shifts[shift, 2]
            itself = i if shift == ITSELF else -1
            for k in range(runs[row, FIRST], runs[row, END]):
                j = entries[k] & POSITIVE
                skipped = lane if j == itself else -1
                for other in range(lanes):
                    place = j * 3 * lanes + other
                    dx = x - positions[place]
                    dy = y - positions[place + lanes]
                    dz = z - positions[place + 2 * lanes]
                    square = dx * dx + dy * dy + dz * dz
                    if other != skipped and square < interaction.cutoff_square:
                        density += density_given(interaction, j * lanes + other, square)
            row += 1
        electron_density[slot] += density


def densities(
    interaction: Embedded,
    positions: Any,
    runs: Any,
    entries: Any,
    shifts: Any,
    first: int,
    last: int,
    width: Any,
    electron_density: Any,
) -> None:
    """Electron density ρ_i = Σ_j f_j(r_ij) of the listed pairs, at their atoms i; as kernels_cpu.densities."""
    lanes = lane_tuple(width)
    if last > first:
        launch(add_densities, blocks_of((last - first) * len(lanes)), THREADS)(
            interaction, positions, runs, entries, shifts, first, last, lanes, electron_density
        )


@cuda.jit(cache=True)
def embed_slots(ids, types, electron_density, table, intervals, per_density, largest_density, slope, partials):
    """One slot, in float64; see kernels_cpu.embed."""
    scratch = cuda.shared.array((1, THREADS), numba.float64)
    slot = cuda.grid(1)
    energy = 0.0
    if slot < ids.size:
        derivative = 0.0
        if ids[slot] >= 0:
            density = float(electron_density[slot])
            scaled = density * per_density
            interval = max(0, min(int(scaled), intervals - 1))
            p = min(scaled - interval, 1.0)
            row = 4 * (types[slot] * intervals + interval)
            c1, c2, c3 = table[row + 1], table[row + 2], table[row + 3]
            derivative = cubic_slope(c1, c2, c3, p, per_density)
            energy = cubic(table[row], c1, c2, c3, p) + derivative * max(0.0, density - largest_density)
        slope[slot] = derivative
    scratch[0, cuda.threadIdx.x] = energy
    sum_block(scratch, partials)


def embed(
    ids: Any,
    types: Any,
    electron_density: Any,
    table: Any,
    intervals: int,
    per_density: float,
    largest_density: float,
    slope: Any,
) -> SupportsFloat:
    """Energy Σ F(ρ_i) of the atoms, a number once it is asked for one, and F'(ρ_i) per slot; as kernels_cpu.embed."""
    blocks = blocks_of(ids.size)
    if not blocks:
        return 0.0
    partials = cuda.device_array((1, blocks), np.float64)
    launch(embed_slots, blocks, THREADS)(
        ids, types, electron_density, table, intervals, per_density, largest_density, slope, partials
    )
    return SumWhenAsked(partials)


def on_device(interaction: Interaction) -> Interaction:
    """The interaction with its host arrays copied to the device; those on the device stay where they are."""
    values: dict[str, Any] = interaction._asdict()
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    there = {name: cuda.to_device(value) for name, value in arrays.items() if not hasattr(value, "copy_to_host")}
    return interaction._replace(**there)
