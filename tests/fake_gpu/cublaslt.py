"""nvmath.bindings.cublasLt of the fake GPU: descriptors, a heuristic, products in NumPy when the stream is there."""

from __future__ import annotations

import ctypes
import enum
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from clustermark.core.number_formats import fp8_values
from fake_gpu.cublas import STORED
from fake_gpu.cublas import numbers as numbers_of
from fake_gpu.cublas import stored as stored_as
from fake_gpu.memory import GpuFaultError

if TYPE_CHECKING:
    from fake_gpu.gpu import FakeGpu

EIGHT = {28: "e4m3", 29: "e5m2"}
# (compute, scale type) → (first, second, result) of cublasLtMatmul's tables, as far as the project uses them.
KNOWN = {
    (68, 0): {(28, 28, 0), (28, 29, 0), (29, 28, 0), (14, 14, 0)},
    (72, 10): {(3, 3, 10)},
}
SCALARS = {68: np.float32, 72: np.int32}


class MatmulDescAttribute(enum.IntEnum):
    """Numbers of cublasLtMatmulDescAttributes_t."""

    TRANSA, TRANSB, A_SCALE_POINTER, B_SCALE_POINTER, FAST_ACCUM = 3, 4, 17, 18, 25


class MatmulPreferenceAttribute(enum.IntEnum):
    """Numbers of cublasLtMatmulPreferenceAttributes_t."""

    MAX_WORKSPACE_BYTES = 1


SIZES = {3: np.int32, 4: np.int32, 17: np.int64, 18: np.int64, 25: np.int8}


class cuBLASLtError(Exception):  # noqa: N801
    """As nvmath's."""


