"""Clusters: atoms sorted into xy columns, by z inside a column, cut into J lanes (Páll & Hess 2013).

Cluster c holds [x×J | y×J | z×J] at 3·J·c of a flat array. The slot of an atom is s = J·c + lane; its component d
stands at 3·J·(s // J) + d·J + s % J. Arrays of one number per slot (ids, types) have J entries a cluster. A slot
without an atom is padding: id −1, and a place of its own far away, because r² = 0 would make NaN even under a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from clustermark.apps.md.model import Floats
from clustermark.devices.simd import native_width

# The id of a slot without an atom.
PADDING = -1
# More than the rounding of a coordinate to float32, relative.
FLOAT32_MARGIN = 2.0**-22
# An atom so many boxes away has lost its position.
FARTHEST_BOX = 2147483648.0
# Base of the number that places the padding of a cluster.
PLACES = 509


@dataclass(frozen=True)
class Columns:
    """A grid of nx × ny columns over the xy extent of a set of atoms.

    Attributes
    ----------
    low, high : (3,) float64, [length], extent that the atoms fill
    nx, ny : columns in x and y
    """

    low: Floats
    high: Floats
    nx: int
    ny: int

    @property
    def number(self) -> int:
        """Columns in all."""
        return self.nx * self.ny


def choose_lanes(dtype: str) -> int:
    """Atoms per cluster: the vector register of this CPU, from 4 to 8 (16 atoms reach too far for what they save)."""
    return min(8, max(4, native_width(dtype)))


def choose_columns(low: Floats, high: Floats, atoms: int, lanes: int) -> Columns:
    """Columns so wide that a cluster of `lanes` atoms is about a cube at the mean density of the extent."""
    extent = np.maximum(high - low, 1e-300)
    side = (lanes * float(np.prod(extent)) / max(atoms, 1)) ** (1 / 3)
    nx, ny = (max(1, min(4096, round(float(length) / side))) for length in extent[:2])
    return Columns(low, high, nx, ny)


def most_clusters(atoms: int, columns: Columns, lanes: int) -> int:
    """Upper bound on the clusters of `atoms` atoms in these columns."""
    return atoms // lanes + columns.number + 1


@numba.njit(nogil=True, cache=True, error_model="numpy")
def component_offset(slot: int, lanes: int) -> int:
    """Place of the x component of a slot in a flat array of three components; y and z follow J and 2J later."""
    return slot // lanes * (3 * lanes) + slot % lanes


@numba.njit(nogil=True, cache=True, error_model="numpy")
def sort_into_columns(
    positions, first, last, low, scale_x, scale_y, nx, ny, lanes, first_cluster, starts, order, slots
):
    """Counting sort by column, insertion sort by z inside: gives every atom its slot.

    Parameters
    ----------
    positions : (n, 3) float64; atoms `first` to `last` − 1 are sorted
    low, scale_x, scale_y : origin of the grid, columns per length
    lanes : J
    first_cluster : number of the first cluster that is filled
    starts : (nx·ny + 1,) int32, out: first cluster of each column
    order : (last − first,) int32, out: atoms in the order of their slots
    slots : (n,) int32, out

    Returns
    -------
    int : clusters filled
    """
    number = nx * ny
    places = np.zeros(number + 1, np.int64)
    column = np.empty(last - first, np.int32)
    for atom in range(first, last):
        cx = min(max(int((positions[atom, 0] - low[0]) * scale_x), 0), nx - 1)
        cy = min(max(int((positions[atom, 1] - low[1]) * scale_y), 0), ny - 1)
        column[atom - first] = cx * ny + cy
        places[cx * ny + cy + 1] += 1
    starts[0] = first_cluster
    for c in range(number):
        starts[c + 1] = starts[c] + (places[c + 1] + lanes - 1) // lanes
        places[c + 1] += places[c]
    ends = places[:number].copy()
    for atom in range(first, last):
        c = column[atom - first]
        z = positions[atom, 2]
        place = ends[c]
        while place > places[c] and positions[order[place - 1], 2] > z:
            order[place] = order[place - 1]
            place -= 1
        order[place] = atom
        ends[c] += 1
    for c in range(number):
        for place in range(places[c], places[c + 1]):
            slots[order[place]] = starts[c] * lanes + place - places[c]
    return starts[number] - first_cluster


def padding_distances(box: Floats, reach: float) -> Floats:
    """(3,) distance between two paddings such that an edge of the box is k + ½ of them, and 2.5 reaches where it can.

    Paddings are shifted by the edges of the box like all atoms i, and then fall half-way between two others, which
    is 1.25 reaches, or a whole edge where the box is short (k = 0).
    """
    return box / (np.maximum(np.floor(box / (2.5 * reach) - 0.5), 0) + 0.5)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def fill_padding(first_cluster, clusters, lanes, far, apart, ids, types, positions):
    """Empty the slots of some clusters: id −1, type 0, and a place of its own outside the box.

    Two paddings of one list entry must not meet: their r² would be in reach. The number of the cluster, in base
    PLACES, gives the place; not so far that a power of it would be a denormal number in float32.

    Parameters
    ----------
    far : [length] distance from the box
    apart : (3,) [length] distance between two paddings (`padding_distances`)
    """
    for cluster in range(first_cluster, first_cluster + clusters):
        for lane in range(lanes):
            ids[cluster * lanes + lane] = PADDING
            types[cluster * lanes + lane] = 0
            offset = cluster * 3 * lanes + lane
            positions[offset] = far + apart[0] * (lane + lanes * (cluster // (PLACES * PLACES)))
            positions[offset + lanes] = far + apart[1] * (cluster % PLACES)
            positions[offset + 2 * lanes] = far + apart[2] * (cluster // PLACES % PLACES)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def scatter(values, first, last, slots, lanes, origin, target):
    """Write (n, 3) values of atoms `first` to `last` − 1, less `origin`, into cluster layout."""
    for atom in range(first, last):
        offset = component_offset(slots[atom], lanes)
        for d in range(3):
            target[offset + d * lanes] = values[atom, d] - origin[d]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def collect(source, order_slots, lanes, origin, values):
    """Read (n, 3) values, plus `origin`, of the given slots from cluster layout; the reverse of `scatter`."""
    for atom in range(order_slots.size):
        offset = component_offset(order_slots[atom], lanes)
        for d in range(3):
            values[atom, d] = source[offset + d * lanes] + origin[d]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def take_atoms(
    masters, velocities, ids, types, clusters, lanes, origin, box, positions, velocity_rows, id_rows, type_rows
):
    """Atoms out of their slots into rows, in the order of their slots, each wrapped into the periodic box.

    Parameters
    ----------
    masters, velocities, ids, types : cluster layout, of which the first `clusters` clusters are read
    origin : (3,) added to masters
    box : (3,) edges
    positions, velocity_rows : (n, 3) float64, out; id_rows (n,) int64, out; type_rows (n,) int32, out

    Returns
    -------
    int : row of the first atom that is not finite or beyond 2³¹ boxes, −1 where there is none
    """
    row, lost = 0, -1
    for slot in range(clusters * lanes):
        if ids[slot] < 0:
            continue
        offset = component_offset(slot, lanes)
        for d in range(3):
            x = masters[offset + d * lanes] + origin[d]
            if not abs(x) < FARTHEST_BOX * box[d]:
                lost = row if lost < 0 else lost
            elif x < 0 or x >= box[d]:
                x -= np.floor(x / box[d]) * box[d]
                x = x if x < box[d] else 0.0
            positions[row, d] = x
            velocity_rows[row, d] = velocities[offset + d * lanes]
        id_rows[row] = ids[slot]
        type_rows[row] = types[slot]
        row += 1
    return lost


@numba.njit(nogil=True, cache=True, error_model="numpy")
def bounding_boxes(positions, ids, first_cluster, clusters, lanes, boxes):
    """Smallest and largest x, y, z of the atoms of each cluster, padding left out.

    Parameters
    ----------
    boxes : (6, clusters or more) float32, out: low x, y, z, high x, y, z, rounded outwards
    """
    for cluster in range(first_cluster, first_cluster + clusters):
        for d in range(3):
            low = high = positions[cluster * 3 * lanes + d * lanes]
            for lane in range(1, lanes):
                if ids[cluster * lanes + lane] >= 0:
                    value = positions[cluster * 3 * lanes + d * lanes + lane]
                    low, high = min(low, value), max(high, value)
            margin = FLOAT32_MARGIN * max(abs(low), abs(high))
            boxes[d, cluster] = low - margin
            boxes[3 + d, cluster] = high + margin


def aligned(size: int, dtype: Any) -> npt.NDArray[Any]:
    """Zeros whose first element stands at a multiple of 64 bytes, so that a vector never straddles a cache line."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size + 64 // item, dtype)
    start = -raw.ctypes.data % 64 // item
    return raw[start : start + size]
