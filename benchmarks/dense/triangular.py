"""Triangular systems on a P×Q grid, with right-hand sides that every rank has in full.

Block after block: the process row of the diagonal block adds up what the blocks before owe (MPI_Reduce along the row),
its owner solves, the solution goes down its process column (MPI_Bcast), where it acts on the rows that are left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.factorisation import Parts
from clustermark.benchmarks.dense.home import HOST, Home
from clustermark.benchmarks.dense.kernels_cpu import back_substitute, forward_substitute

Array = npt.NDArray[Any]


def solve_upper(parts: Parts, matrix: Any, right: Array, home: Home = HOST) -> Array:
    """x = U⁻¹y.

    Parameters
    ----------
    matrix : (m, n) the local part, at home; below the diagonal nothing is read
    right : (n,) the same on every rank, of the matrix's type

    Returns
    -------
    (n,) of the matrix's type, the same on every rank
    """
    starts = range(0, parts.n, parts.rows.block)
    return _solve(parts, matrix, right, list(reversed(starts)), back_substitute, home, upper=True)


def solve_unit_lower(parts: Parts, matrix: Any, right: Array, home: Home = HOST) -> Array:
    """x = L⁻¹y, L unit lower triangular; on and above the diagonal nothing is read. As `solve_upper`."""
    starts = range(0, parts.n, parts.rows.block)
    return _solve(parts, matrix, right, list(starts), forward_substitute, home, upper=False)


def _solve(
    parts: Parts,
    matrix: Any,
    right: Array,
    starts: list[int],
    substitute: Callable[[Array, Array], None],
    home: Home,
    upper: bool,
) -> Array:
    grid, rows, columns = parts.grid, parts.rows, parts.columns
    solution = np.zeros(parts.n, matrix.dtype)
    owed = home.zeros(matrix.shape[0], matrix.dtype)
    for start in starts:
        end = min(start + rows.block, parts.n)
        owner, root = rows.owner(start), columns.owner(start)
        top, bottom = rows.below(start), rows.below(end)
        left = columns.below(start)
        block = np.zeros(end - start, matrix.dtype)
        if owner == grid.row:
            sums = grid.along_row.sum_to(home.to_host(owed[top:bottom]), root)
            if root == grid.column:
                block[:] = right[start:end] - sums
                substitute(home.to_host(matrix[top:bottom, left : left + end - start]), block)
        if root == grid.column:
            grid.along_column.broadcast(block, owner)
            left_to_do = slice(0, top) if upper else slice(bottom, None)
            home.add_product(owed[left_to_do], matrix[left_to_do, left : left + end - start], block)
            if owner == grid.row:
                solution[start:end] = block
    return grid.world.total(solution)
