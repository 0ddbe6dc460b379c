"""The matrices of the solvers: each entry is a function of (seed, row, column), so that every rank makes its own.

Entries are u − ½ with u from 32 bits of Philox (Salmon et al. 2011): the same numbers on every grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from clustermark.devices.counter_rng import MATRIX_ENTRY, MATRIX_SCALE, random_words, uniform

Array = npt.NDArray[Any]

# Rows and columns of a badly scaled matrix are multiplied by 2^-20 … 2^20.
WIDEST_EXPONENT = 20


@numba.njit(nogil=True, cache=True, error_model="numpy")
def fill_entries(
    out: Any, rows: Any, columns: Any, seed: int, n: int, shift: float, zero_column: int, widest: int
) -> None:
    """a_ij = (u_ij − ½)·2^(e_i + f_j) + shift·δ_ij; column n is the right-hand side, b_i = u_in − ½.

    Parameters
    ----------
    out : (rows.size, columns.size) float64 or float32, overwritten
    rows, columns : int64 indices in the whole matrix
    zero_column : a column of zeros, −1 for none
    widest : e, f are whole numbers in −widest … widest
    """
    span = np.uint64(2 * widest + 1)
    for i in range(rows.size):
        row = rows[i]
        row_exponent = np.int64(random_words(seed, row, 0, MATRIX_SCALE)[0] % span) - widest
        group = np.int64(-1)
        words = random_words(seed, row, 0, MATRIX_ENTRY)
        for j in range(columns.size):
            column = columns[j]
            if column >> 2 != group:
                group = column >> 2
                words = random_words(seed, row, group, MATRIX_ENTRY)
            value = uniform(words[column & 3]) - 0.5
            if column < n:
                if widest > 0:
                    exponent = np.int64(random_words(seed, column, 1, MATRIX_SCALE)[0] % span) - widest
                    value *= 2.0 ** (row_exponent + exponent)
                if row == column:
                    value += shift
                if column == zero_column:
                    value = 0.0
            out[i, j] = value


@dataclass(frozen=True)
class DenseMatrix:
    """A of order n, and b as its column n.

    Attributes
    ----------
    n, seed : order; root of the numbers
    shift : added to the diagonal
    zero_column : −1 for none
    widest : largest exponent of the scales of rows and columns, 0 for none
    """

    n: int
    seed: int
    shift: float = 0.0
    zero_column: int = -1
    widest: int = 0

    def fill(self, out: Array, rows: Array, columns: Array) -> None:
        """The entries at the crossings of rows and columns; `out` is (rows, columns), float64 or float32."""
        fill_entries(out, rows, columns, self.seed, self.n, self.shift, self.zero_column, self.widest)

    def part(self, rows: Array, columns: Array, dtype: str = "float64") -> Array:
        """The same in a new array."""
        out = np.empty((rows.size, columns.size), dtype)
        self.fill(out, rows, columns)
        return out


def uniform_matrix(n: int, seed: int) -> DenseMatrix:
    """Entries uniform on (−½, ½), as HPL has them."""
    return DenseMatrix(n, seed)


def scaled_matrix(n: int, seed: int) -> DenseMatrix:
    """Rows and columns scaled by powers of two over twelve decades each."""
    return DenseMatrix(n, seed, widest=WIDEST_EXPONENT)


def singular_matrix(n: int, seed: int) -> DenseMatrix:
    """Column n/2 is zero, so that its pivot is, in every arithmetic."""
    return DenseMatrix(n, seed, zero_column=n // 2)


def definite_matrix(n: int, seed: int) -> DenseMatrix:
    """√n on the diagonal: factored stably without pivoting although no row is dominated by its diagonal for n > 16.

    The symmetric part of the random part has a norm of about 2√(n/24) = 0.41√n, so x ᵀAx ≥ 0.59√n xᵀx: A is positive
    definite, and so is every Schur complement (Golub & Van Loan, Matrix Computations, 4th ed., section 4.1). The sum
    of magnitudes beside the diagonal is about n/4.
    """
    return DenseMatrix(n, seed, shift=math.sqrt(n))


def dominant_matrix(n: int, seed: int) -> DenseMatrix:
    """n/2 on the diagonal, more than the magnitudes beside it can add up to."""
    return DenseMatrix(n, seed, shift=n / 2)
