"""The cluster pair list on the GPU: a full list, which clusters j the atoms of a cluster i must look at.

The table of runs has the columns of pair_list.py, but a run is that of a cluster i, whose number stands in the first
column, and has no −1 behind it. A cluster has a run for each shift that gives it entries; they follow one another.

On one rank there is one list, i and j local. With neighbours there are three: this one;
i local, j ghosts; i ghosts, j local (shifts negated by symmetry of their set). The third gives the forces on ghosts,
which are sent home, and the other half of the energy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.md.launch_cuda import POSITIVE, THREADS, blocks_of, element, lane_tuple
from clustermark.apps.md.pair_list import END, FIRST, SHIFT
from clustermark.apps.md.scan_cuda import running_totals
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda

# Column of the table of runs: the cluster i.
CLUSTER = 0


@cuda.jit(device=True)
def clusters_touch(positions, i, j, shifts, shift, reach_square, width):
    """Whether any atom of cluster i, shifted, is in reach of any of cluster j."""
    lanes = len(width)
    for lane in range(lanes):
        at = i * 3 * lanes + lane
        x = positions[at] + shifts[shift, 0]
        y = positions[at + lanes] + shifts[shift, 1]
        z = positions[at + 2 * lanes] + shifts[shift, 2]
        for other in range(lanes):
            place = j * 3 * lanes + other
            dx = x - positions[place]
            dy = y - positions[place + lanes]
            dz = z - positions[place + 2 * lanes]
            if dx * dx + dy * dy + dz * dz < reach_square:
                return True
    return False


@cuda.jit(device=True)
def gap(low, high, other_low, other_high):
    """Distance between two intervals, 0 where they overlap."""
    return max(other_low - high, low - other_high, type(low)(0))


@cuda.jit(device=True)
def column_of(place, origin, side):
    """Number of a column, also beyond the grid."""
    return int(math.floor((place - origin) / side))  # noqa: RUF046 -- a GPU's floor is a float


@cuda.jit(device=True)
def first_in_reach(boxes, begin, end, low):
    """First cluster of a column whose upper z reaches `low`; clusters of a column are sorted by z."""
    while begin < end:
        middle = (begin + end) // 2
        if boxes[5, middle] < low:
            begin = middle + 1
        else:
            end = middle
    return begin


@cuda.jit(device=True)
def search(i, shift, positions, boxes, starts, grid, reach, reach_square, shifts, width, write, place, entries):
    """Clusters j in reach of cluster i at one shift: their number; and written from `place` on where asked."""
    origin_x, origin_y, side_x, side_y, nx, ny = grid
    low_x, high_x = boxes[0, i] + shifts[shift, 0], boxes[3, i] + shifts[shift, 0]
    low_y, high_y = boxes[1, i] + shifts[shift, 1], boxes[4, i] + shifts[shift, 1]
    low_z, high_z = boxes[2, i] + shifts[shift, 2], boxes[5, i] + shifts[shift, 2]
    found = 0
    x_end = min(nx, column_of(high_x + reach, origin_x, side_x) + 1)
    y_end = min(ny, column_of(high_y + reach, origin_y, side_y) + 1)
    for cx in range(max(0, column_of(low_x - reach, origin_x, side_x)), x_end):
        for cy in range(max(0, column_of(low_y - reach, origin_y, side_y)), y_end):
            end = starts[cx * ny + cy + 1]
            j = first_in_reach(boxes, starts[cx * ny + cy], end, low_z - reach)
            while j < end and boxes[2, j] <= high_z + reach:
                dx = gap(low_x, high_x, boxes[0, j], boxes[3, j])
                dy = gap(low_y, high_y, boxes[1, j], boxes[4, j])
                dz = gap(low_z, high_z, boxes[2, j], boxes[5, j])
                near = dx * dx + dy * dy + dz * dz < reach_square
                if near and clusters_touch(positions, i, j & POSITIVE, shifts, shift, reach_square, width):
                    if write:
                        entries[place + found] = j
                    found += 1
                j += 1
    return found


@cuda.jit(device=True)
def task(thread, first_cluster, clusters, numbers):
    """Cluster, shift, and place among all of both, a cluster's shifts side by side.

    Threads of a warp have the same shift of clusters that follow one another: most shifts give most clusters nothing,
    and one thread that searches would hold up 31 that do not.
    """
    cluster, number = thread % clusters, thread // clusters
    return first_cluster + cluster, numbers[number], cluster * numbers.size + number


@cuda.jit(cache=True)
def count_entries(
    positions, first_cluster, clusters, boxes, starts, grid, reach, reach_square, shifts, numbers, width, counts, rows
):
    """Entries of one cluster at one shift, and 1 where there are any."""
    thread = cuda.grid(1)
    if thread < clusters * numbers.size:
        i, shift, k = task(thread, first_cluster, clusters, numbers)
        found = search(i, shift, positions, boxes, starts, grid, reach, reach_square, shifts, width, False, 0, rows)
        counts[k] = found
        rows[k] = 1 if found else 0


@cuda.jit(cache=True)
def write_entries(
    positions,
    first_cluster,
    clusters,
    boxes,
    starts,
    grid,
    reach,
    reach_square,
    shifts,
    numbers,
    width,
    places,
    rows,
    runs,
    entries,
):
    """Row and entries of one cluster at one shift."""
    thread = cuda.grid(1)
    if thread >= clusters * numbers.size:
        return
    i, shift, k = task(thread, first_cluster, clusters, numbers)
    if rows[k + 1] > rows[k]:
        search(i, shift, positions, boxes, starts, grid, reach, reach_square, shifts, width, True, places[k], entries)
        row = rows[k]
        runs[row, CLUSTER] = i
        runs[row, SHIFT] = shift
        runs[row, FIRST] = places[k]
        runs[row, END] = places[k + 1]


def build_list(
    positions: Any,
    first_cluster: int,
    clusters: int,
    boxes: Any,
    starts: Any,
    grid: tuple[float, float, float, float, int, int],
    reach: float,
    shifts: Any,
    shift_numbers: Any,
    width: Any,
    runs: Any,
    entries: Any,
) -> tuple[int, int]:
    """Full list of the clusters i with the clusters j that `starts` and `grid` describe; as pair_list.build_list.

    Counted first, then written where running totals say: the same list every time.

    Parameters
    ----------
    shift_numbers : rows of `shifts` to use; with ITSELF all of the clusters j are listed, i among them, and the
        kernels leave out the atom itself
    """
    lanes, real = lane_tuple(width), np.dtype(positions.dtype).type
    threads = clusters * int(shift_numbers.size)
    if not threads:
        return 0, 0
    # The search rounds in the kernels' precision: it looks a little further, by what that may lose.
    extent = max(abs(grid[0]) + grid[2] * grid[4], abs(grid[1]) + grid[3] * grid[5], reach)
    wide = real(reach + 16 * float(np.finfo(positions.dtype).eps) * extent)
    columns = (*map(real, grid[:4]), int(grid[4]), int(grid[5]))
    counts, rows = (cuda.device_array(threads, np.int32) for _ in range(2))
    arguments = (positions, first_cluster, clusters, boxes, starts, columns, wide, real(reach * reach))
    arguments = (*arguments, shifts, shift_numbers, lanes)
    launch(count_entries, blocks_of(threads), THREADS)(*arguments, counts, rows)
    places, rows = running_totals(counts), running_totals(rows)
    size, used = element(rows, threads), element(places, threads)
    if size > runs.shape[0] or used > entries.size:
        return -size, -used
    launch(write_entries, blocks_of(threads), THREADS)(*arguments, places, rows, runs, entries)
    return size, used
