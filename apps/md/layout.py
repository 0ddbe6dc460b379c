"""The arrays of a rank in cluster layout, and how atoms get into them and out again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clustermark.apps.md.backend import Backend
from clustermark.apps.md.bricks import Bricks
from clustermark.apps.md.clusters import Columns, choose_columns, most_clusters, padding_distances
from clustermark.apps.md.pair_list import BLOCK, ITSELF, NO_SHIFT, RUN_COLUMNS
from clustermark.apps.md.staging import Staging, lost_position
from clustermark.devices.simd import Width

# Dtypes of master positions and velocities, and of what the pair kernels read, by the name that users write.
PRECISIONS: dict[str, tuple[str, str]] = {
    "double": ("float64", "float64"),
    "mixed": ("float64", "float32"),
    "single": ("float32", "float32"),
}
ORIGIN = np.zeros(3)


class Rows(NamedTuple):
    """Atoms as rows in the memory of the kernels, their positions in the box; then ghosts: no velocities of them."""

    positions: Any
    velocities: Any
    ids: Any
    types: Any


@dataclass
class PairList:
    """Runs and their entries in arrays that grow; `size` runs and `used` entries are in use."""

    runs: Any
    entries: Any
    size: int = 0
    used: int = 0


class Layout:
    """Arrays of one rank, in the backend's memory: local clusters first, ghost clusters behind them.

    Attributes
    ----------
    masters, velocities : flat, local clusters; positions relative to the centre of the brick
    positions : flat, all clusters, in the precision of the kernels (the masters themselves where that is the same)
    forces : flat, all clusters
    ids, types : one per slot, all clusters; half_kicks : Δt/(2m) per slot
    local, clusters : number of local clusters, of all
    slots : slot of every row of Staging, on the host; none after `refill`
    rows : the atoms as `refill` found them
    local_list : pairs of local atoms
    ghost_list : local atoms i, ghosts j; home_list : ghosts i, local atoms j, where lists are full; else empty
    """

    def __init__(self, precision: str, lanes: int, kicks_by_type: np.ndarray, backend: Backend) -> None:
        """Empty; `kicks_by_type` is Δt/(2m) of each type."""
        self.master_type, self.kernel_type = (np.dtype(name) for name in PRECISIONS[precision])
        self.lanes = lanes
        self.width = Width(lanes)
        self.backend, self.memory = backend, backend.memory
        self.kick_type = np.dtype(np.float64) if backend.exact_kicks else self.master_type
        self.kicks_by_type = self.memory.from_host(kicks_by_type.astype(self.kick_type))
        self.local = self.clusters = self._room = 0
        self._own = Columns(ORIGIN, ORIGIN, 1, 1)
        self.slots = np.empty(0, np.int32)
        self.rows: Rows | None = None
        self._slots = self._order = self.memory.empty((1,), np.int32)
        self.local_list, self.ghost_list, self.home_list = (
            PairList(self.memory.empty((1, RUN_COLUMNS), np.int32), self.memory.empty((1,), np.int32)) for _ in range(3)
        )
        self._allocate(1)

    def _allocate(self, clusters: int) -> None:
        """Room for so many clusters; what was there is lost."""
        if clusters <= self._room:
            return
        self._room = clusters + clusters // 16 + 8
        slots = self._room * self.lanes
        zeros, empty = self.memory.zeros, self.memory.empty
        self.masters = zeros((3 * slots,), self.master_type)
        self.velocities = zeros((3 * slots,), self.master_type)
        same = self.master_type == self.kernel_type
        self.positions = self.masters if same else zeros((3 * slots,), self.kernel_type)
        self.forces = zeros((3 * slots,), self.kernel_type)
        self.ids, self.types = empty((slots,), np.int64), empty((slots,), np.int32)
        self.half_kicks = zeros((slots,), self.kick_type)
        self.electron_density = zeros((slots,), self.kernel_type)
        self.embedding_slope = zeros((slots,), self.kernel_type)
        self._boxes = empty((6, self._room + BLOCK.count), np.float32)

    def fill(self, staging: Staging, bricks: Bricks, reach: float) -> None:
        """Sort atoms and ghosts into clusters and copy them there.

        Forces are left as they are: the next evaluation clears them.
        """
        total, atoms, there = staging.total, staging.atoms, self.memory.from_host
        rows = there(staging.positions[:total]), there(staging.velocities[:atoms])
        self._fill(Rows(*rows, there(staging.ids[:total]), there(staging.types[:total])), atoms, total, bricks, reach)
        self.slots = self.memory.to_host(self._slots[:total])

    def refill(self, atoms: int, bricks: Bricks, reach: float) -> None:
        """Sort the atoms anew where all of them stay on this rank: none of them leaves the memory of the kernels.

        Raises
        ------
        ClustermarkError : naming the first atom without a position
        """
        if self.rows is None or len(self.rows.ids) != atoms:
            empty = self.memory.empty
            rows = empty((atoms, 3), np.float64), empty((atoms, 3), np.float64)
            self.rows = Rows(*rows, empty((atoms,), np.int64), empty((atoms,), np.int32))
        slots = self.masters, self.velocities, self.ids, self.types
        box = np.asarray(bricks.box)
        bad = self.backend.clusters.take_atoms(*slots, self.local, self.lanes, bricks.centre, box, *self.rows)
        if bad >= 0:
            ids, positions = (self.memory.to_host(values) for values in (self.rows.ids, self.rows.positions))
            raise lost_position(int(ids[bad]), positions[bad])
        self._fill(self.rows, atoms, atoms, bricks, reach)
        self.slots = np.empty(0, np.int32)

    def copies(self) -> list[np.ndarray]:
        """Positions, velocities, ids and types of the atoms as the last `refill` found them, on the host."""
        assert self.rows is not None
        return [np.array(self.memory.to_host(values)) for values in self.rows]

    def _fill(self, rows: Rows, atoms: int, total: int, bricks: Bricks, reach: float) -> None:
        """Rows of atoms, then of ghosts, into clusters."""
        own = choose_columns(bricks.low, bricks.high, atoms, self.lanes)
        ghosts = self._ghost_columns(atoms, total - atoms, bricks, reach)
        self._allocate(most_clusters(atoms, own, self.lanes) + most_clusters(total - atoms, ghosts, self.lanes))
        memory, kernels = self.memory, self.backend.clusters
        if len(self._slots) < max(total, 1):
            room = total + total // 8 + 64
            self._slots, self._order = memory.empty((room,), np.int32), memory.empty((room,), np.int32)
        self._own, self._own_starts = own, memory.empty((own.number + 1,), np.int32)
        self._ghost, self._ghost_starts = ghosts, memory.empty((ghosts.number + 1,), np.int32)
        self.local = self._sort(rows.positions, 0, atoms, own, 0, self._own_starts)
        self.clusters = self.local + self._sort(rows.positions, atoms, total, ghosts, self.local, self._ghost_starts)
        far, apart = float(bricks.box.max()) + 2 * reach, padding_distances(bricks.box, reach)
        kernels.fill_padding(0, self.clusters, self.lanes, far, apart, self.ids, self.types, self.masters)
        slots = self._slots[:total]
        self.backend.numbers.put(rows.ids, slots, self.ids)
        self.backend.numbers.put(rows.types, slots, self.types)
        kernels.scatter(rows.positions, 0, total, slots, self.lanes, bricks.centre, self.masters)
        memory.clear(self.velocities, 3 * self.local * self.lanes)
        kernels.scatter(rows.velocities, 0, atoms, slots, self.lanes, ORIGIN, self.velocities)
        if self.positions is not self.masters:
            memory.convert(self.masters, 3 * self.clusters * self.lanes, self.positions)
        used = slice(0, self.clusters * self.lanes)
        self.backend.integrate.per_slot(self.ids[used], self.types[used], self.kicks_by_type, self.half_kicks)

    def _ghost_columns(self, atoms: int, ghosts: int, bricks: Bricks, reach: float) -> Columns:
        """Columns over the ghosts, as wide as those of the atoms."""
        low, high = bricks.low.copy(), bricks.high.copy()
        for axis in bricks.decomposed:
            low[axis] -= reach
            high[axis] += reach
        density = atoms / float(np.prod(bricks.width))
        equivalent = max(1, math.ceil(density * float(np.prod(high - low))))
        columns = choose_columns(low, high, equivalent, self.lanes)
        return columns if ghosts else Columns(low, high, 1, 1)

    def _sort(self, positions: Any, first: int, last: int, columns: Columns, start: int, starts: Any) -> int:
        extent = columns.high - columns.low
        return self.backend.clusters.sort_into_columns(
            positions,
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
            self._slots,
        )

    def list_pairs(self, bricks: Bricks, reach: float) -> None:
        """Bounding boxes and all lists, with every pair closer than `reach`."""
        kernels, full = self.backend.clusters, self.backend.full_list
        kernels.bounding_boxes(self.positions, self.ids, 0, self.clusters, self.lanes, self._boxes)
        self.shifts = self.memory.from_host(periodic_shifts(bricks, self.kernel_type))
        own, whole = (self.memory.from_host(numbers) for numbers in shift_numbers(bricks, full))
        ours, ghosts = (0, self.local), (self.local, self.clusters - self.local)
        self._list(self.local_list, ours, self._own, self._own_starts, bricks, reach, own)
        self.ghost_list.size = self.home_list.size = self.ghost_list.used = self.home_list.used = 0
        if self.clusters > self.local:
            self._list(self.ghost_list, ours, self._ghost, self._ghost_starts, bricks, reach, whole)
            if full:
                self._list(self.home_list, ghosts, self._own, self._own_starts, bricks, reach, whole)

    def _list(
        self,
        pairs: PairList,
        clusters: tuple[int, int],
        columns: Columns,
        starts: Any,
        bricks: Bricks,
        reach: float,
        numbers: Any,
    ) -> None:
        """List of the clusters i (first, number) with the clusters j of some columns."""
        origin = columns.low - bricks.centre
        side = (columns.high - columns.low)[:2] / (columns.nx, columns.ny)
        grid = (origin[0], origin[1], side[0], side[1], columns.nx, columns.ny)
        while True:
            size, used = self.backend.lists.build_list(
                self.positions,
                *clusters,
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
            rows = max(len(pairs.runs), -size + -size // 8)
            pairs.runs = self.memory.empty((rows, RUN_COLUMNS), np.int32)
            pairs.entries = self.memory.empty((max(len(pairs.entries), -used + -used // 8),), np.int32)

    def empty_into(self, staging: Staging, bricks: Bricks) -> None:
        """Atoms back into Staging, in the order of their slots; positions absolute, not wrapped."""
        slots, ids = self._filled()
        count = len(slots)
        staging.reserve(count)
        staging.atoms, staging.ghosts = count, 0
        self._collect(self.masters, slots, bricks.centre, staging.positions[:count])
        self._collect(self.velocities, slots, ORIGIN, staging.velocities[:count])
        staging.ids[:count] = ids
        staging.types[:count] = self.memory.to_host(self.types[: self.local * self.lanes])[slots]

    def local_forces(self) -> tuple[np.ndarray, np.ndarray]:
        """(ids, (n, 3) float64 forces) of the local atoms in the order of their slots."""
        slots, ids = self._filled()
        values = np.empty((len(slots), 3))
        self._collect(self.forces, slots, ORIGIN, values)
        return ids, values

    def _filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Slots of the local atoms in their order, and their ids, on the host."""
        ids = self.memory.to_host(self.ids[: self.local * self.lanes])
        slots = np.flatnonzero(ids >= 0).astype(np.int32)
        return slots, ids[slots]

    def _collect(self, source: Any, slots: np.ndarray, origin: np.ndarray, values: np.ndarray) -> None:
        """(n, 3) values of some slots, plus `origin`, to the host."""
        rows = self.memory.beside(values)
        self.backend.clusters.collect(source, self.memory.from_host(slots), self.lanes, origin, rows)
        self.memory.fetch(rows, values)


def periodic_shifts(bricks: Bricks, dtype: Any) -> np.ndarray:
    """(28, 3): row 9(z+1) + 3(y+1) + (x+1) is the shift by (x, y, z) boxes; row ITSELF is zero."""
    shifts = np.zeros((ITSELF + 1, 3), dtype)
    for number in range(27):
        steps = np.array([number % 3 - 1, number // 3 % 3 - 1, number // 9 - 1])
        shifts[number] = steps * bricks.box
    return shifts


def shift_numbers(bricks: Bricks, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `periodic_shifts` for the list of local atoms with themselves, and for those with ghosts (all).

    The first are half of them and ITSELF, or in a full list all of them with ITSELF in the place of NO_SHIFT. A
    decomposed dimension has no shift: there the ghosts are the images.
    """
    whole = [number for number in range(27) if all((number // 3**axis) % 3 == 1 for axis in bricks.decomposed)]
    if full:
        own = [ITSELF if number == NO_SHIFT else number for number in whole]
    else:
        own = [ITSELF, *(number for number in whole if number > NO_SHIFT)]
    return np.array(own, np.int64), np.array(whole, np.int64)
