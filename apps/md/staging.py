"""Atoms of a rank between two lists, as plain (n, 3) arrays: wrapped, migrated, and joined by ghosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from clustermark.apps.md.bricks import Bricks
from clustermark.apps.md.clusters import FARTHEST_BOX
from clustermark.apps.md.model import Floats, Integers
from clustermark.core.errors import ClustermarkError

Empty = Callable[[tuple[int, ...], Any], np.ndarray]
# A row on the wire: position, velocity, id (its bits), type.
_ROW = 8


class Staging:
    """Arrays that grow and are used again: `atoms` of this rank first, then `ghosts`.

    Attributes
    ----------
    positions, velocities : (capacity, 3) float64, absolute, [length], [length/time]
    ids : (capacity,) int64; types : (capacity,) int32
    """

    def __init__(self, empty: Empty = np.empty) -> None:
        """No atoms; `empty` makes the arrays, in memory that copies well to where kernels work."""
        self.atoms = 0
        self.ghosts = 0
        self._empty = empty
        self.positions = np.empty((0, 3))
        self.velocities = np.empty((0, 3))
        self.ids = np.empty(0, np.int64)
        self.types = np.empty(0, np.int32)

    @property
    def total(self) -> int:
        """Atoms and ghosts."""
        return self.atoms + self.ghosts

    def reserve(self, size: int) -> None:
        """Room for `size` rows; what is there stays."""
        if size <= len(self.ids):
            return
        capacity = size + size // 8 + 64
        for name in ("positions", "velocities", "ids", "types"):
            old = getattr(self, name)
            new = self._empty((capacity, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def set_atoms(self, positions: Floats, velocities: Floats, ids: Integers, types: np.ndarray) -> None:
        """Replace everything by these atoms."""
        self.reserve(len(ids))
        self.atoms, self.ghosts = len(ids), 0
        for name, values in (("positions", positions), ("velocities", velocities), ("ids", ids), ("types", types)):
            getattr(self, name)[: self.atoms] = values

    def wrap(self, box: Floats) -> None:
        """Every atom into the periodic box; raises ClustermarkError naming the first atom without a position."""
        bad = _wrap(self.positions, self.atoms, box)
        if bad >= 0:
            raise lost_position(int(self.ids[bad]), self.positions[bad])

    def take(self, rows: np.ndarray) -> Floats:
        """(k, 8) rows for the wire."""
        packed = np.empty((len(rows), _ROW))
        packed[:, 0:3] = self.positions[rows]
        packed[:, 3:6] = self.velocities[rows]
        packed.view(np.int64)[:, 6] = self.ids[rows]
        packed[:, 7] = self.types[rows]
        return packed

    def replace(self, leaving: np.ndarray, arriving: Floats) -> None:
        """Remove some atoms, keeping the order of the others, and append those that arrive."""
        # In place: copies of all atoms took longer than everything else that a migration does.
        kept = _close_gaps(np.sort(leaving), self.atoms, self.positions, self.velocities, self.ids, self.types)
        count = kept + len(arriving)
        self.reserve(count)
        self.atoms = count
        new = slice(kept, count)
        self.positions[new], self.velocities[new] = arriving[:, 0:3], arriving[:, 3:6]
        self.ids[new], self.types[new] = arriving.view(np.int64)[:, 6], arriving[:, 7]

    def copies(self) -> list[np.ndarray]:
        """Positions, velocities, ids and types of the atoms."""
        return [values[: self.atoms].copy() for values in (self.positions, self.velocities, self.ids, self.types)]

    def append_ghosts(self, rows: Floats) -> None:
        """(k, 4) rows of position and type behind the atoms and earlier ghosts."""
        start = self.total
        self.reserve(start + len(rows))
        self.positions[start : start + len(rows)] = rows[:, 0:3]
        self.types[start : start + len(rows)] = rows[:, 3]
        self.ids[start : start + len(rows)] = 0
        self.ghosts += len(rows)


def lost_position(atom: int, position: Floats) -> ClustermarkError:
    """What is said of an atom that is not finite, or so far away that it has no place in the box."""
    return ClustermarkError(
        f"atom {atom} has lost its position ({', '.join(str(x) for x in position)}): "
        f"the run has exploded; use a smaller time step or a relaxed start"
    )


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _wrap(positions, atoms, box):
    """Periodic images into [0, box); the row of an atom that is not finite or beyond 2³¹ boxes, or −1."""
    for atom in range(atoms):
        for d in range(3):
            x = positions[atom, d]
            if not abs(x) < FARTHEST_BOX * box[d]:
                return atom
            if x < 0 or x >= box[d]:
                x -= np.floor(x / box[d]) * box[d]
                positions[atom, d] = x if x < box[d] else 0.0
    return -1


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _close_gaps(leaving, atoms, positions, velocities, ids, types):
    """Move the rows behind those that leave (ascending) up, in their order; the number of rows that stay."""
    for k in range(leaving.size):
        end = leaving[k + 1] if k + 1 < leaving.size else atoms
        for row in range(leaving[k] + 1, end):
            new = row - k - 1
            for d in range(3):
                positions[new, d] = positions[row, d]
                velocities[new, d] = velocities[row, d]
            ids[new] = ids[row]
            types[new] = types[row]
    return atoms - leaving.size


def sendrecv_rows(comm: Any, rows: Floats, target: int, source: int) -> Floats:
    """Send rows of float64 to one rank while receiving as many as it has from another."""
    count = np.array([len(rows)], np.int64)
    incoming = np.empty(1, np.int64)
    comm.Sendrecv(count, target, 0, incoming, source, 0)
    received = np.empty((int(incoming[0]), rows.shape[1]))
    comm.Sendrecv(np.ascontiguousarray(rows), target, 1, received, source, 1)
    return received


@dataclass(frozen=True)
class Stage:
    """One message of the halo: what goes to `target` and comes from `source`, in this order on every rank.

    Attributes
    ----------
    target, source : ranks
    shift : (3,) added to sent positions, from the frame of this brick's centre to that of the receiver's
    sent : rows of Staging that go; received : (first, end) rows that come
    """

    target: int
    source: int
    shift: Floats
    sent: np.ndarray
    received: tuple[int, int]


def migrate(staging: Staging, bricks: Bricks, comm: Any) -> None:
    """Send wrapped atoms that left the brick to its neighbours, one dimension after the other.

    Raises
    ------
    ClustermarkError : an atom has moved by more than a brick since the last time; on every rank
    """
    lost = -1
    for axis in bricks.decomposed:
        places = (staging.positions[: staging.atoms, axis] / bricks.width[axis]).astype(np.int64)
        steps = np.minimum(places, bricks.grid[axis] - 1) - bricks.coordinates[axis]
        steps = (steps + 1) % bricks.grid[axis] - 1
        ups, downs = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        stray = np.flatnonzero(np.abs(steps) > 1)
        if len(stray) and lost < 0:
            lost = int(staging.ids[stray[0]])
        above, below = bricks.neighbour(axis, 1), bricks.neighbour(axis, -1)
        from_below = sendrecv_rows(comm, staging.take(ups), above, below)
        from_above = sendrecv_rows(comm, staging.take(downs), below, above)
        staging.replace(np.concatenate([ups, downs]), np.concatenate([from_below, from_above]))
    # Only a dimension cut into more than three has a brick that is no neighbour.
    if max(bricks.grid) > 3:
        worst = max(comm.allgather(lost))
        if worst >= 0:
            raise ClustermarkError(
                f"atom {worst} has moved by more than a brick between two lists: the run has exploded; "
                f"use a smaller time step, rebuild more often, or start from a relaxed configuration"
            )


def find_ghosts(staging: Staging, bricks: Bricks, reach: float, comm: Any) -> list[Stage]:
    """Ghosts of the half shell: atoms of the 13 upper neighbours of 26 within `reach`, forwarded in stages.

    A pair is then computed by exactly one rank. From above comes all that the neighbour has; from below only what is
    a ghost there already, because its own atoms meet ours at its side.
    """
    stages: list[Stage] = []
    staging.ghosts = 0
    for axis in bricks.decomposed:
        before = staging.total
        for direction in (-1, 1):  # of sending: our lower face goes down, ghosts at our upper face go up
            first = 0 if direction < 0 else staging.atoms
            if axis == bricks.decomposed[0] and direction > 0:
                continue
            x = staging.positions[first:before, axis]
            face = bricks.low[axis] + reach if direction < 0 else bricks.high[axis] - reach
            rows = first + np.flatnonzero(x < face if direction < 0 else x > face)
            target, source = bricks.neighbour(axis, direction), bricks.neighbour(axis, -direction)
            crossing = bricks.coordinates[axis] + direction
            packed = np.empty((len(rows), 4))
            packed[:, 0:3], packed[:, 3] = staging.positions[rows], staging.types[rows]
            if not 0 <= crossing < bricks.grid[axis]:
                packed[:, axis] -= direction * bricks.box[axis]
            shift = np.zeros(3)
            shift[axis] = -direction * bricks.width[axis]
            start = staging.total
            staging.append_ghosts(sendrecv_rows(comm, packed, target, source))
            stages.append(Stage(target, source, shift, rows.astype(np.int32), (start, staging.total)))
    return stages
