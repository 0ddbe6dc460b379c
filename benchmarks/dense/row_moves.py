"""The row interchanges of a block column, all at once: which rows become rows of U, which stand elsewhere afterwards.

HPL's "long" swap: the w interchanges one after the other are one permutation of at most 2w rows. Every process row
packs what it has to give into one message; one all-gather per block column hands all of them to everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.kernels_cpu import gather_rows, scatter_rows
from clustermark.benchmarks.dense.layout import Cyclic
from clustermark.benchmarks.dense.lines import Line

Array = npt.NDArray[Any]


def permutation(start: int, positions: Sequence[int]) -> tuple[list[int], dict[int, int]]:
    """What interchanges (start + j ↔ positions[j]), j = 0, 1, … do to rows.

    Returns
    -------
    sources : row start + j of the result is this row of the given matrix
    displaced : place outside of start … start + w → the row of the given matrix that ends there
    """
    standing: dict[int, int] = {}
    for j, place in enumerate(positions):
        here, there = standing.get(start + j, start + j), standing.get(place, place)
        standing[start + j], standing[place] = there, here
    end = start + len(positions)
    sources = [standing.get(row, row) for row in range(start, end)]
    return sources, {place: row for place, row in standing.items() if place >= end and row != place}


@dataclass(frozen=True)
class RowMoves:
    """The part of a process row in the interchanges of one panel.

    Attributes
    ----------
    packed : local rows that this process row gives, in the order of its message
    counts : rows that each process row gives
    order : (w,) where row j of U stands among all rows that are given
    kept : local rows that change and are none of U's
    kept_from : where the new ones stand among all rows that are given
    """

    packed: Array
    counts: list[int]
    order: Array
    kept: Array
    kept_from: Array

    def apply(self, matrix: Array, first: int, end: int, line: Line, given: Array, received: Array) -> Array:
        """Move the rows of columns first … end−1; collective over the process column.

        Parameters
        ----------
        matrix : (m, n) the local part; the rows of U's places keep their old contents
        given, received : flat, at least 2w·(end − first) numbers each

        Returns
        -------
        (w, end − first) : the rows that become U, in their order; a view of `given` or `received`
        """
        width = end - first
        mine = given[: self.packed.size * width].reshape(-1, width)
        gather_rows(matrix, self.packed, first, mine)
        everyone = line.allgather_rows(mine, self.counts, received)
        scatter_rows(matrix, self.kept, first, everyone, self.kept_from)
        if line.size == 1:
            return everyone[: self.order.size]
        rows = given[: self.order.size * width].reshape(-1, width)
        gather_rows(everyone, self.order, 0, rows)
        return rows


def plan_moves(start: int, positions: Sequence[int], rows: Cyclic) -> RowMoves:
    """The moves of one panel as the process row `rows.place` has to make them.

    Rows that go to U come first in every message, in the order of U; then those that are displaced.
    """
    sources, displaced = permutation(start, positions)
    wanted = np.array([*sources, *displaced.values()], np.int64)
    owners = rows.owner(wanted)
    places = np.empty_like(wanted)
    places[np.argsort(owners, kind="stable")] = np.arange(wanted.size)
    changed = np.array(list(displaced), np.int64)
    mine = rows.owner(changed) == rows.place
    return RowMoves(
        packed=rows.local(wanted[owners == rows.place]),
        counts=np.bincount(owners, minlength=rows.processes).tolist(),
        order=places[: len(sources)],
        kept=rows.local(changed[mine]),
        kept_from=places[len(sources) :][mine],
    )
