"""cupy.cuda.cublas of the fake GPU: gemmEx and triangular solves on addresses, in NumPy, when the stream gets there.

Of their forms only those that the project asks for: A as it is, B as it is or transposed; XU = B with a unit diagonal.
"""

from __future__ import annotations

import ctypes
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from fake_gpu.memory import GpuFaultError

if TYPE_CHECKING:
    from fake_gpu.gpu import FakeGpu

HANDLE = 0xB1A5
# cudaDataType → NumPy's type of the bits, and how they become numbers.
STORED = {0: np.float32, 1: np.float64, 2: np.float16, 3: np.int8, 10: np.int32, 14: np.uint16}
# cublasComputeType_t → type of sums, of α and β, and which (operand, result) go with it.
COMPUTE = {
    70: (np.float64, np.float64, {(1, 1)}),
    68: (np.float32, np.float32, {(0, 0), (2, 2), (14, 14)}),
    77: (np.float32, np.float32, {(0, 0)}),
    72: (np.int32, np.int32, {(3, 10)}),
}
CUT = 13  # bits of float32 that TF32 has not


def numbers(bits: np.ndarray, kind: int, compute: int) -> np.ndarray:
    """Operands in the type of the sums."""
    if kind == 14:
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if compute == 77:
        return ((bits.view(np.uint32) >> np.uint32(CUT)) << np.uint32(CUT)).view(np.float32)
    return bits.astype(COMPUTE[compute][0])


def stored(values: np.ndarray, kind: int) -> np.ndarray:
    """Results as they are stored; bfloat16 by rounding half of float32's bits away."""
    if kind == 14:
        return ((values.astype(np.float32).view(np.uint32) + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint16)
    return values.astype(STORED[kind])


def make_cublas(gpu: FakeGpu) -> Any:
    """A fresh module."""
    module: Any = ModuleType("cupy.cuda.cublas")

    def matrix(address: int, rows: int, columns: int, leading: int, kind: int) -> np.ndarray:
        """Column-major memory of the GPU, as (columns, rows) in C order."""
        size = np.dtype(STORED[kind]).itemsize
        nbytes = ((columns - 1) * leading + rows) * size
        owner = gpu.memory.check(address, nbytes, "gemmEx")
        if owner is None or owner.kind != "device":
            raise GpuFaultError("gemmEx: a matrix is not in memory of the GPU")
        raw = owner.data[address - owner.ptr : address - owner.ptr + nbytes].view(STORED[kind])
        return np.lib.stride_tricks.as_strided(raw, (columns, rows), (leading * size, size))

    def gemmEx(
        handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int, A: int, Atype: int, lda: int,  # noqa: N803
        B: int, Btype: int, ldb: int, beta: int, C: int, Ctype: int, ldc: int, computeType: int, algo: int,  # noqa: N803
    ) -> None:  # fmt: skip
        gpu.record("gemmEx", gpu.current_stream(), m, n, k, Atype, Ctype, computeType)
        if handle != HANDLE or transa or transb not in (0, 1) or computeType not in COMPUTE:
            raise GpuFaultError("gemmEx: CUBLAS_STATUS_INVALID_VALUE")
        _, scalar, pairs = COMPUTE[computeType]
        if Atype != Btype or (Atype, Ctype) not in pairs or min(lda - m, ldb - (n if transb else k), ldc - m) < 0:
            raise GpuFaultError("gemmEx: CUBLAS_STATUS_NOT_SUPPORTED")
        if computeType == 72 and any(ld % 4 for ld in (lda, ldb, ldc)):
            raise GpuFaultError("gemmEx: CUBLAS_STATUS_NOT_SUPPORTED")
        size = np.dtype(scalar).itemsize
        one, zero = (np.frombuffer(ctypes.string_at(p, size), scalar)[0] for p in (alpha, beta))
        a, c = matrix(A, m, k, lda, Atype), matrix(C, m, n, ldc, Ctype)
        b = matrix(B, n, k, ldb, Btype).T if transb else matrix(B, k, n, ldb, Btype)

        def work() -> None:
            # (columns, rows) in C order are the transposes: Cᵀ = Bᵀ Aᵀ.
            result = numbers(np.array(b), Btype, computeType) @ numbers(np.array(a), Atype, computeType)
            c[...] = stored(one * result + (zero * c if zero else 0), Ctype)
            mark(C, c)

        gpu.give(gpu.current_stream(), "gemmEx", work)

    def mark(address: int, columns: np.ndarray) -> None:
        """The numbers of a matrix count as written, not those between its columns."""
        for number, column in enumerate(columns):
            gpu.memory.mark(address + number * columns.strides[0], column.size * columns.itemsize)

    def solve(name: str, real: Any, kind: int) -> Any:
        def trsm(
            handle: int, side: int, uplo: int, trans: int, diag: int, m: int, n: int, alpha: int, Aarray: int,  # noqa: N803
            lda: int, Barray: int, ldb: int,  # noqa: N803
        ) -> None:  # fmt: skip
            gpu.record(name, gpu.current_stream(), m, n)
            if handle != HANDLE or (side, uplo, trans, diag) != (1, 1, 0, 1) or min(lda - n, ldb - m) < 0:
                raise GpuFaultError(f"{name}: CUBLAS_STATUS_INVALID_VALUE")
            factor = np.frombuffer(ctypes.string_at(alpha, np.dtype(real).itemsize), real)[0]
            a, b = matrix(Aarray, n, n, lda, kind), matrix(Barray, m, n, ldb, kind)

            def work() -> None:
                # Transposed: XU = B is UᵀXᵀ = Bᵀ.
                b[...] *= factor
                for row in range(n):
                    b[row] -= a[row, :row] @ b[:row]
                mark(Barray, b)

            gpu.give(gpu.current_stream(), name, work)

        return trsm

    def getMathMode(handle: int) -> int:
        gpu.record("getMathMode")
        return 0

    module.gemmEx, module.getMathMode = gemmEx, getMathMode
    module.dtrsm, module.strsm = solve("dtrsm", np.float64, 1), solve("strsm", np.float32, 0)
    return module


def make_device(gpu: FakeGpu) -> Any:
    """cupy.cuda.device."""
    module: Any = ModuleType("cupy.cuda.device")

    def get_cublas_handle() -> int:
        gpu.record("get_cublas_handle")
        return HANDLE

    module.get_cublas_handle = get_cublas_handle
    return module
