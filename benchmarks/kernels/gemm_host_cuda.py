"""Matrix products on the GPU: cuBLAS through CuPy's gemmEx, which is told the type of its sums.

Numbers of cudaDataType and cublasComputeType_t are those of library_types.h and cublas_api.h.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.devices.blas_cuda import COMPUTE_32F, COMPUTE_64F, DEFAULT_ALGORITHM, OP_N, R_32F, R_64F, library

Matrix = npt.NDArray[Any]

R_16F, R_8I, R_32I, R_16BF = 2, 3, 10, 14
COMPUTE_32I, COMPUTE_32F_FAST_TF32 = 72, 77


@dataclass(frozen=True)
class Mode:
    """How cuBLAS does a precision.

    Attributes
    ----------
    operand, result, compute : cudaDataType of A and B, and of C; cublasComputeType_t
    stored : NumPy type of C, or of its bits
    scalar : type of α and β
    """

    operand: int
    result: int
    compute: int
    stored: str
    scalar: str


MODES: dict[str, Mode] = {
    "fp64": Mode(R_64F, R_64F, COMPUTE_64F, "float64", "float64"),
    "fp32": Mode(R_32F, R_32F, COMPUTE_32F, "float32", "float32"),
    "tf32": Mode(R_32F, R_32F, COMPUTE_32F_FAST_TF32, "float32", "float32"),
    "fp16": Mode(R_16F, R_16F, COMPUTE_32F, "float16", "float32"),
    "bf16": Mode(R_16BF, R_16BF, COMPUTE_32F, "uint16", "float32"),
    "int8": Mode(R_8I, R_32I, COMPUTE_32I, "int32", "int32"),
}
# Variables by which cuBLAS 13 may do fp64 and fp32 in fixed point or bf16 without being asked in the call.
EMULATION_VARIABLES = (
    "CUBLAS_EMULATE_DOUBLE_PRECISION",
    "CUBLAS_EMULATE_SINGLE_PRECISION",
    "CUBLAS_EMULATION_STRATEGY",
)


@dataclass(frozen=True)
class Product:
    """A product made ready: a call that puts it into C, C on the host, and what is recorded of the library."""

    step: Callable[[], object]
    result: Callable[[], Matrix]
    counters: dict[str, float] = field(default_factory=dict)


def product(precision: str, a: Matrix, b: Matrix, device: Any) -> Product:
    """C = AB in a precision of MODES; C is 0 before the first step.

    Parameters
    ----------
    a, b : (m, k), (k, n), as they are stored on the GPU
    """
    mode = MODES[precision]
    (m, _), (_, n) = a.shape, b.shape
    c = device.empty((m, n), mode.stored)
    step = gemm_step(mode, device.from_host(a), device.from_host(b), c)
    return Product(step, lambda: device.to_host(c), {"compute type": float(mode.compute), **emulation()})


def gemm_step(mode: Mode, a: Any, b: Any, c: Any) -> Callable[[], object]:
    """cublasGemmEx on row-major arrays: column-major, it is Cᵀ = Bᵀ Aᵀ that is computed.

    Parameters
    ----------
    a, b, c : (m, k), (k, n), (m, n) arrays of the GPU, C-contiguous
    """
    cublas, handle = library()
    (m, k), (_, n) = a.shape, b.shape
    alpha, beta = np.ones(1, mode.scalar), np.zeros(1, mode.scalar)
    arguments = (handle, OP_N, OP_N, n, m, k, alpha.ctypes.data, b.data.ptr, mode.operand, n, a.data.ptr)
    arguments = (*arguments, mode.operand, k, beta.ctypes.data, c.data.ptr, mode.result, n, mode.compute)
    call = partial(cublas.gemmEx, *arguments, DEFAULT_ALGORITHM)

    def step(kept: object = (a, b, c, alpha, beta)) -> None:  # the call knows addresses alone
        call()

    return step


def emulation() -> dict[str, float]:
    """Whether cuBLAS may do fp64 or fp32 by other means, as numbers.

    Its strategy (0 default, 1 where faster, 2 always; −1 unknown), its math mode, 1 for each variable that asks for it.
    """
    cublas, handle = library()
    found = {
        "cuBLAS math mode": float(cublas.getMathMode(handle)),
        "cuBLAS emulation strategy": float(_strategy(handle)),
    }
    set_here = {name: 1.0 for name in EMULATION_VARIABLES if os.environ.get(name, "0") not in ("", "0")}
    return found | set_here


def _strategy(handle: int) -> int:
    """cublasGetEmulationStrategy of the library that CuPy has loaded; −1 where it has none."""
    for name in ("libcublas.so.13", "libcublas.so.12"):
        try:
            library = ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
            value = ctypes.c_int(-1)
            status = library.cublasGetEmulationStrategy(ctypes.c_void_p(handle), ctypes.byref(value))
        except (OSError, AttributeError):
            continue
        return value.value if status == 0 else -1
    return -1
