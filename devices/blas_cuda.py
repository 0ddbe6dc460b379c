"""cuBLAS through CuPy for parts of row-major matrices: C ← C + αAB and L⁻¹B, the operations of devices/blas.py.

Column-major, a row-major matrix is its transpose: what is asked of cuBLAS is Cᵀ ← Cᵀ + αBᵀAᵀ, and X from XLᵀ = Bᵀ.
Numbers of cudaDataType, cublasComputeType_t and cublas*_t are those of library_types.h and cublas_api.h.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from clustermark.core.errors import DeviceError, plain

R_32F, R_64F = 0, 1
COMPUTE_32F, COMPUTE_64F = 68, 70
OP_N, OP_T, DEFAULT_ALGORITHM = 0, 1, -1
SIDE_RIGHT, FILL_UPPER, DIAGONAL_UNIT = 1, 1, 1
# dtype → cudaDataType, cublasComputeType_t, routine of triangular solves.
_KINDS: Mapping[str, tuple[int, int, str]] = {
    "float64": (R_64F, COMPUTE_64F, "dtrsm"),
    "float32": (R_32F, COMPUTE_32F, "strsm"),
}


def library() -> tuple[Any, int]:
    """CuPy's module of cuBLAS and the handle of this GPU; raises DeviceError where the library is not installed."""
    try:
        cublas: Any = importlib.import_module("cupy.cuda").cublas
    except (ImportError, AttributeError) as error:
        raise DeviceError(
            f"device 'cuda': cuBLAS cannot be loaded ({plain(str(error).splitlines()[0], 120)}); "
            f"pip install 'cupy-cuda13x[ctk]', or load your site's CUDA module"
        ) from error
    return cublas, int(importlib.import_module("cupy.cuda.device").get_cublas_handle())


class DeviceBlas:
    """Operations on arrays of the GPU, given to the current stream; float64 or float32, rows contiguous."""

    direct = True

    def __init__(self, dtype: str) -> None:
        """Of one type; raises DeviceError where cuBLAS is not installed."""
        self._cublas, self._handle = library()
        self._kind, self._compute, solve = _KINDS[dtype]
        self._solve = getattr(self._cublas, solve)
        # cuBLAS reads factors through their addresses.
        self._factors = {factor: np.full(1, factor, dtype) for factor in (1.0, -1.0)}

    def add_product(self, c: Any, a: Any, b: Any, alpha: float = 1.0) -> None:
        """C ← C + αAB, α = ±1.

        Parameters
        ----------
        c, b : (m, n), (k, n), rows contiguous
        a : (m, k), rows or columns contiguous
        """
        (m, n), k = c.shape, b.shape[0]
        if not (m and n and k):
            return
        turned = a.strides[1] != a.itemsize and a.strides[0] == a.itemsize
        order, lead = (OP_T, _lead(a.T)) if turned else (OP_N, _lead(a))
        kind, factor, one = self._kind, self._factors[alpha].ctypes.data, self._factors[1.0].ctypes.data
        self._cublas.gemmEx(
            *(self._handle, OP_N, order, n, m, k, factor, b.data.ptr, kind, _lead(b)),
            *(a.data.ptr, kind, lead, one, c.data.ptr, kind, _lead(c), self._compute, DEFAULT_ALGORITHM),
        )

    def solve_unit_lower(self, lower: Any, b: Any) -> None:
        """B ← L⁻¹B with a unit lower triangle; what stands on and above the diagonal of `lower` is not read.

        Parameters
        ----------
        lower, b : (k, k), (k, n), rows contiguous
        """
        k, n = b.shape
        if not (k and n):
            return
        self._solve(
            *(self._handle, SIDE_RIGHT, FILL_UPPER, OP_N, DIAGONAL_UNIT, n, k, self._factors[1.0].ctypes.data),
            *(lower.data.ptr, _lead(lower), b.data.ptr, _lead(b)),
        )


def _lead(matrix: Any) -> int:
    """Numbers from one row to the next; of a single row the stride may be anything."""
    rows, columns = matrix.shape
    return int(columns if rows == 1 else max(matrix.strides[0] // matrix.itemsize, columns))
