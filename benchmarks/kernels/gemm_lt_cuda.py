"""Matrix products on the GPU by cuBLASLt through nvmath-python: 8-bit floats with scales, int8 and bf16.

Both operands are stored with the inner dimension contiguous, A as rows and B as columns: the only layout that cuBLASLt
has for 8-bit floats, and that of the fast units for int8. Numbers of cudaDataType and cublasComputeType_t are those of
library_types.h and cublas_api.h, those of attributes come from nvmath.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.kernels.gemm_host_cuda import COMPUTE_32F, COMPUTE_32I, R_8I, R_16BF, R_32F, R_32I, Product
from clustermark.core.errors import DeviceError, plain

Matrix = npt.NDArray[Any]

R_8F_E4M3, R_8F_E5M2 = 28, 29
WORKSPACE = 32 * 2**20


@dataclass(frozen=True)
class LtMode:
    """How cuBLASLt does a precision.

    Attributes
    ----------
    a, b, result, compute, scale : cudaDataType of A, B and C; cublasComputeType_t; cudaDataType of α and β
    stored, scalar : NumPy type of C, or of its bits, and of α and β
    scales : whether A and B have one each on the GPU, which their product is multiplied by
    """

    a: int
    b: int
    result: int
    compute: int
    scale: int
    stored: str
    scalar: str
    scales: bool = False


# cuBLASLt multiplies e5m2 by e4m3, not by itself: gradients by weights.
MODES: dict[str, LtMode] = {
    "e4m3": LtMode(R_8F_E4M3, R_8F_E4M3, R_32F, COMPUTE_32F, R_32F, "float32", "float32", True),
    "e5m2": LtMode(R_8F_E5M2, R_8F_E4M3, R_32F, COMPUTE_32F, R_32F, "float32", "float32", True),
    "bf16": LtMode(R_16BF, R_16BF, R_32F, COMPUTE_32F, R_32F, "float32", "float32"),
    "int8": LtMode(R_8I, R_8I, R_32I, COMPUTE_32I, R_32I, "int32", "int32"),
}


def tensor_scale(values: Matrix, largest: float) -> float:
    """Power of two s such that values/s reach up to the largest number of a format and not beyond it; 1 for zeros."""
    most = float(np.abs(values).max(initial=0.0))
    return 2.0 ** math.ceil(math.log2(most / largest)) if most > 0 else 1.0


def library() -> Any:
    """nvmath's bindings of cuBLASLt; raises DeviceError where they or the library are not installed."""
    try:
        return importlib.import_module("nvmath.bindings.cublasLt")
    except (ImportError, OSError, RuntimeError) as error:
        reason = plain(str(error).splitlines()[0], 120) if str(error) else type(error).__name__
        raise DeviceError(
            f"device 'cuda': variant 'cublaslt' and 8-bit floats need nvmath-python, which does not load ({reason}); "
            f"pip install 'clustermark[cuda13,fp8]', or choose another precision"
        ) from error


def product(precision: str, a: Matrix, b: Matrix, device: Any, scales: tuple[float, float] = (1.0, 1.0)) -> Product:
    """C = s_a·s_b·AB in a precision of MODES; C is 0 before the first step.

    Parameters
    ----------
    a, b : (m, k), (n, k) C-contiguous, B by columns, as they are stored on the GPU
    scales : s_a, s_b; 1 where the mode has none

    Raises
    ------
    DeviceError : no nvmath-python, or a product that this cuBLASLt does not do on this GPU
    """
    mode, lt = MODES[precision], library()
    (m, k), n = a.shape, b.shape[0]
    on_gpu = [device.from_host(np.ascontiguousarray(matrix)) for matrix in (a, b)]
    on_gpu += [device.from_host(np.array([scale], np.float32)) for scale in scales]
    c, workspace = device.empty((m, n), mode.stored), device.empty((WORKSPACE,), "uint8")
    try:
        step = _prepared(lt, mode, (m, n, k), [device.pointer(array) for array in (*on_gpu, c, workspace)])
    except lt.cuBLASLtError as error:
        raise DeviceError(
            f"{_what(precision, m, n, k)} is refused: {plain(str(error).splitlines()[0], 120)}"
        ) from error
    if step is None:
        raise DeviceError(
            f"{_what(precision, m, n, k)} has no algorithm on this GPU; use other sizes or a newer cuBLAS"
        )

    def held(kept: object = (on_gpu, c, workspace)) -> None:  # the call knows addresses alone
        step()

    counters = {"compute type": float(mode.compute), "cuBLASLt version": float(lt.get_version())}
    return Product(held, lambda: device.to_host(c), counters)


def _what(precision: str, m: int, n: int, k: int) -> str:
    return f"device 'cuda': cuBLASLt's product of {m} × {k} and {k} × {n} in {precision}"


def _prepared(lt: Any, mode: LtMode, sizes: tuple[int, int, int], places: list[int]) -> Callable[[], None] | None:
    """cublasLtMatmul with the algorithm that its heuristic ranks first; None where it knows none.

    Column-major, it is Cᵀ = (Bᵀ)ᵀᵀ Aᵀ that is computed: cuBLASLt's first matrix is our B, which it transposes.

    Parameters
    ----------
    places : addresses of A, B, their scales, C and the workspace
    """
    (m, n, k), (a, b, scale_a, scale_b, c, workspace) = sizes, places
    task = lt.matmul_desc_create(mode.compute, mode.scale)
    wanted = lt.MatmulDescAttribute
    attributes: dict[int, np.ndarray] = {wanted.TRANSA: np.array([1], np.int32)}
    if mode.scales:
        attributes |= {
            wanted.A_SCALE_POINTER: np.array([scale_b], np.int64),
            wanted.B_SCALE_POINTER: np.array([scale_a], np.int64),
            # Sums of the units are added up in float32 now and then, as a trained network is seldom asked to do.
            wanted.FAST_ACCUM: np.array([0], np.int8),
        }
    for attribute, value in attributes.items():
        lt.matmul_desc_set_attribute(task, attribute, value.ctypes.data, value.nbytes)
    first, second = lt.matrix_layout_create(mode.b, k, n, k), lt.matrix_layout_create(mode.a, k, m, k)
    result = lt.matrix_layout_create(mode.result, n, m, n)
    preference, room = lt.matmul_preference_create(), np.array([WORKSPACE], np.uint64)
    lt.matmul_preference_set_attribute(
        preference, lt.MatmulPreferenceAttribute.MAX_WORKSPACE_BYTES, room.ctypes.data, room.nbytes
    )
    handle, found, count = lt.create(), np.zeros(1, lt.matmul_heuristic_result_dtype), np.zeros(1, np.int32)
    choice = handle, task, first, second, result, result, preference, 1, found.ctypes.data, count.ctypes.data
    lt.matmul_algo_get_heuristic(*choice)
    lt.matmul_preference_destroy(preference)
    if not count[0]:
        return None
    alpha, beta = np.ones(1, mode.scalar), np.zeros(1, mode.scalar)
    scalars = alpha.ctypes.data, beta.ctypes.data
    # The algorithm is the first field of what the heuristic gives.
    ending = c, result, c, result, found.ctypes.data, workspace, WORKSPACE, 0

    def step(kept: object = (alpha, beta, found, attributes)) -> None:
        lt.matmul(handle, task, scalars[0], b, first, a, second, scalars[1], *ending)

    return step
