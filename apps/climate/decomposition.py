"""Panels cut into boxes, and boxes given to ranks: one block of one panel each, or the same box of both panels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.layout import HALO, Array, pitch_of
from clustermark.core.errors import UsageError

PANELS = 2


@dataclass(frozen=True)
class Block:
    """A rectangle of evolved cells of a panel; first_row and first_column count evolved cells from 0."""

    panel: int
    first_row: int
    rows: int
    first_column: int
    columns: int

    @property
    def padded(self) -> tuple[slice, slice]:
        """The block with its halo, in the padded rows and columns of the panel."""
        return (
            slice(self.first_row, self.first_row + self.rows + 2 * HALO),
            slice(self.first_column, self.first_column + self.columns + 2 * HALO),
        )


@dataclass(frozen=True)
class Domain:
    """What each rank has of the sphere, and this rank's part of it.

    Box b = by·px + bx has rows [rows·by/py, rows·(by + 1)/py) of a panel and columns likewise. With a block for each
    rank, rank = panel·py·px + b; with the panels together, rank b has box b of panel 0 and of panel 1, in this order.

    Attributes
    ----------
    grid : of the panels
    py, px : boxes along the rows' direction (latitude) and along the columns'
    ranks, rank : of the launch
    panels_together : whether a rank has both panels; ranks = py·px then, else 2·py·px

    Raises
    ------
    UsageError : ranks and boxes do not fit, or a block is too small for its halo
    """

    grid: PanelGrid
    py: int
    px: int
    ranks: int
    rank: int
    panels_together: bool

    def __post_init__(self) -> None:
        expected = self.py * self.px * (1 if self.panels_together else PANELS)
        if self.ranks != expected:
            raise UsageError(
                f"{self.py} × {self.px} boxes of {'both panels' if self.panels_together else 'each of two panels'} are "
                f"for {expected} ranks, and the launch has {self.ranks}; choose py and px for that many, or 0"
            )
        if min(self.grid.rows // self.py, self.grid.columns // self.px) < HALO:
            raise UsageError(_too_small(self.grid, self.py, self.px))

    def blocks_of(self, rank: int) -> tuple[Block, ...]:
        """The blocks of any rank; all of one rank have the same size."""
        panels = range(PANELS) if self.panels_together else (rank // (self.py * self.px),)
        by, bx = divmod(rank % (self.py * self.px), self.px)
        first_row, last_row = (self.grid.rows * (by + k) // self.py for k in (0, 1))
        first_column, last_column = (self.grid.columns * (bx + k) // self.px for k in (0, 1))
        return tuple(
            Block(panel, first_row, last_row - first_row, first_column, last_column - first_column) for panel in panels
        )

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of this rank."""
        return self.blocks_of(self.rank)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Blocks, padded rows and pitch of this rank's horizontal fields."""
        block = self.blocks[0]
        return len(self.blocks), block.rows + 2 * HALO, pitch_of(block.columns)

    def owners(self, panel: int, rows: Array, columns: Array) -> tuple[Array, Array]:
        """Which rank has the evolved cells (rows, columns) of a panel, and as which of its blocks.

        Parameters
        ----------
        rows, columns : (n,) integers, evolved indices

        Returns
        -------
        rank, slot : (n,) int64
        """
        row_starts = self.grid.rows * np.arange(1, self.py) // self.py
        column_starts = self.grid.columns * np.arange(1, self.px) // self.px
        box = np.searchsorted(row_starts, rows, "right") * self.px + np.searchsorted(column_starts, columns, "right")
        if self.panels_together:
            return box, np.full_like(box, panel)
        return panel * self.py * self.px + box, np.zeros_like(box)

    def cut(self, values: Array) -> Array:
        """This rank's part of values at padded points.

        Parameters
        ----------
        values : (padded rows, padded columns) of both panels alike, or (2, [levels,] padded rows, padded columns)

        Returns
        -------
        part : (blocks, [levels,] rows, pitch), same dtype; what stands behind the halo repeats its last column
        """
        parts = []
        pitch = self.shape[2]
        for block in self.blocks:
            part = (values if values.ndim == 2 else values[block.panel])[(..., *block.padded)]
            room = [(0, 0)] * (part.ndim - 1) + [(0, pitch - part.shape[-1])]
            parts.append(np.pad(part, room, mode="edge"))
        return np.stack(parts)

    def cut_rows(self, values: Array) -> Array:
        """(blocks, rows) of (padded rows,) values, as cosines of latitudes are."""
        return np.stack([values[block.padded[0]] for block in self.blocks])


def evolved(array: Array, columns: int) -> Array:
    """The evolved cells of padded rows: a view.

    Parameters
    ----------
    array : (…, rows, pitch)
    columns : evolved ones
    """
    return array[..., HALO:-HALO, HALO : HALO + columns]


def choose(grid: PanelGrid, ranks: int, py: int = 0, px: int = 0, rank: int = 0) -> Domain:
    """The decomposition with the smallest halo: an even number of ranks splits the panels, an odd one has both.

    Parameters
    ----------
    py, px : boxes as the user wants them; 0 is chosen
    rank : this one

    Raises
    ------
    UsageError : no decomposition fits the ranks, py and px, or blocks would be smaller than a halo
    """
    if ranks < 1 or py < 0 or px < 0:
        raise UsageError(f"{ranks} ranks in {py} × {px} boxes: expected one rank or more and boxes of 1 or more (or 0)")
    together_first = ranks % 2 == 1
    for together in (together_first, not together_first):
        boxes = _boxes(ranks, together, py, px)
        possible = [(y, x) for y, x in boxes if min(grid.rows // y, grid.columns // x) >= HALO]
        if possible:
            y, x = min(possible, key=lambda box: (-(-grid.rows // box[0]) - (-grid.columns // box[1]), box))
            return Domain(grid, y, x, ranks, rank, together)
        if boxes and (py or px):
            raise UsageError(_too_small(grid, *boxes[0]))
    if py or px:
        raise UsageError(
            f"{ranks} ranks cannot have {py or 'any'} × {px or 'any'} boxes of a panel: expected py·px = "
            f"{_wanted(ranks)}; leave py and px at 0 to have them chosen"
        )
    raise UsageError(
        f"{ranks} ranks cut panels of {grid.rows} × {grid.columns} cells into blocks with less than {HALO} cells a "
        f"side, which the halo needs; use at most {2 * (grid.rows // HALO) * (grid.columns // HALO)} ranks, with few "
        f"prime factors, or a finer resolution"
    )


def _boxes(ranks: int, together: bool, py: int, px: int) -> list[tuple[int, int]]:
    """Every py × px of as many boxes as the ranks need, with what the user has chosen."""
    if not together and ranks % PANELS:
        return []
    number = ranks if together else ranks // PANELS

    def divisors() -> Iterator[tuple[int, int]]:
        for y in range(1, number + 1):
            if number % y == 0:
                yield y, number // y

    return [(y, x) for y, x in divisors() if py in (0, y) and px in (0, x)]


def _wanted(ranks: int) -> str:
    return f"{ranks // PANELS} (a panel for each rank) or {ranks} (both panels)" if ranks % PANELS == 0 else f"{ranks}"


def _too_small(grid: PanelGrid, py: int, px: int) -> str:
    return (
        f"{py} × {px} boxes cut panels of {grid.rows} × {grid.columns} cells into blocks with less than {HALO} cells "
        f"a side, which the halo needs; use at most {grid.rows // HALO} × {grid.columns // HALO}, or a finer resolution"
    )
