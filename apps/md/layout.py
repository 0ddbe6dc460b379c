"""The arrays of a rank in cluster layout, and how atoms get into them and out again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustermark.apps.md.bricks import Bricks
from clustermark.apps.md.clusters import (
    Columns,
    aligned,
    bounding_boxes,
    choose_columns,
    collect,
    fill_padding,
    most_clusters,
    padding_distances,
    scatter,
    sort_into_columns,
)
from clustermark.apps.md.integrate_cpu import per_slot
from clustermark.apps.md.pair_list import BLOCK, ITSELF, NO_SHIFT, RUN_COLUMNS, build_list
from clustermark.apps.md.staging import Staging
from clustermark.devices.simd import Width, native_width

# Dtypes of master positions and velocities, and of what the pair kernels read, by the name that users write.
PRECISIONS: dict[str, tuple[str, str]] = {
    "double": ("float64", "float64"),
    "mixed": ("float64", "float32"),
    "single": ("float32", "float32"),
}
ORIGIN = np.zeros(3)


def choose_lanes(dtype: str) -> int:
    """Atoms per cluster: the vector register of this CPU, from 4 to 8 (16 atoms reach too far for what they save)."""
    return min(8, max(4, native_width(dtype)))


@dataclass
class PairList:
    """Runs and their entries in arrays that grow; `size` runs and `used` entries are in use."""

    runs: np.ndarray
    entries: np.ndarray
    size: int = 0
    used: int = 0


class Layout:
    """Arrays of one rank: local clusters first, ghost clusters behind them.

    Attributes
    ----------
    masters, velocities : flat, local clusters; positions relative to the centre of the brick
    positions : flat, all clusters, in the precision of the kernels (the masters themselves where that is the same)
    forces : flat, all clusters
    ids, types : one per slot, all clusters; half_kicks : Δt/(2m) per slot, float64
    local, clusters : number of local clusters, of all
    slots : slot of every row of Staging
    """

    def __init__(self, precision: str, lanes: int, kicks_by_type: np.ndarray) -> None:
        """Empty; `kicks_by_type` is Δt/(2m) of each type."""
        self.master_type, self.kernel_type = (np.dtype(name) for name in PRECISIONS[precision])
        self.lanes = lanes
        self.width = Width(lanes)
        self.kicks_by_type = kicks_by_type
        self.local = self.clusters = self._room = 0
        self._own = Columns(ORIGIN, ORIGIN, 1, 1)
        self.slots = self._order = np.empty(0, np.int32)
        self.local_list = PairList(np.empty((0, RUN_COLUMNS), np.int32), np.empty(0, np.int32))
        self.ghost_list = PairList(np.empty((0, RUN_COLUMNS), np.int32), np.empty(0, np.int32))
        self._allocate(1)

    def _allocate(self, clusters: int) -> None:
        """Room for so many clusters; what was there is lost."""
        if clusters <= self._room:
            return
        self._room = clusters + clusters // 16 + 8
        slots = self._room * self.lanes
        self.masters = aligned(3 * slots, self.master_type)
        self.velocities = aligned(3 * slots, self.master_type)
        same = self.master_type == self.kernel_type
        self.positions = self.masters if same else aligned(3 * slots, self.kernel_type)
        self.forces = aligned(3 * slots, self.kernel_type)
        self.ids, self.types = np.empty(slots, np.int64), np.empty(slots, np.int32)
        self.half_kicks = np.zeros(slots)
        self.electron_density = aligned(slots, self.kernel_type)
        self.embedding_slope = aligned(slots, self.kernel_type)
        self._boxes = np.empty((6, self._room + BLOCK.count), np.float32)

    def fill(self, staging: Staging, bricks: Bricks, reach: float) -> None:
        """Sort atoms and ghosts into clusters and copy them there.

        Forces are left as they are: the next evaluation clears them.
        """
        own = choose_columns(bricks.low, bricks.high, staging.atoms, self.lanes)
        ghosts = self._ghost_columns(staging, bricks, reach)
        self._allocate(
            most_clusters(staging.atoms, own, self.lanes) + most_clusters(staging.ghosts, ghosts, self.lanes)
        )
        if len(self.slots) < staging.total:
            self.slots = np.empty(len(staging.ids), np.int32)
            self._order = np.empty(len(staging.ids), np.int32)
        self._own, self._own_starts = own, np.empty(own.number + 1, np.int32)
        self._ghost, self._ghost_starts = ghosts, np.empty(ghosts.number + 1, np.int32)
        self.local = self._sort(staging, 0, staging.atoms, own, 0, self._own_starts)
        count = self._sort(staging, staging.atoms, staging.total, ghosts, self.local, self._ghost_starts)
        self.clusters = self.local + count
        used = slice(0, self.clusters * self.lanes)
        far, apart = float(bricks.box.max()) + 2 * reach, padding_distances(bricks.box, reach)
        fill_padding(0, self.clusters, self.lanes, far, apart, self.ids, self.types, self.masters)
        slots = self.slots[: staging.total]
        self.ids[slots] = staging.ids[: staging.total]
        self.types[slots] = staging.types[: staging.total]
        scatter(staging.positions, 0, staging.total, slots, self.lanes, bricks.centre, self.masters)
        self.velocities[: 3 * self.local * self.lanes] = 0
        scatter(staging.velocities, 0, staging.atoms, slots, self.lanes, ORIGIN, self.velocities)
        if self.positions is not self.masters:
            self.positions[: 3 * self.clusters * self.lanes] = self.masters[: 3 * self.clusters * self.lanes]
        per_slot(self.ids[used], self.types[used], self.kicks_by_type, self.half_kicks)

    def _ghost_columns(self, staging: Staging, bricks: Bricks, reach: float) -> Columns:
        """Columns over the ghosts, as wide as those of the atoms."""
        low, high = bricks.low.copy(), bricks.high.copy()
        for axis in bricks.decomposed:
            low[axis] -= reach
            high[axis] += reach
        density = staging.atoms / float(np.prod(bricks.width))
        equivalent = max(1, math.ceil(density * float(np.prod(high - low))))
        columns = choose_columns(low, high, equivalent, self.lanes)
        return columns if staging.ghosts else Columns(low, high, 1, 1)

    def _sort(self, staging: Staging, first: int, last: int, columns: Columns, start: int, starts: np.ndarray) -> int:
        extent = columns.high - columns.low
        return sort_into_columns(
            staging.positions,
            first,
            last,
            columns.low,
            columns.nx / extent[0],
            columns.ny / extent[1],
            columns.nx,
            columns.ny,
            self.lanes,
            start,
            starts,
            self._order,
            self.slots,
        )

    def list_pairs(self, bricks: Bricks, reach: float) -> None:
        """Bounding boxes and both lists, with every pair closer than `reach`."""
        bounding_boxes(self.positions, self.ids, 0, self.clusters, self.lanes, self._boxes)
        self.shifts = periodic_shifts(bricks, self.kernel_type)
        half, whole = shift_numbers(bricks)
        self._list(self.local_list, self._own, self._own_starts, bricks, reach, half)
        if self.clusters > self.local:
            self._list(self.ghost_list, self._ghost, self._ghost_starts, bricks, reach, whole)
        else:
            self.ghost_list.size = self.ghost_list.used = 0

    def _list(
        self, pairs: PairList, columns: Columns, starts: np.ndarray, bricks: Bricks, reach: float, numbers: np.ndarray
    ) -> None:
        origin = columns.low - bricks.centre
        side = (columns.high - columns.low)[:2] / (columns.nx, columns.ny)
        grid = (origin[0], origin[1], side[0], side[1], columns.nx, columns.ny)
        while True:
            size, used = build_list(
                self.positions,
                0,
                self.local,
                self._boxes,
                starts,
                grid,
                reach,
                self.shifts,
                numbers,
                self.width,
                pairs.runs,
                pairs.entries,
            )
            if size >= 0:
                pairs.size, pairs.used = size, int(used)
                return
            pairs.runs = np.empty((max(len(pairs.runs), -size + -size // 8), RUN_COLUMNS), np.int32)
            pairs.entries = np.empty(max(len(pairs.entries), -used + -used // 8), np.int32)

    def empty_into(self, staging: Staging, bricks: Bricks) -> None:
        """Atoms back into Staging, in the order of their slots; positions absolute, not wrapped."""
        slots = np.flatnonzero(self.ids[: self.local * self.lanes] >= 0).astype(np.int32)
        staging.reserve(len(slots))
        staging.atoms, staging.ghosts = len(slots), 0
        collect(self.masters, slots, self.lanes, bricks.centre, staging.positions)
        collect(self.velocities, slots, self.lanes, ORIGIN, staging.velocities)
        staging.ids[: len(slots)] = self.ids[slots]
        staging.types[: len(slots)] = self.types[slots]

    def local_forces(self) -> tuple[np.ndarray, np.ndarray]:
        """(ids, (n, 3) float64 forces) of the local atoms in the order of their slots."""
        slots = np.flatnonzero(self.ids[: self.local * self.lanes] >= 0).astype(np.int32)
        values = np.empty((len(slots), 3))
        collect(self.forces, slots, self.lanes, ORIGIN, values)
        return self.ids[slots], values


def periodic_shifts(bricks: Bricks, dtype: Any) -> np.ndarray:
    """(28, 3): row 9(z+1) + 3(y+1) + (x+1) is the shift by (x, y, z) boxes; row ITSELF is zero."""
    shifts = np.zeros((ITSELF + 1, 3), dtype)
    for number in range(27):
        steps = np.array([number % 3 - 1, number // 3 % 3 - 1, number // 9 - 1])
        shifts[number] = steps * bricks.box
    return shifts


def shift_numbers(bricks: Bricks) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `periodic_shifts` for the local list (half of them and ITSELF) and for the ghost list (all).

    A decomposed dimension has no shift: there the ghosts are the images.
    """
    whole = [number for number in range(27) if all((number // 3**axis) % 3 == 1 for axis in bricks.decomposed)]
    half = [ITSELF, *(number for number in whole if number > NO_SHIFT)]
    return np.array(half, np.int64), np.array(whole, np.int64)