def make_cublaslt(gpu: FakeGpu) -> Any:
    """A fresh module."""
    module: Any = ModuleType("nvmath.bindings.cublasLt")
    objects: dict[int, Any] = {}
    algorithm = np.zeros(1, np.dtype([("data_", "<u8", (8,))]))
    heuristic = np.dtype(
        [
            ("algo", algorithm.dtype),
            ("workspace_size", "<u8"),
            ("state", "<i4"),
            ("waves_count", "<f4"),
            ("r", "<i4", 4),
        ]
    )

    def made(thing: Any) -> int:
        objects[0x1000 + len(objects)] = thing
        return 0x1000 + len(objects) - 1

    def number(buf: int, size: int, kind: Any) -> int:
        if size != np.dtype(kind).itemsize:
            raise cuBLASLtError("INVALID_VALUE (7)")
        return int(np.frombuffer(ctypes.string_at(buf, size), kind)[0])

    def create() -> int:
        return made("handle")

    def get_version() -> int:
        return 130000

    def matmul_desc_create(compute_type: int, scale_type: int) -> int:
        return made({"compute": int(compute_type), "scale": int(scale_type), "set": {}})

    def matmul_desc_set_attribute(matmul_desc: int, attr: int, buf: int, size_in_bytes: int) -> None:
        objects[matmul_desc]["set"][int(attr)] = number(buf, size_in_bytes, SIZES[int(attr)])

    def matrix_layout_create(type: int, rows: int, cols: int, ld: int) -> int:
        return made((int(type), int(rows), int(cols), int(ld)))

    def matmul_preference_create() -> int:
        return made({})

    def matmul_preference_set_attribute(pref: int, attr: int, buf: int, size_in_bytes: int) -> None:
        objects[pref][int(attr)] = number(buf, size_in_bytes, np.uint64)

    def matmul_preference_destroy(pref: int) -> None:
        del objects[pref]
        objects[pref] = None  # a place is given once

    def supported(operation: int, adesc: int, bdesc: int, cdesc: int, ddesc: int) -> bool:
        task, (a, k, n, lda), (b, k_too, m, ldb) = objects[operation], objects[adesc], objects[bdesc]
        c, rows, columns, ldc = objects[ddesc]
        if (a, b, c) not in KNOWN.get((task["compute"], task["scale"]), set()) or cdesc != ddesc:
            return False
        eight = a in EIGHT
        if task["set"].get(3) != 1 or task["set"].get(4) or (eight and gpu.capability < (8, 9)):
            return False
        grain = 16 if eight else 4 if a == 3 else 1
        return (k, rows, columns) == (k_too, n, m) and not any(size % grain for size in (k, lda, ldb, ldc))

    def matmul_algo_get_heuristic(
        light_handle: int, operation_desc: int, adesc: int, bdesc: int, cdesc: int, ddesc: int, preference: int,
        requested_algo_count: int, heuristic_results_array: int, return_algo_count: int,
    ) -> None:  # fmt: skip
        found = supported(operation_desc, adesc, bdesc, cdesc, ddesc)
        result = np.zeros(requested_algo_count, heuristic)
        result["algo"]["data_"][0, 0] = 0xA160
        ctypes.memmove(heuristic_results_array, result.ctypes.data, result.nbytes)
        ctypes.memmove(return_algo_count, np.array([found], np.int32).ctypes.data, 4)

    def matrix(address: int, layout: tuple[int, int, int, int]) -> np.ndarray:
        """(columns, rows) in C order of column-major memory of the GPU."""
        kind, rows, columns, leading = layout
        stored: Any = np.uint8 if kind in EIGHT else STORED[kind]
        size = np.dtype(stored).itemsize
        nbytes = ((columns - 1) * leading + rows) * size
        owner = gpu.memory.check(address, nbytes, "cublasLtMatmul")
        if owner is None or owner.kind != "device":
            raise GpuFaultError("cublasLtMatmul: a matrix is not in memory of the GPU")
        raw = owner.data[address - owner.ptr : address - owner.ptr + nbytes].view(stored)
        return np.lib.stride_tricks.as_strided(raw, (columns, rows), (leading * size, size))

    def numbers(bits: np.ndarray, kind: int, compute: int) -> np.ndarray:
        return fp8_values(bits, EIGHT[kind]).astype(np.float32) if kind in EIGHT else numbers_of(bits, kind, compute)

    def matmul(
        light_handle: int, compute_desc: int, alpha: int, a: int, adesc: int, b: int, bdesc: int, beta: int, c: int,
        cdesc: int, d: int, ddesc: int, algo: int, workspace: int, workspace_size_in_bytes: int, stream: int,
    ) -> None:  # fmt: skip
        gpu.record("cublasLtMatmul", stream, *objects[adesc], *objects[bdesc])
        if objects[light_handle] != "handle" or not supported(compute_desc, adesc, bdesc, cdesc, ddesc) or c != d:
            raise cuBLASLtError("NOT_SUPPORTED (15)")
        if np.frombuffer(ctypes.string_at(algo, 8), np.uint64)[0] != 0xA160:
            raise cuBLASLtError("INVALID_VALUE (7)")
        gpu.memory.check(workspace, workspace_size_in_bytes, "cublasLtMatmul")
        task = objects[compute_desc]
        compute, kinds = task["compute"], [objects[layout][0] for layout in (adesc, bdesc, ddesc)]
        scalar = SCALARS[compute]
        one, zero = (np.frombuffer(ctypes.string_at(p, 4), scalar)[0] for p in (alpha, beta))
        first, second, result = matrix(a, objects[adesc]), matrix(b, objects[bdesc]), matrix(d, objects[ddesc])
        scales = [matrix(task["set"][at], (0, 1, 1, 1)) for at in (17, 18) if at in task["set"]]
        if len(scales) != (2 if kinds[0] in EIGHT else 0):
            raise cuBLASLtError("NOT_SUPPORTED (15)")

        def work() -> None:
            # Of column-major matrices the transposes are seen: D = AᵀB is Dᵀ = Bᵀ(Aᵀ)ᵀ.
            left, right = numbers(np.array(second), kinds[1], compute), numbers(np.array(first), kinds[0], compute)
            made_here = left @ right.T
            for scale in scales:
                made_here = made_here * scale[0, 0]
            result[...] = stored_as(one * made_here + (zero * result if zero else 0), kinds[2])
            _, rows, columns, leading = objects[ddesc]
            gpu.memory.mark(d, ((columns - 1) * leading + rows) * result.itemsize)

        gpu.give(stream, "cublasLtMatmul", work)

    for function in (
        create, get_version, matmul_desc_create, matmul_desc_set_attribute, matrix_layout_create,
        matmul_preference_create, matmul_preference_set_attribute, matmul_preference_destroy, matmul_algo_get_heuristic,
        matmul,
    ):  # fmt: skip
        setattr(module, function.__name__, function)
    module.MatmulDescAttribute, module.MatmulPreferenceAttribute = MatmulDescAttribute, MatmulPreferenceAttribute
    module.cuBLASLtError, module.matmul_heuristic_result_dtype = cuBLASLtError, heuristic
    return module
