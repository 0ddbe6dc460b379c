"""A₂₂ ← A₂₂ − L₂₁U₁₂ with factors rounded to bfloat16 and sums in float32: the update of a bf16 LU."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.kernels_cpu import round_to_bf16
from clustermark.benchmarks.kernels.gemm_host_cpu import Workspace, multiply

Array = npt.NDArray[Any]
ELEMENT = "uint16"


class Bf16Update:
    """Products of a factorisation in bfloat16, by the instruction of the CPU or emulated.

    Attributes
    ----------
    path : "native" where the CPU has an instruction for bfloat16, else "emulated": right, but its speed is none
    """

    def __init__(
        self, rows: int, width: int, columns: int, threads: int, features: Collection[str] | None = None
    ) -> None:
        """Allocate room for the bits of the largest factors, (rows, width) and (width, columns)."""
        self.workspace = Workspace(ELEMENT, threads, features)
        self.path = self.workspace.dot.path
        self._left, self._right = np.zeros(rows * width, ELEMENT), np.zeros(width * columns, ELEMENT)

    def subtract(self, left: Array) -> Callable[[Array, Array], None]:
        """A call that does C ← C − AB, until the next factor is given; A is rounded once.

        Parameters
        ----------
        left : A, (m, k) float32, any strides
        """
        m, k = left.shape
        a = self._left[: m * k].reshape(m, k)
        round_to_bf16(left, a)

        def act(c: Array, right: Array) -> None:
            b = self._right[: right.size].reshape(right.shape)
            round_to_bf16(right, b)
            multiply(a, b, c, self.workspace, -1.0, accumulate=True)

        return act
