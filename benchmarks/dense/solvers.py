"""The two solvers that are timed: LU with partial pivoting, and low-precision LU with GMRES in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.factorisation import deal
from clustermark.benchmarks.dense.gmres import Solution, gmres
from clustermark.benchmarks.dense.home import HOST, Home
from clustermark.benchmarks.dense.lines import Grid
from clustermark.benchmarks.dense.matrix import DenseMatrix
from clustermark.benchmarks.dense.residual import MOST, product, residual, right_side
from clustermark.benchmarks.dense.triangular import solve_unit_lower, solve_upper
from clustermark.core.workload import Check
from clustermark.devices.blas import Blas

Array = npt.NDArray[Any]

DOUBLE_ROUNDOFF = 2.0**-53
# GMRES stops where ‖b − Ax‖∞ is below so many n·ε·‖b‖∞, which bounds the backward error by as many.
WANTED = 4.0


def flops(n: int) -> float:
    """⅔n³ + 3⁄2·n², as HPL counts whatever was done (HPL 2.3; the rules of HPL-MxP ask for ⅔n³ + O(n²))."""
    return 2 / 3 * n**3 + 3 / 2 * n**2


class DirectSolver:
    """Ax = b by LU with partial pivoting of (A | b): L and the interchanges act on b on the way.

    Attributes
    ----------
    x : (n,) of the last `step`, on every rank
    """

    def __init__(self, matrix: DenseMatrix, block: int, grid: Grid, dtype: str, blas: Blas, home: Home = HOST) -> None:
        """Allocate; `reset` fills. `blas` is the host's, which factors panels."""
        self.matrix, self.dtype, self.home = matrix, dtype, home
        self.parts = deal(matrix.n, 1, block, grid)
        self.factorisation = home.factorisation(self.parts, dtype, blas, pivoting=True)
        self.x = np.full(matrix.n, np.nan, dtype)
        self._fresh = False

    def reset(self) -> None:
        """Make A and b anew: a step leaves U in their place."""
        self.home.fill(self.matrix, self.parts, self.factorisation.matrix)
        self._fresh = True

    def step(self) -> None:
        """Factor, then solve Ux = y; a step that no `reset` went before makes A itself."""
        if not self._fresh:
            self.reset()
        self._fresh = False
        self.factorisation.run()
        if self.factorisation.zero_column >= 0:
            self.x.fill(np.nan)
            return
        self.x = solve_upper(self.parts, self.factorisation.matrix, self._forward_solved(), self.home)

    def _forward_solved(self) -> Array:
        """y = L⁻¹Pb, from the last column of the factored matrix; on every rank."""
        parts = self.parts
        found = np.zeros(parts.n, self.dtype)
        if parts.columns.owner(parts.n) == parts.grid.column:
            found[parts.rows.mine] = self.home.to_host(self.factorisation.matrix[:, -1])
        return parts.grid.world.total(found)

    def check(self) -> Check:
        """HPL's test of the last solution, with ε of the precision; a zero pivot fails it and is named.

        Every row by itself must pass as well: where rows differ in scale, HPL's norms see the largest only.
        """
        x = self.x.astype(np.float64)
        roundoff = float(np.finfo(self.dtype).eps) / 2
        with np.errstate(all="ignore"):
            rest = residual(self.parts, self.matrix, self.dtype, x)
            found, by_row = rest.normwise(roundoff), rest.componentwise(roundoff)
        detail = f"row by row {by_row:.3g}"
        column = self.factorisation.zero_column
        if column >= 0:
            found, detail = math.inf, f"the matrix is singular: column {column} has no pivot but 0; use another matrix"
        passed = found < MOST and by_row < MOST
        return Check("‖Ax − b‖∞ / (ε(‖A‖∞‖x‖∞ + ‖b‖∞)n)", found, MOST, passed, detail)


class MixedSolver:
    """Ax = b by LU without pivoting in a lower precision, whose factors precondition GMRES in float64 (HPL-MxP).

    Attributes
    ----------
    solution : of the last `step`
    counters : filled by `check`
    """

    def __init__(
        self, matrix: DenseMatrix, block: int, grid: Grid, dtype: str, blas: Blas, rules: str, home: Home = HOST
    ) -> None:
        """Make A in float64; `blas` is the host's, which factors panels; `rules` says "conforming" or why not."""
        self.matrix, self.rules, self.home = matrix, rules, home
        self.parts = deal(matrix.n, 0, block, grid)
        self.whole = home.made(matrix, self.parts, "float64")
        self.right = right_side(self.parts, matrix, "float64")
        self.factorisation = home.factorisation(self.parts, dtype, blas, pivoting=False)
        self.solution = Solution(np.full(matrix.n, np.nan), 0, False)
        self.counters: dict[str, float] = {}

    def step(self) -> None:
        """Round A, factor, refine."""
        self.home.round_into(self.whole, self.factorisation.matrix)
        self.factorisation.run()
        if self.factorisation.zero_column >= 0:
            self.solution = Solution(np.full(self.matrix.n, np.nan), 0, False)
            return
        wanted = WANTED * self.matrix.n * DOUBLE_ROUNDOFF * float(np.abs(self.right).max())
        self.solution = gmres(self._multiply, self._precondition, self.right, wanted)

    def _multiply(self, vector: Array) -> Array:
        return product(self.parts, self.whole, vector, self.home)

    def _precondition(self, vector: Array) -> Array:
        """U⁻¹L⁻¹v in the precision of the factors, of v scaled so that it neither over- nor underflows."""
        low = self.factorisation.matrix
        scale = float(np.abs(vector).max()) or 1.0
        forward = solve_unit_lower(self.parts, low, (vector / scale).astype(low.dtype), self.home)
        return solve_upper(self.parts, low, forward, self.home).astype(np.float64) * scale

    def check(self) -> Check:
        """The backward error that the rules bound by 16, with A made anew."""
        with np.errstate(all="ignore"):
            rest = residual(self.parts, self.matrix, "float64", self.solution.x)
            found = rest.normwise(DOUBLE_ROUNDOFF)
        self.counters.update({"GMRES iterations": float(self.solution.iterations), "backward error": found})
        self.counters["least |diagonal| / sum beside it"] = rest.dominance
        self.counters["conforms to the rules of HPL-MxP"] = float(self.rules == "conforming")
        detail = f"{self.solution.iterations} iterations of GMRES"
        if self.factorisation.zero_column >= 0:
            detail = f"column {self.factorisation.zero_column} has a pivot of 0, which is not exchanged here"
        return Check(f"backward error of HPL-MxP, {self.rules}", found, MOST, found <= MOST, detail)
