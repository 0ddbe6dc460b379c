"""Products with the matrix itself, norms, and the backward errors that HPL and HPL-MxP ask for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.factorisation import Parts
from clustermark.benchmarks.dense.home import HOST, Home
from clustermark.benchmarks.dense.matrix import DenseMatrix

Array = npt.NDArray[Any]

# HPL's threshold, and that of the rules of HPL-MxP.
MOST = 16.0
# Numbers of the matrix that are made at a time where it is not kept.
CHUNK = 2**20


@dataclass(frozen=True)
class Residual:
    """What Ax − b says of a solution.

    Attributes
    ----------
    x, error, spread : (n,) x, Ax − b and |A||x| + |b|
    matrix, right : ‖A‖∞ and ‖b‖∞
    dominance : least |a_ii| / Σ_{j≠i} |a_ij|; above 1 every row is dominated by its diagonal
    """

    x: Array
    error: Array
    spread: Array
    matrix: float
    right: float
    dominance: float

    def normwise(self, roundoff: float) -> float:
        """‖Ax − b‖∞ / (ε (‖A‖∞‖x‖∞ + ‖b‖∞) n), the test of HPL and of HPL-MxP; infinity where a number is none.

        `roundoff` is ε, 2^-53 in float64.
        """
        scale = self.matrix * float(np.abs(self.x).max()) + self.right
        return _ratio(np.abs(self.error).max(), scale, roundoff * self.x.size)

    def componentwise(self, roundoff: float) -> float:
        """max_i |Ax − b|_i / (ε (|A||x| + |b|)_i n) (Oettli & Prager 1964): no row hides behind others."""
        return max(_ratio(e, s, roundoff * self.x.size) for e, s in zip(np.abs(self.error), self.spread, strict=True))


def _ratio(error: float, scale: float, unit: float) -> float:
    if error == 0.0 and math.isfinite(scale):
        return 0.0
    found = float(error) / float(scale) / unit if scale > 0 else math.inf
    return found if math.isfinite(found) else math.inf


def product(parts: Parts, matrix: Any, x: Array, home: Home = HOST) -> Array:
    """Ax in the matrix's type; x and the result are (n,), the same on every rank. Collective."""
    found = np.zeros(parts.n, matrix.dtype)
    columns = parts.columns.mine
    sums = home.zeros(matrix.shape[0], matrix.dtype)
    home.add_product(sums, matrix[:, : parts.columns.below(parts.n)], x[columns[columns < parts.n]])
    found[parts.rows.mine] = home.to_host(sums)
    return parts.grid.world.total(found)


def chunks(parts: Parts, matrix: DenseMatrix, dtype: str) -> Iterator[tuple[Array, Array]]:
    """(global rows, float64 entries of A in them) of this rank, made anew, rounded to `dtype`, in pieces."""
    columns = parts.columns.mine[: parts.columns.below(parts.n)]
    height = max(1, CHUNK // max(1, columns.size))
    for first in range(0, parts.rows.mine.size, height):
        rows = parts.rows.mine[first : first + height]
        yield rows, matrix.part(rows, columns, dtype).astype(np.float64, copy=False)


def right_side(parts: Parts, matrix: DenseMatrix, dtype: str) -> Array:
    """(n,) float64: b, rounded to `dtype`."""
    every = np.arange(parts.n)
    return matrix.part(every, np.array([parts.n]), dtype).astype(np.float64)[:, 0]


def residual(parts: Parts, matrix: DenseMatrix, dtype: str, x: Array) -> Residual:
    """Ax − b with A made anew, in float64, and norms on the way; collective.

    Parameters
    ----------
    dtype : that entries are rounded to
    x : (n,) float64, the same on every rank
    """
    columns = parts.columns.mine[: parts.columns.below(parts.n)]
    found, spread, magnitudes, diagonal = sums = np.zeros((4, parts.n))
    for rows, entries in chunks(parts, matrix, dtype):
        here, place = np.nonzero(rows[:, np.newaxis] == columns)
        diagonal[rows[here]] = np.abs(entries[here, place])
        found[rows] = entries @ x[columns]
        np.abs(entries, out=entries)
        spread[rows] = entries @ np.abs(x[columns])
        magnitudes[rows] = entries.sum(axis=1)
    found, spread, magnitudes, diagonal = parts.grid.world.total(sums)
    right = right_side(parts, matrix, dtype)
    beside = magnitudes - diagonal
    ratios = np.divide(diagonal, beside, out=np.full_like(diagonal, math.inf), where=beside > 0)
    return Residual(
        x,
        found - right,
        spread + np.abs(right),
        float(magnitudes.max()),
        float(np.abs(right).max()),
        float(ratios.min()),
    )
