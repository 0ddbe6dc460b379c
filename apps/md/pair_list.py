"""The cluster pair list (Verlet 1967; Páll & Hess 2013): which clusters j an atom i must look at.

A *run* is an atom i with one periodic shift and its entries, clusters j, with −1 behind them: so that a vector is
computed only where at least one lane may be in range.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from clustermark.devices.simd import Width, bit_count, bits_of, lanes, load, select, splat, store
from clustermark.devices.simd_lookup import element

# Columns of the table of runs: slot of i, row of the table of shifts, first entry, and the place of the −1.
SLOT, SHIFT, FIRST, END = 0, 1, 2, 3
RUN_COLUMNS = 4
# Clusters whose bounding boxes are tested at once: about as many as one column has in reach.
BLOCK = Width(8)
# Row b of 8 numbers: the places of the bits that are 1 in b, then zeros.
SET_BITS = np.array(
    [([k for k in range(8) if b >> k & 1] + [0] * 8)[:8] for b in range(256)],
    np.int32,
).reshape(-1)
# Rows of the table of shifts: none, and none with "and the atoms behind i in its own cluster".
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
def _candidates(box, boxes, starts, grid, reach, first_column, after, index, found):
    """Clusters numbered `after` and more, none before `first_column`, with boxes within `reach` of `box`; how many.

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
    x_first = max(x_first, first_column // ny)
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
                store(found, count, load(SET_BITS, bits * lanes(BLOCK), BLOCK) + np.int32(j))
                count += bit_count(bits)
                j += lanes(BLOCK)
    return count


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _write_run(positions, slot, shift, found, reach_square, width, entries, place):
    """Those of the clusters `found` with an atom in reach of atom i, and −1 behind them; returns the place of the −1.

    Parameters
    ----------
    shift : (3,) added to the coordinates of i
    found : candidates, up to a −1
    entries : int32, out, from `place` on; no branch depends on a distance
    """
    size = lanes(width)
    there = slot // size * (3 * size) + slot % size
    x = splat(positions[there] + shift[0], width)
    y = splat(positions[there + size] + shift[1], width)
    z = splat(positions[there + 2 * size] + shift[2], width)
    end, k = np.uint64(place), 0
    j = np.int64(element(found, k))
    while j >= 0:
        there = j * (3 * size)
        dx = x - load(positions, there, width)
        dy = y - load(positions, there + size, width)
        dz = z - load(positions, there + 2 * size, width)
        entries[end] = j
        end += np.uint64(bits_of(dx * dx + dy * dy + dz * dz < reach_square) != 0)
        k += 1
        j = np.int64(element(found, k))
    entries[end] = -1
    return np.int64(end)


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
    positions, first_cluster, clusters, boxes, starts, grid, reach, shifts, shift_numbers, width, runs, entries
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
    shift_numbers : rows of `shifts` to use; with ITSELF only clusters behind i are listed, and the last
        atom of a cluster, which has none behind it there, gets NO_SHIFT
    runs : (rows, 4) int32, out; entries : (n,) int32, out

    Returns
    -------
    (int, int) : runs and entries used; negative numbers, −(what is needed at least), where an array is too small
    """
    size = lanes(width)
    reach_square = positions.dtype.type(reach * reach)
    found = np.empty(boxes.shape[1], np.int32)
    box = np.empty(6)
    extent = _extent(boxes, starts[0], starts[-1])
    height = max(grid[2], 1e-300)
    levels = max(1, min(4096, math.ceil((extent[5] - extent[2]) / height))) if extent[5] > extent[2] else 1
    index = np.ascontiguousarray(_index_columns(boxes[5], starts, extent[2], height, levels).T)
    row, place, column = 0, 0, 0
    for i in range(first_cluster, first_cluster + clusters):
        while column < starts.size - 2 and starts[column + 1] <= i:
            column += 1
        for shift in shift_numbers:
            near = True
            for d in range(3):
                box[d] = boxes[d, i] + shifts[shift, d]
                box[3 + d] = boxes[3 + d, i] + shifts[shift, d]
                near = near and box[d] - reach < extent[3 + d] and box[3 + d] + reach > extent[d]
            if not near:
                continue
            level = max(0, min(levels - 1, math.floor((box[2] - reach - extent[2]) / height)))
            first_column, after = (column, i + 1) if shift == ITSELF else (0, 0)
            number = _candidates(box, boxes, starts, grid, reach, first_column, after, index[level], found)
            found[number] = -1
            for slot in range(i * size, (i + 1) * size):
                if row == runs.shape[0] or place + number >= entries.size:
                    done = i + 1 - first_cluster
                    return -(row * clusters // done) - 64, -(place * clusters // done) - 4096
                end = _write_run(positions, slot, shifts[shift], found, reach_square, width, entries, place)
                own = shift == ITSELF and slot % size < size - 1
                if end == place and not own:
                    continue
                runs[row, SLOT] = slot
                runs[row, SHIFT] = NO_SHIFT if shift == ITSELF and not own else shift
                runs[row, FIRST] = place
                runs[row, END] = end
                place = end + 1
                row += 1
    return row, place
