"""The obvious LU with partial pivoting, in float64, on one rank: what the fast one must agree with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def reference_lu(matrix: Array) -> tuple[Array, Array]:
    """Outer-product LU with partial pivoting (Golub & Van Loan, Matrix Computations, 4th ed., algorithm 3.4.1).

    Parameters
    ----------
    matrix : (n, ≥ n); columns from n on are right-hand sides, interchanged and updated too

    Returns
    -------
    float64 (n, …), U on and above the diagonal, L beneath; (n,) int64, the row that changed places with row k in step k

    Raises
    ------
    ZeroDivisionError : names the column that has no pivot
    """
    a = np.array(matrix, np.float64)
    pivots = np.zeros(len(a), np.int64)
    for k in range(len(a)):
        pivots[k] = place = k + np.abs(a[k:, k]).argmax()
        a[[k, place]] = a[[place, k]]
        if a[k, k] == 0:
            raise ZeroDivisionError(f"column {k} has no pivot")
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return a, pivots


def reference_solve(matrix: Array) -> Array:
    """x of Ax = b by `reference_lu` of (A | b) and back substitution; (n, n + 1) → (n,) float64."""
    a, _ = reference_lu(matrix)
    x = a[:, -1].copy()
    for i in range(len(a) - 1, -1, -1):
        x[i] = (x[i] - a[i, i + 1 : -1] @ x[i + 1 :]) / a[i, i]
    return x
