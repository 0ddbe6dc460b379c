"""SUMMA: C = AB on a P×Q grid (van de Geijn & Watts, Concurrency: Practice and Experience 9, 1997).

C = Σ_k A(:, k) B(k, :): the process column that has a panel of A's columns sends it along the rows, the process row
that has the panel of B's rows sends it down the columns, and every rank adds the product to its block of C. Panel k + 1
travels (MPI_Ibcast) while panel k is multiplied.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.factorisation import STRIP
from clustermark.benchmarks.dense.lines import Grid, Transfer
from clustermark.devices.blas import Blas
from clustermark.transports.parts import part_starts

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Slab:
    """Inner indices begin … end−1: A's columns are on process column `column`, B's rows on process row `row`."""

    begin: int
    end: int
    row: int
    column: int


def slabs(n: int, width: int, grid: Grid) -> list[Slab]:
    """The inner indices in pieces of at most `width`, none across the border of two processes."""
    by_row, by_column = part_starts(n, grid.rows), part_starts(n, grid.columns)
    cuts = sorted({*by_row, *by_column, *range(0, n, width), n})
    found = []
    for begin, end in pairwise(cuts):
        owners = [max(k for k, start in enumerate(bounds) if start <= begin) for bounds in (by_row, by_column)]
        found.append(Slab(begin, end, *owners))
    return found


class Summa:
    """C = AB of order n; this rank has a block of each matrix.

    Attributes
    ----------
    a_transposed : (inner, rows) of Aᵀ, so that panels of A lie in one piece
    b : (inner, columns)
    c : (rows, columns), of the last `step`
    """

    def __init__(self, n: int, width: int, grid: Grid, a_transposed: Array, b: Array, blas: Blas) -> None:
        """Allocate two buffers for panels of each matrix; blocks are those of transports/parts.py."""
        self.grid, self.blas = grid, blas
        self.a_transposed, self.b = a_transposed, b
        self.slabs = slabs(n, width, grid)
        self._first_of_a = part_starts(n, grid.columns)[grid.column]
        self._first_of_b = part_starts(n, grid.rows)[grid.row]
        rows, columns = a_transposed.shape[1], b.shape[1]
        self.c = np.zeros((rows, columns), b.dtype)
        self._a = [np.zeros((width, rows), b.dtype) for _ in range(2)]
        self._b = [np.zeros((width, columns), b.dtype) for _ in range(2)]

    def step(self) -> None:
        """One product; collective."""
        self.c.fill(0)
        coming = self._start(0)
        for number in range(len(self.slabs)):
            a, b, transfers = coming
            for transfer in transfers:
                transfer.wait()
            following = self._start(number + 1) if number + 1 < len(self.slabs) else coming
            self._multiply(a, b, following[2])
            coming = following

    def _start(self, number: int) -> tuple[Array, Array, list[Transfer]]:
        """The panels of a slab, on their way: the owner's own memory, a buffer elsewhere."""
        slab, grid = self.slabs[number], self.grid
        count, turn = slab.end - slab.begin, number % 2
        a, b = self._a[turn][:count], self._b[turn][:count]
        if slab.column == grid.column:
            a = self.a_transposed[slab.begin - self._first_of_a : slab.end - self._first_of_a]
        if slab.row == grid.row:
            b = self.b[slab.begin - self._first_of_b : slab.end - self._first_of_b]
        along = grid.along_row.start_broadcast(a, slab.column)
        down = grid.along_column.start_broadcast(b, slab.row)
        return a, b, [along, down]

    def _multiply(self, a: Array, b: Array, transfers: list[Transfer]) -> None:
        for left in range(0, b.shape[1], STRIP):
            strip = slice(left, min(left + STRIP, b.shape[1]))
            self.blas.add_product(self.c[:, strip], a.T, b[:, strip])
            for transfer in transfers:
                transfer.look()
