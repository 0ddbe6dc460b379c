"""The cluster pair list (Verlet 1967; Páll & Hess 2013): which clusters j a pair of atoms i must look at.

A *group* is two atoms i, neighbours in z inside a cluster, with one periodic shift. Its entries are clusters j in
three runs: those in reach of both atoms, of the first only, of the second only; so that no vector is computed
for an atom that no lane can reach.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from clustermark.devices.simd import bits_of, lanes, load
from clustermark.devices.simd_lookup import element

# Columns of the table of groups.
GROUP, SHIFT, BOTH, FIRST, SECOND, END = 0, 1, 2, 3, 4, 5
GROUP_COLUMNS = 6
# Atoms per group.
ATOMS = 2
# Rows of the table of shifts: none, and the one of the local list that also means "and the cluster beside itself".
NO_SHIFT, ITSELF = 13, 27


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _column_range(low, high, reach, origin, scale, number):
    """First and last column within `reach` of [low, high]; empty (1, 0) where the grid is out of reach."""
    first = (low - reach - origin) * scale
    last = (high + reach - origin) * scale
    if last < 0 or first >= number:
        return 1, 0
    return max(0, math.floor(first)), min(number - 1, math.floor(last))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _first_in_reach(boxes, begin, end, low):
    """First cluster of a column whose upper z reaches `low`; clusters of a column are sorted by z."""
    while begin < end:
        middle = (begin + end) // 2
        if boxes[middle, 5] < low:
            begin = middle + 1
        else:
            end = middle
    return begin


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _test_cluster(positions, j, own, reach_square, width, candidates, counts):
    """Append cluster j to the runs of the groups that it is in reach of; without a branch.

    Parameters
    ----------
    own : (3·J,) shifted coordinates of the cluster i
    candidates : (J/2, 3, most) int32, out; counts : (J/2, 3) int64, in and out
    """
    size = lanes(width)
    x = load(positions, j * 3 * size, width)
    y = load(positions, j * 3 * size + size, width)
    z = load(positions, j * 3 * size + 2 * size, width)
    for group in range(size // ATOMS):
        atom = group * ATOMS
        dx = element(own, atom) - x
        dy = element(own, atom + size) - y
        dz = element(own, atom + 2 * size) - z
        first = bits_of(dx * dx + dy * dy + dz * dz < reach_square) != 0
        dx = element(own, atom + 1) - x
        dy = element(own, atom + 1 + size) - y
        dz = element(own, atom + 1 + 2 * size) - z
        second = bits_of(dx * dx + dy * dy + dz * dz < reach_square) != 0
        a, b, c = counts[group, 0], counts[group, 1], counts[group, 2]
        candidates[group, 0, a] = j
        candidates[group, 1, b] = j
        candidates[group, 2, c] = j
        counts[group, 0] = a + (first & second)
        counts[group, 1] = b + (first & (not second))
        counts[group, 2] = c + (second & (not first))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _search(i, positions, own, box, boxes, starts, grid, reach, after, width, candidates, counts):
    """Test the clusters of every column in reach of cluster i, those numbered `after` and more."""
    origin_x, origin_y, side_x, side_y, nx, ny = grid
    square = reach * reach
    reach_square = positions.dtype.type(square)
    x_first, x_last = _column_range(box[0], box[3], reach, origin_x, 1 / side_x, nx)
    y_first, y_last = _column_range(box[1], box[4], reach, origin_y, 1 / side_y, ny)
    for cx in range(x_first, x_last + 1):
        left = origin_x + cx * side_x
        gap_x = max(0.0, left - box[3], box[0] - left - side_x)
        for cy in range(y_first, y_last + 1):
            front = origin_y + cy * side_y
            gap_y = max(0.0, front - box[4], box[1] - front - side_y)
            rest = square - gap_x * gap_x - gap_y * gap_y
            column = cx * ny + cy
            end = starts[column + 1]
            if rest <= 0 or end <= after:
                continue
            tall = math.sqrt(rest)
            begin = _first_in_reach(boxes, max(starts[column], after), end, box[2] - tall)
            for j in range(begin, end):
                if boxes[j, 2] > box[5] + tall:
                    break
                _test_cluster(positions, j, own, reach_square, width, candidates, counts)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _append(i, shift, keep_empty, candidates, counts, groups, entries, used):
    """Move the runs of a cluster's groups to the list; `used` holds the numbers of groups and entries so far."""
    for group in range(counts.shape[0]):
        if counts[group].sum() == 0 and not keep_empty:
            continue
        row, place = used[0], used[1]
        groups[row, GROUP] = i * counts.shape[0] + group
        groups[row, SHIFT] = shift
        for run in range(3):
            groups[row, BOTH + run] = place
            for k in range(counts[group, run]):
                entries[place] = candidates[group, run, k]
                place += 1
        groups[row, END] = place
        used[0], used[1] = row + 1, place


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _extent(boxes, first, last):
    """Box around the boxes of clusters `first` to `last` − 1; empty, and so out of all reach, where there are none."""
    extent = np.full(6, np.inf)
    extent[3:] = -np.inf
    for cluster in range(first, last):
        for d in range(3):
            extent[d] = min(extent[d], boxes[cluster, d])
            extent[3 + d] = max(extent[3 + d], boxes[cluster, 3 + d])
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
    boxes : (all clusters, 6) bounding boxes
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
    used = np.zeros(2, np.int64)
    counts = np.zeros((size // ATOMS, 3), np.int64)
    most = boxes.shape[0] + 1
    candidates = np.empty((size // ATOMS, 3, most), np.int32)
    own = np.empty(3 * size, positions.dtype)
    box = np.empty(6)
    extent = _extent(boxes, starts[0], starts[-1])
    for i in range(first_cluster, first_cluster + clusters):
        for shift in shift_numbers:
            near = True
            for d in range(3):
                box[d] = boxes[i, d] + shifts[shift, d]
                box[3 + d] = boxes[i, 3 + d] + shifts[shift, d]
                near = near and box[d] - reach < extent[3 + d] and box[3 + d] + reach > extent[d]
            if not near:
                continue
            for d in range(3):
                for lane in range(size):
                    own[d * size + lane] = positions[i * 3 * size + d * size + lane] + shifts[shift, d]
            counts[:] = 0
            after = i + 1 if shift == ITSELF else 0
            _search(i, positions, own, box, boxes, starts, grid, reach, after, width, candidates, counts)
            if used[0] + size // ATOMS > groups.shape[0] or used[1] + counts.sum() > entries.size:
                done = i + 1 - first_cluster
                return -(used[0] * clusters // done) - 64, -(used[1] * clusters // done) - 4096
            _append(i, shift, shift == ITSELF, candidates, counts, groups, entries, used)
    return used[0], used[1]
