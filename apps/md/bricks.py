"""The box cut into bricks, one per rank: a Cartesian grid over the dimensions that are worth cutting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clustermark.apps.md.model import Floats
from clustermark.core.errors import UsageError


@dataclass(frozen=True)
class Bricks:
    """The grid of bricks and this rank's place in it; rank = (cx·gy + cy)·gz + cz.

    Attributes
    ----------
    box : (3,) float64, [length]
    grid : bricks in x, y, z
    rank : this one
    """

    box: Floats
    grid: tuple[int, int, int]
    rank: int

    @property
    def coordinates(self) -> tuple[int, int, int]:
        """Place of this rank's brick in the grid."""
        _, gy, gz = self.grid
        return self.rank // (gy * gz), self.rank // gz % gy, self.rank % gz

    @property
    def width(self) -> Floats:
        """(3,) edge lengths of a brick."""
        return self.box / np.array(self.grid)

    @property
    def low(self) -> Floats:
        """(3,) lower corner."""
        return np.array(self.coordinates) * self.width

    @property
    def high(self) -> Floats:
        """(3,) upper corner."""
        return (np.array(self.coordinates) + 1) * self.width

    @property
    def centre(self) -> Floats:
        """(3,) origin of the positions that the kernels see."""
        return (np.array(self.coordinates) + 0.5) * self.width

    @property
    def decomposed(self) -> tuple[int, ...]:
        """Dimensions with more than one brick; the others keep periodic shifts."""
        return tuple(axis for axis in range(3) if self.grid[axis] > 1)

    def neighbour(self, axis: int, step: int) -> int:
        """Rank of the brick one step (+1 or −1) along an axis, round the periodic box."""
        place = list(self.coordinates)
        place[axis] = (place[axis] + step) % self.grid[axis]
        return (place[0] * self.grid[1] + place[1]) * self.grid[2] + place[2]

    def owners(self, positions: Floats) -> np.ndarray:
        """(n,) rank whose brick each wrapped position lies in."""
        places = np.minimum((positions / self.width).astype(np.int64), np.array(self.grid) - 1)
        return (places[:, 0] * self.grid[1] + places[:, 1]) * self.grid[2] + places[:, 2]


def _grids(ranks: int) -> Iterator[tuple[int, int, int]]:
    for x in range(1, ranks + 1):
        for y in range(1, ranks // x + 1):
            if ranks % (x * y) == 0:
                yield x, y, ranks // (x * y)


def choose_grid(ranks: int, box: Floats, reach: float) -> tuple[int, int, int]:
    """The grid whose bricks have the smallest surface to exchange, each at least `reach` wide where it is cut.

    Raises
    ------
    UsageError : the box, or every way of cutting it, is narrower than `reach`
    """
    if float(box.min()) < reach:
        raise UsageError(
            f"the box ({_lengths(box)}) is narrower than cutoff + skin ({reach:.6g}); "
            f"use a larger system, a smaller skin or a smaller cutoff"
        )

    def surface(grid: tuple[int, int, int]) -> float:
        width = box / np.array(grid)
        return sum(float(np.prod(width) / width[axis]) for axis in range(3) if grid[axis] > 1)

    possible = [grid for grid in _grids(ranks) if all(g == 1 or b / g >= reach for g, b in zip(grid, box, strict=True))]
    if not possible:
        most = int(np.prod([max(1, int(length / reach)) for length in box]))
        raise UsageError(
            f"{ranks} ranks cut the box ({_lengths(box)}) into bricks narrower than cutoff + skin ({reach:.6g}), "
            f"which the halo needs; use at most {most} ranks, or a larger system"
        )
    return min(possible, key=surface)


def _lengths(box: Floats) -> str:
    return " × ".join(f"{length:.6g}" for length in box)
