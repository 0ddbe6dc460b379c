"""A grid of P×Q ranks and its lines: the ranks of one process row, or of one process column.

A line of one rank makes no MPI call, so that one rank needs no MPI.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Transfer:
    """A message under way; `look` lets it make progress while something else is computed."""

    wait: Callable[[], object] = lambda: None
    look: Callable[[], object] = lambda: None


class Line:
    """Collectives over the ranks of a line; arrays are C-contiguous."""

    def __init__(self, comm: Any = None) -> None:
        """`comm` is an mpi4py communicator; None is a line of one."""
        self.comm = comm
        self.rank: int = comm.rank if comm is not None else 0
        self.size: int = comm.size if comm is not None else 1

    def start_broadcast(self, array: Array, root: int) -> Transfer:
        """Copy the root's array into every rank's: MPI_Ibcast."""
        if self.size == 1:
            return Transfer()
        request = self.comm.Ibcast(array, root)
        return Transfer(request.Wait, request.Test)

    def broadcast(self, array: Array, root: int) -> None:
        """The same, waited for."""
        if self.size > 1:
            self.comm.Bcast(array, root)

    def allgather(self, mine: Array) -> Array:
        """(size, len(mine)): every rank's vector."""
        if self.size == 1:
            return mine[np.newaxis]
        everyone = np.empty((self.size, mine.size), mine.dtype)
        self.comm.Allgather(mine, everyone)
        return everyone

    def allgather_rows(self, mine: Array, counts: Sequence[int], into: Array) -> Array:
        """The rows of all ranks, one behind the other, in one message a rank: MPI_Allgatherv.

        Parameters
        ----------
        mine : (counts[rank], n)
        into : at least sum(counts)·n numbers, flat

        Returns
        -------
        (sum(counts), n) : a part of `into`; `mine` itself on a line of one
        """
        if self.size == 1:
            return mine
        width = mine.shape[1]
        everyone = into[: sum(counts) * width].reshape(-1, width)
        self.comm.Allgatherv(mine, [everyone, [count * width for count in counts]])
        return everyone

    def sum_to(self, array: Array, root: int) -> Array:
        """The sum over ranks on the root; elsewhere the array means nothing afterwards."""
        if self.size == 1:
            return array
        total = np.empty_like(array)
        self.comm.Reduce(array, total, root=root)
        return total

    def total(self, array: Array) -> Array:
        """The sum over ranks on every rank, the same bits everywhere: summed on one rank, then broadcast."""
        if self.size == 1:
            return array
        found = self.sum_to(array, 0)
        self.broadcast(found, 0)
        return found


@dataclass(frozen=True)
class Grid:
    """P×Q ranks, numbered row by row.

    Attributes
    ----------
    rows, columns : P and Q
    row, column : where this rank stands
    along_row : the ranks of its process row, numbered by their column
    along_column : the ranks of its process column, numbered by their row
    world : all
    """

    rows: int
    columns: int
    row: int
    column: int
    along_row: Line
    along_column: Line
    world: Line


def make_grid(comm: Any, rows: int, columns: int) -> Grid:
    """The grid on a communicator of rows·columns ranks (None: one rank); collective."""
    if comm is None:
        return Grid(1, 1, 0, 0, Line(), Line(), Line())
    row, column = divmod(comm.rank, columns)
    return Grid(
        rows,
        columns,
        row,
        column,
        along_row=Line(comm.Split(row, column)),
        along_column=Line(comm.Split(column, row)),
        world=Line(comm),
    )
