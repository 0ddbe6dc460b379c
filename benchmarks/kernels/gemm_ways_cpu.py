"""The CPU's ways to multiply matrices in a precision: vendor's BLAS, our own kernel, simulation, residues."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.accuracy import Arithmetic
from clustermark.core.number_formats import bf16_bits, bf16_values, rounded_to

Matrix = npt.NDArray[Any]
# Precision → NumPy type of its numbers where they are multiplied as they are.
ELEMENTS = {"fp64": "float64", "fp32": "float32", "int8": "int8", "bf16": "uint16"}


@dataclass(frozen=True)
class Way:
    """A product made ready.

    Attributes
    ----------
    arithmetic : what it does to numbers
    a, b : the values that are multiplied, float64, as the input format holds them
    step : one product
    result : C of the last step as numbers
    once : the same on two other matrices, float64 to float64, for probes
    stored_bytes : of A, B and C
    """

    arithmetic: Arithmetic
    a: Matrix
    b: Matrix
    step: Callable[[], object]
    result: Callable[[], Matrix]
    once: Callable[[Matrix, Matrix], Matrix]
    stored_bytes: int


def way_of(
    precision: str, variant: str, a: Matrix, b: Matrix, threads: int = 1, features: Collection[str] | None = None
) -> Way:
    """A way to multiply float64 matrices in a precision; C is not a number, or 0 of integers, before the first step.

    Parameters
    ----------
    variant : "blas", "numba", "ozaki" or "simulated", one that `variants` allows
    a, b : (m, k), (k, n)
    features : of the CPU, None for this one's; numba's way is "emulated" where its instruction is missing
    """
    if variant == "simulated":
        arithmetic = Arithmetic(precision, "fp32", "fp32", "simulated")
        return _way(arithmetic, partial(_held, precision), _quiet_product, "float32", a, b, np.asarray)
    if variant == "ozaki":
        from clustermark.benchmarks.kernels.ozaki_host_cpu import Ozaki

        (m, k), n = a.shape, b.shape[1]
        scheme = Ozaki(m, k, n, threads)
        path = "converted" if scheme.workspace.dot.path == "native" else "emulated"
        return _way(Arithmetic("fp64", "int32", "fp64", path), _copied, scheme.multiply, "float64", a, b, np.asarray)
    if variant == "blas":
        arithmetic = Arithmetic(precision, precision, precision, "native")
        kind = ELEMENTS[precision]
        return _way(arithmetic, lambda x: x.astype(kind), np.matmul, kind, a, b, np.asarray)
    from clustermark.benchmarks.kernels.gemm_host_cpu import Workspace, multiply

    workspace = Workspace(ELEMENTS[precision], threads, features)
    sums = {"int8": "int32", "bf16": "fp32"}.get(precision, precision)
    store, total = partial(_stored, precision), workspace.dot.total
    arithmetic = Arithmetic(precision, sums, sums, workspace.dot.path)

    def product(x: Matrix, y: Matrix, out: Matrix) -> None:
        multiply(x, y, out, workspace)

    return _way(arithmetic, store, product, total, a, b, partial(_values, precision))


def _way(
    arithmetic: Arithmetic,
    store: Callable[[Matrix], Matrix],
    product: Callable[..., object],
    total: str,
    a: Matrix,
    b: Matrix,
    values: Callable[[Matrix], Matrix],
) -> Way:
    stored = [store(a), store(b)]
    c = np.full((a.shape[0], b.shape[1]), 0 if total == "int32" else np.nan, total)

    def once(x: Matrix, y: Matrix) -> Matrix:
        out = np.zeros((x.shape[0], y.shape[1]), total)
        product(store(x), store(y), out=out) if product is np.matmul else product(store(x), store(y), out)
        return out.astype(np.float64)

    step = partial(product, *stored, out=c) if product is np.matmul else partial(product, *stored, c)
    sizes = sum(matrix.nbytes for matrix in (*stored, c))
    a_values, b_values = (np.asarray(values(matrix), np.float64) for matrix in stored)
    return Way(arithmetic, a_values, b_values, step, lambda: c, once, sizes)


def _quiet_product(x: Matrix, y: Matrix, out: Matrix) -> None:
    """x·y in float32; infinities of a format that overflowed are the answer, not a warning."""
    with np.errstate(invalid="ignore", over="ignore"):
        np.matmul(x, y, out=out)


def _copied(values: Matrix) -> Matrix:
    return np.array(values, np.float64)


def _held(precision: str, values: Matrix) -> Matrix:
    """Rounded to a format, held in float32, which has room for all of its numbers and all of their products."""
    with np.errstate(over="ignore"):
        return rounded_to(values, precision).astype(np.float32)


def _stored(precision: str, values: Matrix) -> Matrix:
    return bf16_bits(values) if precision == "bf16" else values.astype(ELEMENTS[precision])


def _values(precision: str, stored: Matrix) -> Matrix:
    return bf16_values(stored) if precision == "bf16" else stored
