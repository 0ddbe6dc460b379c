"""One block column of the factorisation: where its message keeps what, and its recursive factorisation.

Toledo, SIAM J. Matrix Anal. Appl. 18 (1997): halve the columns; factor the left half, let it act on the right half by
a triangular solve and a product, factor the right half. Most of the work is in products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.kernels_cpu import divide_column, factor_alone, owe_column
from clustermark.benchmarks.dense.lines import Line
from clustermark.devices.blas import Blas

Array = npt.NDArray[Any]

# Columns that are factored one by one.
NARROW = 16


@dataclass(frozen=True)
class Panel:
    """Columns k … k + w of the whole matrix, as one process row keeps them; views of one message.

    Attributes
    ----------
    message : flat; all of it travels along the process row
    positions : (w,) global places of the pivot rows, as numbers of the matrix's type
    zero : (1,) 0, or 1 + the first column whose pivot is exactly zero
    top : (w, w) the rows that became pivots: L₁₁ below the diagonal, U₁₁ on and above
    columns : (w, m) this process row's rows from row k on; columns are contiguous where pivots are looked for in them,
        else (`by_rows`, a transposed view) rows are, as in the matrix
    holds_diagonal : whether the first w of them are those of the diagonal block; they are dead once it is factored
    start, rows : k; (m,) global indices of the rows
    """

    message: Array
    positions: Array
    zero: Array
    top: Array
    columns: Array
    holds_diagonal: bool
    start: int
    rows: Array

    @property
    def width(self) -> int:
        """w."""
        return self.top.shape[0]

    @property
    def below(self) -> Array:
        """(m', w): L₂₁, the rows below the diagonal block; a transposed view of columns, or contiguous."""
        return self.columns[:, self.width if self.holds_diagonal else 0 :].T

    def first(self, column: int) -> int:
        """The first row that is still a candidate when so many columns are done."""
        return column if self.holds_diagonal else 0


def message_size(width: int, rows: int) -> int:
    """Numbers in the message of a panel: pivots, the zero, top, columns."""
    return width + 1 + width * width + width * rows


def panel_in(buffer: Array, start: int, width: int, rows: Array, holds_diagonal: bool, by_rows: bool = False) -> Panel:
    """A panel laid out in the first numbers of a flat buffer.

    Parameters
    ----------
    rows : global indices of this process row's rows from `start` on
    """
    message = buffer[: message_size(width, rows.size)]
    head, end = width + 1, width + 1 + width * width
    positions, zero, top, columns = message[:width], message[width:head], message[head:end], message[end:]
    return Panel(
        message,
        positions,
        zero,
        top.reshape(width, width),
        columns.reshape(rows.size, width).T if by_rows else columns.reshape(width, rows.size),
        holds_diagonal,
        start,
        rows,
    )


def factor_with_pivoting(panel: Panel, line: Line, owner: int, blas: Blas) -> None:
    """LU with partial pivoting of a panel whose rows are spread over a process column; collective over `line`.

    Parameters
    ----------
    panel : `columns` holds the entries; everything is overwritten
    owner : rank in `line` that holds the diagonal block
    """
    places = np.zeros(panel.width, np.int64)
    _halves(panel, line, owner, blas, places, 0, panel.width)
    if line.size == 1:
        panel.positions[:] = panel.rows[places]
    _note_zero(panel)


def factor_without_pivoting(panel: Panel, line: Line, owner: int, blas: Blas) -> None:
    """LU of the diagonal block on its owner, L₂₁ = A₂₁U₁₁⁻¹ on every rank of its column; the panel is one by rows."""
    width = panel.width
    if panel.holds_diagonal:
        block = panel_in(np.empty(message_size(width, width), panel.top.dtype), 0, width, panel.rows[:width], True)
        block.columns[:] = panel.columns[:, :width]
        _halves(block, Line(), 0, blas, np.zeros(width, np.int64), 0, width, pivoting=False)
        panel.top[:] = block.top
    line.broadcast(panel.top, owner)
    blas.solve_upper_right(panel.top, panel.below)
    panel.positions[:] = np.arange(panel.start, panel.start + width)
    _note_zero(panel)


def _note_zero(panel: Panel) -> None:
    zeros = np.flatnonzero(np.diagonal(panel.top) == 0)
    panel.zero[0] = panel.start + zeros[0] + 1 if zeros.size else 0


def _halves(
    panel: Panel, line: Line, owner: int, blas: Blas, places: Array, begin: int, end: int, pivoting: bool = True
) -> None:
    if end - begin <= NARROW:
        if line.size == 1:
            factor_alone(panel.columns, panel.top, places, begin, end, pivoting)
        else:
            for column in range(begin, end):
                _column_of_many(panel, line, owner, begin, column)
        return
    middle = (begin + end) // 2
    _halves(panel, line, owner, blas, places, begin, middle, pivoting)
    top, first = panel.top, panel.first(middle)
    blas.solve_unit_lower(top[begin:middle, begin:middle], top[begin:middle, middle:end])
    factors = np.ascontiguousarray(top[begin:middle, middle:end].T)
    blas.add_product(panel.columns[middle:end, first:], factors, panel.columns[begin:middle, first:], -1.0)
    _halves(panel, line, owner, blas, places, middle, end, pivoting)


def _column_of_many(panel: Panel, line: Line, owner: int, begin: int, column: int) -> None:
    """One column over several ranks: each proposes its largest entry with the whole row, in one all-gather.

    The owner of the diagonal sends row j along, which moves to where the pivot row stood. Equal magnitudes: the row
    that stands first in the matrix wins, as it does on one rank.
    """
    width, columns = panel.width, panel.columns
    place = owe_column(columns, panel.top, begin, column, panel.first(column))
    proposal = np.zeros(2 + 2 * width, columns.dtype)
    proposal[0] = -1
    if place >= 0:
        proposal[:2] = abs(columns[column, place]), panel.rows[place]
        proposal[2 : 2 + width] = columns[:, place]
    if panel.holds_diagonal:
        proposal[2 + width :] = columns[:, column]
    proposals = line.allgather(proposal)
    winner = winning_rank(proposals)
    panel.top[column] = proposals[winner, 2 : 2 + width]
    panel.positions[column] = proposals[winner, 1]
    if winner == line.rank and place >= 0:
        columns[:, place] = proposals[owner, 2 + width :]
    divide_column(columns, column, panel.first(column + 1), panel.top[column, column])


def winning_rank(proposals: Array) -> int:
    """The rank whose entry is largest, of equals the one whose row stands first in the matrix.

    Parameters
    ----------
    proposals : (ranks, ≥ 2): magnitude, global place of the row
    """
    largest = np.flatnonzero(proposals[:, 0] == proposals[:, 0].max())
    if not largest.size:
        return 0  # all are NaN; the residual will tell
    return int(largest[proposals[largest, 1].argmin()])
