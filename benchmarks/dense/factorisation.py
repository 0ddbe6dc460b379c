"""LU on a P×Q grid: block-cyclic, right-looking, with look-ahead of one panel.

Step k, with A₁₁ the diagonal block: factor the panel (A₁₁; A₂₁) = P (L₁₁; L₂₁) U₁₁, interchange rows,
U₁₂ = L₁₁⁻¹A₁₂, A₂₂ ← A₂₂ − L₂₁U₁₂ (Golub & Van Loan, Matrix Computations, 4th ed., algorithm 3.4.1 by blocks; HPL).
The process column of panel k + 1 updates and factors that first, and its broadcast travels while all ranks do the
rest of the update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.kernels_cpu import transpose_into
from clustermark.benchmarks.dense.layout import Cyclic
from clustermark.benchmarks.dense.lines import Grid, Transfer
from clustermark.benchmarks.dense.panel import (
    Panel,
    factor_with_pivoting,
    factor_without_pivoting,
    message_size,
    panel_in,
)
from clustermark.benchmarks.dense.row_moves import plan_moves
from clustermark.devices.blas import Blas

Array = npt.NDArray[Any]

# Given L₂₁: a call that does C ← C − L₂₁B.
Subtract = Callable[[Array], Callable[[Array, Array], None]]
# Columns of a product between two looks at the message under way.
STRIP = 512
# Bytes of a line of the caches.
LINE = 64


@dataclass(frozen=True)
class Parts:
    """A matrix of n rows on a grid.

    Attributes
    ----------
    n : order; columns beyond it (right-hand sides) are swapped and updated, but not factored
    grid : of ranks
    rows, columns : who has which
    """

    n: int
    grid: Grid
    rows: Cyclic
    columns: Cyclic


def local_array(parts: Parts, dtype: str) -> Array:
    """(m, n) zeros for the local part, rows an odd number of 64-byte lines apart.

    With rows a power of two apart, the numbers of a column would share few places of the caches.
    """
    rows, columns = parts.rows.mine.size, parts.columns.mine.size
    item = np.dtype(dtype).itemsize
    lines = -(-columns * item // LINE) | 1
    return np.zeros((rows, lines * LINE // item), dtype)[:, :columns]


def deal(n: int, extra: int, block: int, grid: Grid) -> Parts:
    """Rows 0 … n−1 and columns 0 … n+extra−1 in blocks over the grid."""
    rows = Cyclic(n, block, grid.rows, grid.row)
    return Parts(n, grid, rows, Cyclic(n + extra, block, grid.columns, grid.column))


class Factorisation:
    """Workspace of one factorisation; `run` may be called again and again.

    Attributes
    ----------
    matrix : (m, n) the local part; after `run` it holds U, and L beneath where there was no pivoting
    pivots : (n,) global places of the pivot rows of the last run
    zero_column : the first column whose pivot was zero in the last run, −1 for none
    """

    def __init__(
        self, parts: Parts, matrix: Array, blas: Blas, pivoting: bool = True, subtract: Subtract | None = None
    ) -> None:
        """Make buffers for two panels and one set of rows; `subtract` does the update's products, None: the BLAS."""
        self.parts, self.matrix, self.blas, self.pivoting = parts, matrix, blas, pivoting
        self.subtract = subtract or self._by_blas
        width, (rows, columns) = parts.rows.block, matrix.shape
        self.pivots = np.zeros(parts.n, np.int64)
        self.zero_column = -1
        self._buffers = [np.zeros(message_size(width, rows), matrix.dtype) for _ in range(2)]
        self._given, self._received = (np.zeros(2 * width * columns, matrix.dtype) for _ in range(2))

    def run(self) -> None:
        """Factor the matrix in place; collective over the grid."""
        self.zero_column = -1
        starts = range(0, self.parts.n, self.parts.rows.block)
        panel, transfer = self._next_panel(0, 0)
        for step, start in enumerate(starts):
            transfer.wait()
            self._take(panel)
            after = start + panel.width
            update = self._updater(panel)
            done = self.parts.columns.below(after)
            if after < self.parts.n:
                if self.parts.columns.owner(after) == self.parts.grid.column:
                    ahead = self.parts.columns.below(min(after + self.parts.rows.block, self.parts.n))
                    update(done, ahead, Transfer())
                    done = ahead
                following, transfer = self._next_panel(after, (step + 1) % 2)
            else:
                following, transfer = panel, Transfer()
            update(done, self.matrix.shape[1], transfer)
            panel = following

    def _by_blas(self, left: Array) -> Callable[[Array, Array], None]:
        return lambda c, right: self.blas.add_product(c, left, right, -1.0)

    def _next_panel(self, start: int, buffer: int) -> tuple[Panel, Transfer]:
        """The panel from column `start` on: factored here, or expected; its broadcast is under way."""
        parts, grid = self.parts, self.parts.grid
        width = min(parts.rows.block, parts.n - start)
        first, owner = parts.rows.below(start), parts.rows.owner(start)
        panel = panel_in(
            self._buffers[buffer], start, width, parts.rows.mine[first:], owner == grid.row, not self.pivoting
        )
        root = parts.columns.owner(start)
        if root == grid.column:
            self._bring(panel, first, parts.columns.below(start))
            factor = factor_with_pivoting if self.pivoting else factor_without_pivoting
            factor(panel, grid.along_column, owner, self.blas)
        transfer = grid.along_row.start_broadcast(panel.message, root)
        if root == grid.column:
            self._keep(panel, first, parts.columns.below(start))
        return panel, transfer

    def _bring(self, panel: Panel, first: int, left: int) -> None:
        """The entries of a panel out of the matrix."""
        given = self.matrix[first:, left : left + panel.width]
        if self.pivoting:
            transpose_into(given, panel.columns)
        else:
            panel.columns.T[:] = given

    def _keep(self, panel: Panel, first: int, left: int) -> None:
        """U₁₁, and L where it will be asked for: after interchanges of later panels it would be out of order."""
        width = panel.width
        if panel.holds_diagonal:
            self.matrix[first : first + width, left : left + width] = panel.top
        if not self.pivoting:
            below = first + panel.first(width)
            self.matrix[below:, left : left + width] = panel.below

    def _take(self, panel: Panel) -> None:
        self.pivots[panel.start : panel.start + panel.width] = panel.positions
        if self.zero_column < 0 and panel.zero[0] > 0:
            self.zero_column = int(panel.zero[0]) - 1

    def _updater(self, panel: Panel) -> Callable[[int, int, Transfer], None]:
        """A call that lets a panel act on local columns first … end−1: interchanges, U₁₂, A₂₂."""
        parts, width, grid = self.parts, panel.width, self.parts.grid
        positions = self.pivots[panel.start : panel.start + width].tolist()
        moves = plan_moves(panel.start, positions, parts.rows)
        top = parts.rows.below(panel.start)
        below = top + panel.first(width)
        # Without interchanges the only process row has the rows of U where they belong.
        in_place = not self.pivoting and grid.rows == 1
        subtract = self.subtract(panel.below)

        def update(first: int, end: int, transfer: Transfer) -> None:
            if first == end:
                return
            if in_place:
                rows = self.matrix[top : top + width, first:end]
            else:
                rows = moves.apply(self.matrix, first, end, grid.along_column, self._given, self._received)
            for left in range(0, end - first, STRIP):
                strip = slice(left, min(left + STRIP, end - first))
                place = slice(first + strip.start, first + strip.stop)
                self.blas.solve_unit_lower(panel.top, rows[:, strip])
                if panel.holds_diagonal and not in_place:
                    self.matrix[top : top + width, place] = rows[:, strip]
                subtract(self.matrix[below:, place], rows[:, strip])
                transfer.look()

        return update
