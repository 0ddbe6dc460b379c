"""Where the local part of a matrix lives and what computes there: the host, or a GPU (home_cuda.py).

Solvers are given one of them when a case is prepared and ask no more which it is. Vectors, messages and panels that
are being factored are the host's in both.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.factorisation import Factorisation, Parts, Subtract, local_array
from clustermark.benchmarks.dense.matrix import DenseMatrix
from clustermark.devices.blas import Blas

Array = npt.NDArray[Any]


class Home(Protocol):
    """Holds local parts; "here" is its memory."""

    def factorisation(self, parts: Parts, dtype: str, blas: Blas, pivoting: bool) -> Factorisation:
        """A factorisation of a matrix of zeros here; `blas` is the host's."""
        ...

    def fill(self, matrix: DenseMatrix, parts: Parts, target: Any) -> None:
        """The entries of this rank, rounded to the target's type."""
        ...

    def made(self, matrix: DenseMatrix, parts: Parts, dtype: str) -> Any:
        """The same in a new array here."""
        ...

    def round_into(self, source: Any, target: Any) -> None:
        """Target = source, in the target's type."""
        ...

    def zeros(self, size: int, dtype: Any) -> Any:
        """(size,) zeros here."""
        ...

    def to_host(self, part: Any) -> Array:
        """A part of what lives here, on the host, to be read only."""
        ...

    def add_product(self, sums: Any, matrix: Any, x: Array) -> None:
        """Sums += Ax, with (m,) sums here, (m, k) part of a matrix here, (k,) x of the host."""
        ...


class HostHome:
    """Memory and cores of the host."""

    def __init__(self, subtract: Subtract | None = None) -> None:
        """`subtract` does the products of a factorisation's updates, None: the BLAS."""
        self.subtract = subtract

    def factorisation(self, parts: Parts, dtype: str, blas: Blas, pivoting: bool) -> Factorisation:
        """Of an array whose rows stand apart for the caches."""
        return Factorisation(parts, local_array(parts, dtype), blas, pivoting, self.subtract)

    def fill(self, matrix: DenseMatrix, parts: Parts, target: Array) -> None:
        """In place."""
        matrix.fill(target, parts.rows.mine, parts.columns.mine)

    def made(self, matrix: DenseMatrix, parts: Parts, dtype: str) -> Array:
        """Rows one behind the other."""
        return matrix.part(parts.rows.mine, parts.columns.mine, dtype)

    def round_into(self, source: Array, target: Array) -> None:
        """A copy."""
        np.copyto(target, source, casting="same_kind")

    def zeros(self, size: int, dtype: Any) -> Array:
        """np.zeros."""
        return np.zeros(size, dtype)

    def to_host(self, part: Array) -> Array:
        """The part itself."""
        return part

    def add_product(self, sums: Array, matrix: Array, x: Array) -> None:
        """NumPy's product."""
        sums += matrix @ x


HOST = HostHome()


def home_of(device: Any) -> Home:
    """The home of matrices of a case on a device of devices.DEVICES."""
    if not device.asynchronous:
        return HOST
    from clustermark.benchmarks.dense.home_cuda import DeviceHome

    return DeviceHome(device)
