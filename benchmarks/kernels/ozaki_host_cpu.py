"""Host of float64 products from int8 ones: scaling, one integer product per modulus, reconstruction."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.kernels import ozaki_cpu
from clustermark.benchmarks.kernels.gemm_host_cpu import MOST_INT8, Workspace, multiply

Matrix = npt.NDArray[Any]
# The largest numbers up to 256 that are prime to each other; 15 of them make 2^117.8.
MODULI = (256, 255, 253, 251, 247, 241, 239, 233, 229, 227, 223, 217, 211, 199, 197)


class Ozaki:
    """C = AB in float64 by int8 products; A and B keep as many bits below the largest of their row, or column, as fit.

    Attributes
    ----------
    bits : of the integers that A's rows and B's columns become; 53 is all of a float64 in a row of like numbers
    """

    def __init__(self, m: int, k: int, n: int, threads: int = 1, moduli: tuple[int, ...] = MODULI) -> None:
        """Allocates for products of these shapes; raises ValueError where int32 sums could overflow."""
        if not 1 <= k <= MOST_INT8:
            raise ValueError(f"k = {k}: expected 1 to {MOST_INT8}")
        room = sum(float(np.log2(p)) for p in moduli) - 2 - float(np.log2(k))
        self.bits = int(min(53, room // 2))
        self.moduli = np.array(moduli, np.int64)
        self.inverses = np.array([[pow(p, -1, q) if p != q else 0 for q in moduli] for p in moduli], np.int64)
        self.workspace = Workspace("int8", threads)
        self.a, self.b = np.zeros((m, k), np.int8), np.zeros((k, n), np.int8)
        self.products = np.zeros((m, n), np.int32)
        self.digits = np.zeros((len(moduli), m, n), np.int16)

    def multiply(self, a: Matrix, b: Matrix, c: Matrix) -> None:
        """C = AB, (m, k) (k, n) to (m, n) float64; error below k·2^(1 − bits) of the largest of row times column."""
        row_scale, column_scale = (self._scale(np.abs(x).max(axis=axis)) for x, axis in ((a, 1), (b, 0)))
        wholes = [np.rint(a * row_scale[:, None]).astype(np.int64), np.rint(b * column_scale).astype(np.int64)]
        for step, modulus in enumerate(self.moduli):
            for whole, out in zip(wholes, (self.a, self.b), strict=True):
                ozaki_cpu.residues(whole, modulus, out)
            multiply(self.a, self.b, self.products, self.workspace)
            ozaki_cpu.mixed_digit(self.products, self.moduli, self.inverses, self.digits, step)
        ozaki_cpu.from_digits(self.digits, self.moduli, 1 / row_scale, 1 / column_scale, c)

    def _scale(self, largest: Matrix) -> Matrix:
        """Powers of two that bring the largest of a row just below 2^bits; 1 for rows of zeros."""
        exponent = np.where(largest > 0, self.bits - np.frexp(largest)[1], 0)
        return np.ldexp(1.0, exponent)
