"""The matrices that SUMMA multiplies, and the comparison of every element of the product with one made anew."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.lines import Grid
from clustermark.benchmarks.dense.matrix import DenseMatrix
from clustermark.core.accuracy import product_bound
from clustermark.core.precision import PRECISIONS, Precision
from clustermark.transports.parts import part_of

Array = npt.NDArray[Any]

# Numbers of A that are made at a time for the check.
CHUNK = 2**21


class Operands:
    """A and B of order n: uniform on (−½, ½), or whole numbers from −4 to 4, whose sums are exact in any order.

    Attributes
    ----------
    rows, columns : global indices of this rank's block of C
    inner_of_a, inner_of_b : columns of A, rows of B that this rank has
    """

    def __init__(self, n: int, seed: int, exact: bool, dtype: str, grid: Grid) -> None:
        """Nothing is made yet."""
        self.n, self.exact, self.dtype = n, exact, dtype
        self._matrix = DenseMatrix(n, seed)
        every = np.arange(n)
        self.rows, self.inner_of_b = (every[part_of(n, grid.rows, grid.row)] for _ in range(2))
        self.columns, self.inner_of_a = (every[part_of(n, grid.columns, grid.column)] for _ in range(2))

    def a(self, rows: Array, columns: Array) -> Array:
        """Entries of A, of the type."""
        return self._made(rows, columns)

    def b(self, rows: Array, columns: Array) -> Array:
        """Entries of B: what the generator has beyond the right-hand side."""
        return self._made(rows, columns + self.n + 1)

    def _made(self, rows: Array, columns: Array) -> Array:
        entries = self._matrix.part(rows, columns, self.dtype)
        return np.rint(8 * entries) if self.exact else entries


def compare_product(operands: Operands, c: Array, precision: Precision) -> tuple[float, float, str]:
    """Every element of this rank's block of C against the product made anew in float64.

    Parameters
    ----------
    c : (rows, columns)

    Returns
    -------
    error, bound, detail : of exact operands the number of wrong elements and 0; of others the largest
        |C − AB| / (|A||B|) and what `product_bound` allows, with float64's own share for the comparison
    """
    every = np.arange(operands.n)
    b = operands.b(every, operands.columns).astype(np.float64)
    height = max(1, CHUNK // operands.n)
    worst, where = 0.0, "no difference found"
    for first in range(0, operands.rows.size, height):
        a = operands.a(operands.rows[first : first + height], every).astype(np.float64)
        difference = np.abs(c[first : first + height] - a @ b)
        error = (difference != 0).astype(np.float64) if operands.exact else difference / (np.abs(a) @ np.abs(b))
        error = np.where(np.isnan(error), math.inf, error)
        found = float(error.sum() if operands.exact else error.max(initial=0.0))
        if found > 0 and (operands.exact or found > worst):
            i, j = np.unravel_index(int(error.argmax()), error.shape)
            where = f"element ({operands.rows[first + i]}, {operands.columns[j]}) is {c[first + i, j]:.9g}"
        worst = worst + found if operands.exact else max(worst, found)
    if operands.exact:
        return worst, 0.0, where
    own = product_bound(PRECISIONS["fp64"], operands.n)
    return worst, product_bound(precision, operands.n) + own, where
