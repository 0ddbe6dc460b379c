"""Kernels of the factorisation on a CPU. A panel is stored column by column: panel[j, i] is row i of its column j."""

from typing import Any

import numba
import numpy as np

# Rows that are worked on at a time: a few columns of so many stay in the first cache.
CHUNK = 512
# Tile of a transposition, in rows and columns.
TILE = 32


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")
def owe_column(panel: Any, top: Any, begin: int, column: int, first: int) -> int:
    """Column j minus what columns begin … j−1 owe it: a_ij ← a_ij − Σ_k l_ik u_kj (Golub & Van Loan, 4th ed., 3.2.8).

    Parameters
    ----------
    panel : (w, m), columns begin … j−1 hold multipliers; row `column` of it is overwritten from `first` on
    top : (w, w) rows that were pivots; entries (begin … j−1, j) are overwritten by those of U

    Returns
    -------
    place of the entry of largest magnitude from `first` on, the first of equals; −1 where there is none
    """
    for row in range(begin + 1, column):
        owed = top[row, column]
        for k in range(begin, row):
            owed -= top[row, k] * top[k, column]
        top[row, column] = owed
    rows = panel.shape[1]
    target = panel[column]
    best, chunk_of_best = -1.0, -1
    for start in range(first, rows, CHUNK):
        end = min(start + CHUNK, rows)
        for k in range(begin, column):
            source, factor = panel[k], top[k, column]
            for i in range(start, end):
                target[i] -= factor * source[i]
        largest = 0.0
        for i in range(start, end):
            largest = max(largest, abs(target[i]))
        if largest > best:
            best, chunk_of_best = largest, start
    if chunk_of_best < 0:
        return -1
    for i in range(chunk_of_best, min(chunk_of_best + CHUNK, rows)):
        if abs(target[i]) == best:
            return i
    return first


@numba.njit(nogil=True, cache=True, error_model="numpy")
def divide_column(panel: Any, column: int, first: int, pivot: float) -> None:
    """Multipliers l_ij = a_ij / u_jj of a column from `first` on; a pivot of zero leaves them as they are."""
    if pivot == 0.0:
        return
    target = panel[column]
    for i in range(first, panel.shape[1]):
        target[i] /= pivot


@numba.njit(nogil=True, cache=True, error_model="numpy")
def interchange(panel: Any, top: Any, column: int, place: int) -> None:
    """The pivot row becomes row j of `top`, and row j of the panel stands where the pivot row stood."""
    for k in range(panel.shape[0]):
        value = panel[k, place]
        panel[k, place] = panel[k, column]
        top[column, k] = value


@numba.njit(nogil=True, cache=True, error_model="numpy")
def factor_alone(panel: Any, top: Any, places: Any, begin: int, end: int, pivoting: bool) -> None:
    """Columns begin … end−1 of a panel whose rows are all here, its first w rows being those of the diagonal block.

    Parameters
    ----------
    panel, top : as for `owe_column`; overwritten
    places : (w,) int64, where the pivot rows stood; overwritten
    pivoting : False takes the diagonal as pivot
    """
    for column in range(begin, end):
        place = owe_column(panel, top, begin, column, column)
        if not pivoting:
            place = column
        places[column] = place
        interchange(panel, top, column, place)
        divide_column(panel, column, column + 1, top[column, column])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def gather_rows(matrix: Any, rows: Any, first: int, out: Any) -> None:
    """out[k] = matrix[rows[k], first : first + width of out]."""
    for k in range(rows.size):
        source, target = matrix[rows[k]], out[k]
        for j in range(out.shape[1]):
            target[j] = source[first + j]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def scatter_rows(matrix: Any, rows: Any, first: int, given: Any, taken: Any) -> None:
    """matrix[rows[k], first : …] = given[taken[k]]."""
    for k in range(rows.size):
        source, target = given[taken[k]], matrix[rows[k]]
        for j in range(given.shape[1]):
            target[first + j] = source[j]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def transpose_into(source: Any, target: Any) -> None:
    """target = sourceᵀ, tile by tile, so that both are read and written in whole lines of the cache."""
    rows, columns = source.shape
    for top in range(0, rows, TILE):
        for left in range(0, columns, TILE):
            for j in range(left, min(left + TILE, columns)):
                for i in range(top, min(top + TILE, rows)):
                    target[j, i] = source[i, j]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def round_to_bf16(source: Any, bits: Any) -> None:
    """Upper halves of the nearest bfloat16 numbers, to even where two are: b + 0x7fff + (bit 16 of b), shifted by 16.

    Parameters
    ----------
    source, bits : (m, n) float32, any strides, and uint16; infinities stay, a NaN of few bits may not
    """
    rows, columns = source.shape
    words = source.view(np.uint32)
    for i in range(rows):
        for j in range(columns):
            word = words[i, j]
            bits[i, j] = (word + np.uint32(0x7FFF) + ((word >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def back_substitute(upper: Any, x: Any) -> None:
    """x ← U⁻¹x, row by row (Golub & Van Loan, 3.1.2); below the diagonal nothing is read."""
    for i in range(x.size - 1, -1, -1):
        value = x[i]
        for j in range(i + 1, x.size):
            value -= upper[i, j] * x[j]
        x[i] = value / upper[i, i]


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def forward_substitute(lower: Any, x: Any) -> None:
    """x ← L⁻¹x with a unit lower triangle, row by row (Golub & Van Loan, 3.1.1)."""
    for i in range(x.size):
        value = x[i]
        for j in range(i):
            value -= lower[i, j] * x[j]
        x[i] = value
