"""The cluster pair list (Verlet 1967; Páll & Hess 2013): which clusters j a pair of atoms i must look at.

A *group* is two atoms i, neighbours in z inside a cluster, with one periodic shift. Its entries are clusters j in
three runs: those in reach of both atoms, of the first only, of the second only; so that no vector is computed
for an atom that no lane can reach.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from clustermark.devices.simd import Width, bits_of, lanes, load, select, splat
from clustermark.devices.simd_lookup import element

# Columns of the table of groups.
GROUP, SHIFT, BOTH, FIRST, SECOND, END = 0, 1, 2, 3, 4, 5
GROUP_COLUMNS = 6
# Atoms per group.
ATOMS = 2
# Clusters whose bounding boxes are tested at once: about as many as one column has in reach.
BLOCK = Width(8)
# Rows of the table of shifts: none, and the one of the local list that also means "and the cluster beside itself".
NO_SHIFT, ITSELF = 13, 27


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def _column_range(low, high, reach, origin, scale, number):
    """First and last column within `reach` of [low, high]; empty (1, 0) where the grid is out of reach."""
    first = (low - reach - origin) * scale
    last = (high + reach - origin) * scale
    if last < 0 or first >= number:
        return 1, 0
    return max(0, math.floor(first)), min(number - 1, math.floor(last))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _index_columns(highs, starts, low, height, levels):
    """(columns, levels) first cluster of each column whose upper z reaches low + height · level.

    So that a search enters a column by one look-up, at or a little below the first cluster in reach.
    """
    index = np.empty((starts.size - 1, levels), np.int32)
    for column in range(starts.size - 1):
        j = starts[column]
        for level in range(levels):
            while j < starts[column + 1] and highs[j] < low + height * level:
                j += 1
            index[column, level] = j
    return index


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def _gap(low, high, other_low, other_high):
    """Distance between two intervals along one axis, a vector of others at once; not positive where they overlap."""
    above = other_low - high
    below = low - other_high
    gap = select(above < below, below, above)
    return select(gap < 0, 0, gap)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _candidates(box, boxes, starts, grid, reach, after, index, found):
    """Clusters numbered `after` and more whose bounding boxes are within `reach` of `box`; returns how many.

    Parameters
    ----------
    box : (6,) float64, shifted bounding box of cluster i
    boxes : (6, clusters + BLOCK.count) float32
    index : first clusters of the columns at the level of the lowest z in reach
    found : int32, out
    """
    origin_x, origin_y, side_x, side_y, nx, ny = grid
    square = np.float32(reach * reach)
    x_first, x_last = _column_range(box[0], box[3], reach, origin_x, 1 / side_x, nx)
    y_first, y_last = _column_range(box[1], box[4], reach, origin_y, 1 / side_y, ny)
    lows_x, lows_y, lows_z, highs_x, highs_y, highs_z = boxes[0], boxes[1], boxes[2], boxes[3], boxes[4], boxes[5]
    low_x, low_y, low_z, high_x, high_y, high_z = box[0], box[1], box[2], box[3], box[4], box[5]
    top = np.float32(high_z + reach)
    west, south, down = (
        splat(np.float32(low_x), BLOCK),
        splat(np.float32(low_y), BLOCK),
        splat(np.float32(low_z), BLOCK),
    )
    east, north, up = (
        splat(np.float32(high_x), BLOCK),
        splat(np.float32(high_y), BLOCK),
        splat(np.float32(high_z), BLOCK),
    )
    count = 0
    for cx in range(x_first, x_last + 1):
        left = origin_x + cx * side_x
        gap_x = max(0.0, left - high_x, low_x - left - side_x)
        for cy in range(y_first, y_last + 1):
            front = origin_y + cy * side_y
            gap_y = max(0.0, front - high_y, low_y - front - side_y)
            column = cx * ny + cy
            j, end = max(np.int64(index[column]), after), np.int64(starts[column + 1])
            if j >= end or gap_x * gap_x + gap_y * gap_y > square:
                continue
            while j < end and lows_z[j] <= top:
                dx = _gap(west, east, load(lows_x, j, BLOCK), load(highs_x, j, BLOCK))
                dy = _gap(south, north, load(lows_y, j, BLOCK), load(highs_y, j, BLOCK))
                dz = _gap(down, up, load(lows_z, j, BLOCK), load(highs_z, j, BLOCK))
                bits = bits_of(dx * dx + dy * dy + dz * dz < square)
                if end - j < lanes(BLOCK):
                    bits &= (1 << (end - j)) - 1
                for lane in range(lanes(BLOCK)):
                    found[count] = j + lane
                    count += bits >> lane & 1
                j += lanes(BLOCK)
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def _any_in_reach(x, y, z, xj, yj, zj, reach_square):
    dx = x - xj
    dy = y - yj
    dz = z - zj
    return bits_of(dx * dx + dy * dy + dz * dz < reach_square) != 0


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _sort_out(positions, place, shift, found, number, reach_square, width, runs):
    """Candidates of one group into three runs: in reach of both atoms, of the first only, of the second only.

    Parameters
    ----------
    place : of the x component of the group's first atom
    shift : (3,) added to its coordinates
    found, number : candidates
    runs : (3, most) int32, out; nothing branches on a distance

    Returns
    -------
    (int, int, int) : lengths of the runs
    """
    size = lanes(width)
    xa = splat(positions[place] + shift[0], width)
    ya = splat(positions[place + size] + shift[1], width)
    za = splat(positions[place + 2 * size] + shift[2], width)
    xb = splat(positions[place + 1] + shift[0], width)
    yb = splat(positions[place + size + 1] + shift[1], width)
    zb = splat(positions[place + 2 * size + 1] + shift[2], width)
    both, first, second = 0, 0, 0
    for k in range(number):
        j = element(found, k)
        there = np.int64(j) * (3 * size)
        xj = load(positions, there, width)
        yj = load(positions, there + size, width)
        zj = load(positions, there + 2 * size, width)
        near_a = _any_in_reach(xa, ya, za, xj, yj, zj, reach_square)
        near_b = _any_in_reach(xb, yb, zb, xj, yj, zj, reach_square)
        runs[0, both] = j
        runs[1, first] = j
        runs[2, second] = j
        both += near_a & near_b
        first += near_a & (not near_b)
        second += near_b & (not near_a)
    return both, first, second


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def _append(run, length, entries, place):
    for k in range(length):
        entries[place + k] = run[k]
    return place + length


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _extent(boxes, first, last):
    """Box around the boxes of clusters `first` to `last` − 1; empty, and so out of all reach, where there are none."""
    extent = np.full(6, np.inf)
    extent[3:] = -np.inf
    for cluster in range(first, last):
        for d in range(3):
            extent[d] = min(extent[d], boxes[d, cluster])
            extent[3 + d] = max(extent[3 + d], boxes[3 + d, cluster])
    return extent


@numba.njit(nogil=True, cache=True, error_model="numpy")
def build_list(
    positions, first_cluster, clusters, boxes, starts, grid, reach, shifts, shift_numbers, width, groups, entries
):
    """List of the pairs of clusters i with the clusters j that `starts` and `grid` describe.

    Parameters
    ----------
    positions : flat cluster layout, in the kernels' precision
    first_cluster, clusters : the clusters i, of which there are `clusters`
    boxes : (6, all clusters + BLOCK.count) float32, bounding boxes rounded outwards
    starts, grid : columns of the clusters j: starts (nx·ny + 1,); grid (origin x, y, side x, y, nx, ny)
    reach : [length] cutoff + skin, a little more than which is listed where clusters are wide
    shifts : (28, 3) added to positions of i; row ITSELF is zero
    shift_numbers : rows of `shifts` to use; with ITSELF only clusters behind i are listed, and every group gets a
        row, because the kernels treat the cluster beside itself there
    groups : (rows, 6) int32, out; entries : (n,) int32, out

    Returns
    -------
    (int, int) : groups and entries used; negative numbers, −(what is needed at least), where an array is too small
    """
    size = lanes(width)
    reach_square = positions.dtype.type(reach * reach)
    found = np.empty(boxes.shape[1], np.int32)
    runs = np.empty((3, boxes.shape[1]), np.int32)
    box = np.empty(6)
    extent = _extent(boxes, starts[0], starts[-1])
    height = max(grid[2], 1e-300)
    levels = max(1, min(4096, math.ceil((extent[5] - extent[2]) / height))) if extent[5] > extent[2] else 1
    index = np.ascontiguousarray(_index_columns(boxes[5], starts, extent[2], height, levels).T)
    row, place = 0, 0
    for i in range(first_cluster, first_cluster + clusters):
        for shift in shift_numbers:
            near = True
            for d in range(3):
                box[d] = boxes[d, i] + shifts[shift, d]
                box[3 + d] = boxes[3 + d, i] + shifts[shift, d]
                near = near and box[d] - reach < extent[3 + d] and box[3 + d] + reach > extent[d]
            if not near:
                continue
            level = max(0, min(levels - 1, math.floor((box[2] - reach - extent[2]) / height)))
            after = i + 1 if shift == ITSELF else 0
            number = _candidates(box, boxes, starts, grid, reach, after, index[level], found)
            for lane in range(0, size, ATOMS):
                if row == groups.shape[0] or place + 3 * number > entries.size:
                    done = i + 1 - first_cluster
                    return -(row * clusters // done) - 64, -(place * clusters // done) - 4096
                both, first, second = _sort_out(
                    positions, i * 3 * size + lane, shifts[shift], found, number, reach_square, width, runs
                )
                if both + first + second == 0 and shift != ITSELF:
                    continue
                groups[row, GROUP] = i * (size // ATOMS) + lane // ATOMS
                groups[row, SHIFT] = shift
                groups[row, BOTH] = place
                place = _append(runs[0], both, entries, place)
                groups[row, FIRST] = place
                place = _append(runs[1], first, entries, place)
                groups[row, SECOND] = place
                place = _append(runs[2], second, entries, place)
                groups[row, END] = place
                row += 1
    return row, place
