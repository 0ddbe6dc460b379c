"""The BLAS that NumPy is linked with, called for what NumPy has no name for: C ← C + αAB, and triangular solves.

np.matmul can only overwrite: C − AB then needs a second array as large as C and another pass over both. The library is
found among those that are loaded (threadpoolctl knows OpenBLAS, MKL and BLIS), and is believed only after it solved a
small case. Where there is none, the same operations are made of np.matmul.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]
Routine = Callable[..., object]

# Values of CBLAS' enumerations (cblas.h of the reference BLAS).
ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE = 101, 111, 112
UPPER, LOWER, NON_UNIT, UNIT, LEFT, RIGHT = 121, 122, 131, 132, 141, 142
LETTERS = {"float64": "d", "float32": "s"}
REALS: Mapping[str, Any] = {"d": ctypes.c_double, "s": ctypes.c_float}
# How builds of OpenBLAS decorate their names, and the integers that go with them.
DECORATIONS = (
    ("scipy_", "64_", ctypes.c_int64),
    ("", "64_", ctypes.c_int64),
    ("scipy_", "", ctypes.c_int32),
    ("", "", ctypes.c_int32),
)
# Triangles up to this size are solved column by column where np.matmul has to do it.
SMALLEST_TRIANGLE = 16


@dataclass(frozen=True)
class Blas:
    """Operations on row-major matrices, or on transposes of such, of float64 or float32.

    Attributes
    ----------
    gemm, trsm : letter of the type → routine of the library; empty where np.matmul does the work
    """

    gemm: Mapping[str, Routine]
    trsm: Mapping[str, Routine]

    @property
    def direct(self) -> bool:
        """Whether a library is called."""
        return bool(self.gemm)

    def add_product(self, c: Matrix, a: Matrix, b: Matrix, alpha: float = 1.0) -> None:
        """C ← C + αAB.

        Parameters
        ----------
        c, b : (m, n), (k, n), rows contiguous
        a : (m, k), rows or columns contiguous
        """
        m, n = c.shape
        k = b.shape[0]
        if not (m and n and k):
            return
        if not self.direct:
            product = a @ b
            np.add(c, product if alpha == 1.0 else alpha * product, out=c)
            return
        turned = a.strides[1] != a.itemsize
        order, lead = (TRANSPOSE, _lead(a.T)) if turned else (NO_TRANSPOSE, _lead(a))
        self.gemm[LETTERS[c.dtype.name]](
            *(ROW_MAJOR, order, NO_TRANSPOSE, m, n, k, alpha, a.ctypes.data, lead),
            *(b.ctypes.data, _lead(b), 1.0, c.ctypes.data, _lead(c)),
        )

    def solve_unit_lower(self, lower: Matrix, b: Matrix) -> None:
        """B ← L⁻¹B with a unit lower triangle; what stands on and above the diagonal of `lower` is not read.

        Parameters
        ----------
        lower, b : (k, k), (k, n), rows contiguous
        """
        if self.direct:
            self._solve(LEFT, LOWER, UNIT, lower, b)
        else:
            _solve_by_halves(self, lower, b, unit=True)

    def solve_upper_right(self, upper: Matrix, b: Matrix) -> None:
        """B ← BU⁻¹ with an upper triangle; what stands below the diagonal of `upper` is not read.

        Parameters
        ----------
        upper, b : (k, k), (n, k), rows contiguous
        """
        if self.direct:
            self._solve(RIGHT, UPPER, NON_UNIT, upper, b)
        else:
            _solve_by_halves(self, upper.T, b.T, unit=False)

    def _solve(self, side: int, half: int, diagonal: int, triangle: Matrix, b: Matrix) -> None:
        k, n = b.shape
        if not (k and n):
            return
        self.trsm[LETTERS[b.dtype.name]](
            *(ROW_MAJOR, side, half, NO_TRANSPOSE, diagonal, k, n, 1.0, triangle.ctypes.data),
            *(_lead(triangle), b.ctypes.data, _lead(b)),
        )


def _lead(matrix: Matrix) -> int:
    """Numbers from one row to the next; of a single row NumPy's stride may be anything."""
    return max(matrix.strides[0] // matrix.itemsize, matrix.shape[1])


def _solve_by_halves(blas: Blas, lower: Matrix, b: Matrix, unit: bool) -> None:
    """L₁₁X₁ = B₁, then L₂₂X₂ = B₂ − L₂₁X₁: most of the work is in the product."""
    size = lower.shape[0]
    if size <= SMALLEST_TRIANGLE:
        for row in range(size):
            b[row] -= lower[row, :row] @ b[:row]
            if not unit:
                b[row] /= lower[row, row]
        return
    half = size // 2
    _solve_by_halves(blas, lower[:half, :half], b[:half], unit)
    blas.add_product(b[half:], lower[half:, :half], b[:half], -1.0)
    _solve_by_halves(blas, lower[half:, half:], b[half:], unit)


BY_MATMUL = Blas({}, {})


def open_blas() -> Blas:
    """NumPy's library if it can be called and is right, else `BY_MATMUL`."""
    import threadpoolctl

    pools = [pool for pool in threadpoolctl.threadpool_info() if pool.get("user_api") == "blas"]
    pools.sort(key=lambda pool: "numpy" not in str(pool.get("filepath")))  # SciPy brings one of its own
    for pool in pools:
        found = _bound(str(pool.get("filepath")))
        if found is not None and _is_right(found):
            return found
    return BY_MATMUL


def _bound(path: str) -> Blas | None:
    try:
        library = ctypes.CDLL(path)
    except OSError:
        return None
    for before, after, integer in DECORATIONS:
        names = {letter: [f"{before}cblas_{letter}{kind}{after}" for kind in ("gemm", "trsm")] for letter in REALS}
        if all(hasattr(library, name) for pair in names.values() for name in pair):
            gemm, trsm = {}, {}
            for letter, (product, solve) in names.items():
                gemm[letter], trsm[letter] = getattr(library, product), getattr(library, solve)
                _declare(gemm[letter], trsm[letter], integer, REALS[letter])
            return Blas(gemm, trsm)
    return None


def _declare(gemm: Any, trsm: Any, integer: Any, real: Any) -> None:
    word, address = ctypes.c_int, ctypes.c_void_p
    matrix = [address, integer]
    gemm.argtypes = [word] * 3 + [integer] * 3 + [real, *matrix, *matrix, real, *matrix]
    trsm.argtypes = [word] * 5 + [integer] * 2 + [real, *matrix, *matrix]
    gemm.restype = trsm.restype = None


def _is_right(blas: Blas) -> bool:
    """Whether all operations give the exact answer for small whole numbers, in both types."""
    for dtype in LETTERS:
        a, b = (np.arange(1, 13, dtype=dtype).reshape(shape) for shape in ((3, 4), (4, 3)))
        c = np.ones((3, 5), dtype)
        blas.add_product(c[:, :3], a, b, -1.0)
        blas.add_product(c[:, :3], b.T, np.ascontiguousarray(a.T), 1.0)
        lower = np.array([[1, 0, 0], [2, 1, 0], [3, 4, 1]], dtype)
        solved, again = lower @ a, np.ascontiguousarray((lower @ a).T)
        blas.solve_unit_lower(lower, solved)
        blas.solve_upper_right(np.ascontiguousarray(lower.T), again)
        expected = 1 - a @ b + b.T @ a.T
        if not (
            (c[:, :3] == expected).all() and (c[:, 3:] == 1).all() and (solved == a).all() and (again == a.T).all()
        ):
            return False
    return True
