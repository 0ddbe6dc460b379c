"""Clusters on the GPU: the entries of clusters.py, same names, same arguments, same result bit by bit.

Arrays are on the device, but the three numbers of an origin, which may be on the host.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.md.clusters import FARTHEST_BOX, FLOAT32_MARGIN, PADDING, PLACES
from clustermark.apps.md.launch_cuda import POSITIVE, THREADS, blocks_of, element, lane_tuple
from clustermark.apps.md.scan_cuda import running_totals
from clustermark.devices.launch_cuda import launch
from clustermark.devices.memory_cuda import clear
from clustermark.devices.numba_cuda import cuda

# Atoms per cluster that an engine takes: the table of registers in docs/md.md is of this number.
LANES = 8


@cuda.jit(cache=True)
def count_in_columns(positions, first, last, low_x, low_y, scale_x, scale_y, nx, ny, column, counts):
    """Column of each atom; counts[column] by atomic additions, whose order does not matter."""
    k = cuda.grid(1)
    if k < last - first:
        cx = min(max(int((positions[first + k, 0] - low_x) * scale_x), 0), nx - 1)
        cy = min(max(int((positions[first + k, 1] - low_y) * scale_y), 0), ny - 1)
        column[k] = cx * ny + cy
        cuda.atomic.add(counts, cx * ny + cy, 1)


@cuda.jit(cache=True)
def clusters_in_columns(counts, width, clusters):
    """Clusters that each column needs: ⌈count/J⌉."""
    c = cuda.grid(1)
    if c < counts.size:
        clusters[c] = (counts[c] + len(width) - 1) // len(width)


@cuda.jit(cache=True)
def place_in_columns(first, column, places, filled, unsorted):
    """Atoms of each column side by side in any order: the ranks below give them the one that counts."""
    k = cuda.grid(1)
    if k < column.size:
        place = places[column[k]] + cuda.atomic.add(filled, column[k], 1)
        unsorted[place] = first + k


@cuda.jit(cache=True)
def rank_in_columns(positions, first, column, places, firsts, unsorted, first_cluster, width, order, slots):
    """Rank of each atom by (z, number) in its column, and so its slot: a sort that does not depend on any order."""
    k = cuda.grid(1)
    if k < column.size:
        atom = first + k
        c = column[k]
        z = positions[atom, 2]
        rank = 0
        for place in range(places[c], places[c + 1]):
            other = unsorted[place]
            if positions[other, 2] < z or (positions[other, 2] == z and other < atom):
                rank += 1
        order[places[c] + rank] = atom
        slots[atom] = (first_cluster + firsts[c]) * len(width) + rank


@cuda.jit(cache=True)
def start_columns(firsts, first_cluster, starts):
    """starts = running totals of the clusters, from `first_cluster` on."""
    c = cuda.grid(1)
    if c < firsts.size:
        starts[c] = firsts[c] + first_cluster


def sort_into_columns(
    positions: Any,
    first: int,
    last: int,
    low: Any,
    scale_x: float,
    scale_y: float,
    nx: int,
    ny: int,
    lanes: Any,
    first_cluster: int,
    starts: Any,
    order: Any,
    slots: Any,
) -> int:
    """Counting sort by column, rank by (z, number) inside: gives every atom its slot; as clusters.sort_into_columns."""
    number, atoms, width = nx * ny, last - first, lane_tuple(lanes)
    column, unsorted = cuda.device_array(max(atoms, 1), np.int32), cuda.device_array(max(atoms, 1), np.int32)
    column, unsorted = column[:atoms], unsorted[:atoms]
    counts, filled = cuda.device_array(number, np.int32), cuda.device_array(number, np.int32)
    clusters = cuda.device_array(number, np.int32)
    for values in (counts, filled):
        launch(clear, blocks_of(number), THREADS)(values, number)
    if atoms:
        launch(count_in_columns, blocks_of(atoms), THREADS)(
            *(positions, first, last, np.float64(low[0]), np.float64(low[1]), scale_x, scale_y, nx, ny, column, counts)
        )
    launch(clusters_in_columns, blocks_of(number), THREADS)(counts, width, clusters)
    places, firsts = running_totals(counts), running_totals(clusters)
    launch(start_columns, blocks_of(number + 1), THREADS)(firsts, first_cluster, starts)
    if atoms:
        launch(place_in_columns, blocks_of(atoms), THREADS)(first, column, places, filled, unsorted)
        launch(rank_in_columns, blocks_of(atoms), THREADS)(
            *(positions, first, column, places, firsts, unsorted, first_cluster, width, order, slots)
        )
    return element(firsts, number)


@cuda.jit(cache=True)
def pad_slots(first_cluster, clusters, width, far, apart, ids, types, positions):
    """Empty one slot; see clusters.fill_padding."""
    lanes = len(width)
    k = cuda.grid(1)
    if k < clusters * lanes:
        cluster, lane = first_cluster + k // lanes, k % lanes
        ids[cluster * lanes + lane] = PADDING
        types[cluster * lanes + lane] = 0
        real = positions.dtype.type
        offset = cluster * 3 * lanes + lane
        positions[offset] = far + apart[0] * real(lane + lanes * (cluster // (PLACES * PLACES)))
        positions[offset + lanes] = far + apart[1] * real(cluster % PLACES)
        positions[offset + 2 * lanes] = far + apart[2] * real(cluster // PLACES % PLACES)


def fill_padding(
    first_cluster: int, clusters: int, lanes: Any, far: float, apart: Any, ids: Any, types: Any, positions: Any
) -> None:
    """Empty the slots of some clusters; as clusters.fill_padding."""
    width, real = lane_tuple(lanes), np.dtype(positions.dtype).type
    if clusters:
        launch(pad_slots, blocks_of(clusters * len(width)), THREADS)(
            first_cluster, clusters, width, real(far), tuple(map(real, apart)), ids, types, positions
        )


@cuda.jit(cache=True)
def scatter_rows(values, first, last, slots, width, x, y, z, target):
    """One atom into cluster layout; see clusters.scatter."""
    lanes = len(width)
    atom = first + cuda.grid(1)
    if atom < last:
        offset = slots[atom] // lanes * (3 * lanes) + slots[atom] % lanes
        target[offset] = values[atom, 0] - x
        target[offset + lanes] = values[atom, 1] - y
        target[offset + 2 * lanes] = values[atom, 2] - z


def scatter(values: Any, first: int, last: int, slots: Any, lanes: Any, origin: Any, target: Any) -> None:
    """Write (n, 3) values of atoms, less `origin`, into cluster layout; as clusters.scatter."""
    if last > first:
        launch(scatter_rows, blocks_of(last - first), THREADS)(
            values, first, last, slots, lane_tuple(lanes), *map(np.float64, origin), target
        )


@cuda.jit(cache=True)
def collect_rows(source, order_slots, width, x, y, z, values):
    """One atom out of cluster layout; see clusters.collect."""
    lanes = len(width)
    atom = cuda.grid(1)
    if atom < order_slots.size:
        offset = order_slots[atom] // lanes * (3 * lanes) + order_slots[atom] % lanes
        values[atom, 0] = source[offset] + x
        values[atom, 1] = source[offset + lanes] + y
        values[atom, 2] = source[offset + 2 * lanes] + z


def collect(source: Any, order_slots: Any, lanes: Any, origin: Any, values: Any) -> None:
    """Read (n, 3) values, plus `origin`, of the given slots from cluster layout; as clusters.collect."""
    if order_slots.size:
        launch(collect_rows, blocks_of(order_slots.size), THREADS)(
            source, order_slots, lane_tuple(lanes), *map(np.float64, origin), values
        )


@cuda.jit(cache=True)
def mark_filled(ids, filled, lost):
    """filled = 1 where a slot has an atom, else 0; lost = a number behind all rows."""
    k = cuda.grid(1)
    if k < filled.size:
        filled[k] = 1 if ids[k] >= 0 else 0
    if k == 0:
        lost[0] = POSITIVE


@cuda.jit(device=True)
def wrapped(x, edge):
    """Periodic image of x in [0, edge); see clusters.take_atoms."""
    if x < 0 or x >= edge:
        x -= math.floor(x / edge) * edge
        if not x < edge:
            x = 0.0
    return x


@cuda.jit(cache=True)
def take_filled(
    masters, velocities, ids, types, places, width, origin, box, positions, velocity_rows, id_rows, type_rows, lost
):
    """One slot; see clusters.take_atoms. The first row that is lost by an atomic minimum."""
    lanes = len(width)
    slot = cuda.grid(1)
    if slot < places.size - 1 and ids[slot] >= 0:
        row = places[slot] & POSITIVE
        offset = slot // lanes * (3 * lanes) + slot % lanes
        for d in range(3):
            x = masters[offset + d * lanes] + origin[d]
            if abs(x) < FARTHEST_BOX * box[d]:
                positions[row, d] = wrapped(x, box[d])
            else:
                positions[row, d] = x
                cuda.atomic.min(lost, 0, row)
            velocity_rows[row, d] = velocities[offset + d * lanes]
        id_rows[row] = ids[slot]
        type_rows[row] = types[slot]


def take_atoms(
    masters: Any,
    velocities: Any,
    ids: Any,
    types: Any,
    clusters: int,
    lanes: Any,
    origin: Any,
    box: Any,
    positions: Any,
    velocity_rows: Any,
    id_rows: Any,
    type_rows: Any,
) -> int:
    """Atoms out of their slots into rows, in the order of their slots, wrapped; as clusters.take_atoms."""
    width = lane_tuple(lanes)
    slots = clusters * len(width)
    if not slots:
        return -1
    filled, lost = cuda.device_array(slots, np.int32), cuda.device_array(1, np.int32)
    launch(mark_filled, blocks_of(slots), THREADS)(ids, filled, lost)
    where = (tuple(map(np.float64, origin)), tuple(map(np.float64, box)))
    launch(take_filled, blocks_of(slots), THREADS)(
        *(masters, velocities, ids, types, running_totals(filled), width, *where),
        *(positions, velocity_rows, id_rows, type_rows, lost),
    )
    row = element(lost, 0)
    return -1 if row == POSITIVE else row


@cuda.jit(cache=True)
def box_clusters(positions, ids, first_cluster, clusters, width, boxes):
    """One component of the box of one cluster; see clusters.bounding_boxes."""
    lanes = len(width)
    k = cuda.grid(1)
    if k < 3 * clusters:
        cluster, d = first_cluster + k // 3, k % 3
        low = positions[cluster * 3 * lanes + d * lanes]
        high = low
        for lane in range(1, lanes):
            if ids[cluster * lanes + lane] >= 0:
                value = positions[cluster * 3 * lanes + d * lanes + lane]
                low, high = min(low, value), max(high, value)
        margin = positions.dtype.type(FLOAT32_MARGIN) * max(abs(low), abs(high))
        boxes[d, cluster] = low - margin
        boxes[3 + d, cluster] = high + margin


def bounding_boxes(positions: Any, ids: Any, first_cluster: int, clusters: int, lanes: Any, boxes: Any) -> None:
    """Smallest and largest x, y, z of the atoms of each cluster; as clusters.bounding_boxes."""
    if clusters:
        launch(box_clusters, blocks_of(3 * clusters), THREADS)(
            positions, ids, first_cluster, clusters, lane_tuple(lanes), boxes
        )
