"""What each rank sends for the halos of others and gets for its own: lists of points, the same on both sides.

Points of a halo that lie on the block's own panel are copies (phase A). Points beyond the panel are interpolated in
the other one (phase B) by the rank that owns the cell at (1, 1) of the 4 × 4 stencil, for a wind the cell at (1, 2) of
its stencil among east faces: no point of its stencils is then more than STENCIL_REACH cells away, in the block or in
the halo that phase A has filled. Sender and receiver go through blocks and points in the same order, so that a message
needs no indices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.decomposition import Block, Domain
from clustermark.apps.climate.layout import HALO, Array
from clustermark.apps.climate.overset import OversetTables

KINDS = ("center", "east", "north")
# Row and column of the stencil whose owner interpolates, and how far the stencils reach from there: that among north
# faces may begin a row lower and a column further than that among east faces.
_OWNER = {"center": (1, 1), "east": (1, 2), "north": (1, 2)}
STENCIL_REACH = 2


@dataclass(frozen=True)
class Runs:
    """Pieces of rows in local padded indices, in the order of a message.

    Attributes
    ----------
    slots, rows, columns, lengths : (n,) int64: block of the rank, first point, points
    """

    slots: Array
    rows: Array
    columns: Array
    lengths: Array


@dataclass(frozen=True)
class Points:
    """Points of one kind in the order of a message.

    Attributes
    ----------
    slots : (n,) int64, block of the rank; of the receiver or of the donor
    entries : (n,) int64, lines of the donor table
    rows, columns : (n,) int64, local padded indices of the receiver's halo points; of the donor's block, what to
        subtract from the panel's padded indices
    """

    slots: Array
    entries: Array
    rows: Array
    columns: Array


@dataclass(frozen=True)
class Routes:
    """Lists by the other rank, which may be this one.

    Attributes
    ----------
    copies_out, copies_in : rank → Runs
    points_out, points_in : kind of KINDS → rank → Points; ranks and order of kinds do not differ between the sides
    """

    copies_out: dict[int, Runs]
    copies_in: dict[int, Runs]
    points_out: dict[str, dict[int, Points]]
    points_in: dict[str, dict[int, Points]]


def make_routes(domain: Domain, tables: OversetTables, depth: int = HALO) -> Routes:
    """The lists of this rank; every rank finds those that concern it, without talking to the others.

    Parameters
    ----------
    depth : cells of the halo that are filled, counted from the block, STENCIL_REACH … HALO
    """
    if not STENCIL_REACH <= depth <= HALO:
        raise ValueError(f"a halo of {depth} cells cannot be filled: expected {STENCIL_REACH} to {HALO}")
    copies = _copies(domain, depth)
    points = {kind: _points(domain, tables, kind, depth) for kind in KINDS}
    return Routes(
        copies[0], copies[1], {kind: p[0] for kind, p in points.items()}, {kind: p[1] for kind, p in points.items()}
    )


def _stacked(parts: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    return tuple(np.concatenate(columns).astype(np.int64) for columns in zip(*parts, strict=True))


def _copies(domain: Domain, depth: int) -> tuple[dict[int, Runs], dict[int, Runs]]:
    """Runs that this rank sends and gets on the panels themselves, by rank."""
    every = [(rank, slot, block) for rank in range(domain.ranks) for slot, block in enumerate(domain.blocks_of(rank))]
    mine = [entry for entry in every if entry[0] == domain.rank]
    sent: dict[int, list[tuple[Array, ...]]] = {}
    received: dict[int, list[tuple[Array, ...]]] = {}
    for target, _, block in every:
        for _, source_slot, donor in mine:
            runs = _overlap(block, donor, depth)
            if runs is not None:
                sent.setdefault(target, []).append(_local_runs(source_slot, donor, *runs))
    for _, slot, block in mine:
        for source, _, donor in every:
            runs = _overlap(block, donor, depth)
            if runs is not None:
                received.setdefault(source, []).append(_local_runs(slot, block, *runs))
    return tuple({rank: Runs(*_stacked(parts)) for rank, parts in sorted(found.items())} for found in (sent, received))  # pyright: ignore[reportReturnType]  # two of them


def _overlap(block: Block, donor: Block, depth: int) -> tuple[Array, int, int] | None:
    """Padded panel rows, first column and columns of the donor's cells in the halo of a block, or None."""
    if block == donor or block.panel != donor.panel:
        return None
    rows, columns = _filled(block, depth)
    first_row = max(rows.start, donor.first_row + HALO)
    last_row = min(rows.stop, donor.first_row + HALO + donor.rows)
    first_column = max(columns.start, donor.first_column + HALO)
    last_column = min(columns.stop, donor.first_column + HALO + donor.columns)
    if first_row >= last_row or first_column >= last_column:
        return None
    return np.arange(first_row, last_row), first_column, last_column - first_column


def _local_runs(slot: int, block: Block, rows: Array, column: int, length: int) -> tuple[Array, ...]:
    number = len(rows)
    return (
        np.full(number, slot),
        rows - block.first_row,
        np.full(number, column - block.first_column),
        np.full(number, length),
    )


def _points(
    domain: Domain, tables: OversetTables, kind: str, depth: int
) -> tuple[dict[int, Points], dict[int, Points]]:
    """Interpolated points of one kind that this rank sends and gets, by rank."""
    donors = {"center": tables.scalar, "east": tables.east, "north": tables.north}[kind]
    stencil = tables.scalar.stencil if kind == "center" else (tables.east if kind == "east" else tables.north).east
    row, column = _OWNER[kind]
    owners = [domain.owners(p, stencil.row + row - HALO, stencil.column + column - HALO) for p in (0, 1)]
    sent: dict[int, list[tuple[Array, ...]]] = {}
    received: dict[int, list[tuple[Array, ...]]] = {}
    own_blocks = domain.blocks
    for rank in range(domain.ranks):
        for slot, block in enumerate(domain.blocks_of(rank)):
            owner, owner_slot = owners[1 - block.panel]
            inside = np.flatnonzero(_within(block, depth, donors.rows, donors.columns))
            asked = inside[owner[inside] == domain.rank]
            if asked.size:
                slots = owner_slot[asked]
                first = np.array([(own.first_row, own.first_column) for own in own_blocks])[slots]
                sent.setdefault(rank, []).append((slots, asked, first[:, 0], first[:, 1]))
            if rank == domain.rank:
                for source in np.unique(owner[inside]):
                    got = inside[owner[inside] == source]
                    places = donors.rows[got] - block.first_row, donors.columns[got] - block.first_column
                    received.setdefault(int(source), []).append((np.full(got.size, slot), got, *places))
    return tuple(
        {rank: Points(*_stacked(parts)) for rank, parts in sorted(found.items())} for found in (sent, received)
    )  # pyright: ignore[reportReturnType]  # two of them


def _filled(block: Block, depth: int) -> tuple[slice, slice]:
    """The block with so many cells of its halo, in padded rows and columns of the panel."""
    first_row, first_column = block.first_row + HALO - depth, block.first_column + HALO - depth
    return (
        slice(first_row, first_row + block.rows + 2 * depth),
        slice(first_column, first_column + block.columns + 2 * depth),
    )


def _within(block: Block, depth: int, rows: Array, columns: Array) -> Array:
    """Which padded panel points lie in a block or that much of its halo."""
    high, wide = _filled(block, depth)
    return (rows >= high.start) & (rows < high.stop) & (columns >= wide.start) & (columns < wide.stop)
