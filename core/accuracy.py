"""Componentwise accuracy of matrix products (Higham, Accuracy and Stability, ch. 3; Higham & Mary 2019)."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.precision import Precision

Matrix = npt.NDArray[Any]

# λ of the probabilistic bound λ√k·u: at 6, one violation in 2·exp(-18) ≈ 3e-8 per entry.
LAMBDA = 6.0
# Multiplications that a check may spend on one more product: a second of a few cores.
LARGE_PRODUCT = 2**36


def product_bound(precision: Precision, inner: int) -> float:
    """Largest |C - AB| ÷ (|A||B|) that `precision` allows: 2u_in + λ√k·u_accumulate + u_out, never over k·u + ….

    Inputs are generated in the storage format; u_in is what the operation itself rounds them to, 0 for most.

    Parameters
    ----------
    inner : k, the length of the inner products
    """
    u = precision.accumulate_roundoff
    return 2 * precision.input_roundoff + min(LAMBDA * math.sqrt(inner) * u, inner * u) + precision.unit_roundoff


def exact_dot(x: Matrix, y: Matrix) -> float:
    """Correctly rounded dot product: error-free products (Dekker 1971, TwoProduct), then math.fsum.

    Parameters
    ----------
    x, y : (k,) float64, |x·y| between 1e-250 and 1e250
    """
    high = x * y
    return math.fsum(np.concatenate((high, _product_error(x, y, high))).tolist())


def _product_error(x: Matrix, y: Matrix, product: Matrix) -> Matrix:
    """x·y − fl(x·y), exactly, by Veltkamp's splitting with 2**27 + 1."""
    x_high, y_high = _high_half(x), _high_half(y)
    x_low, y_low = x - x_high, y - y_high
    return x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)


def _high_half(x: Matrix) -> Matrix:
    scaled = 134217729.0 * x
    return scaled - (scaled - x)


@dataclass(frozen=True)
class ProductError:
    """Largest error found, as a multiple of nothing: relative to (|A||B|), and where."""

    error: float
    detail: str


def product_error(a: Matrix, b: Matrix, c: Matrix, rng: np.random.Generator, entries: int = 256) -> ProductError:
    """Error of C ≈ AB relative to |A||B|: exact on sampled entries, and every row by a random vector.

    Sampled entries are compared with correctly rounded dot products. Freivalds' test (1977) looks at the whole
    matrix: x random ±1, (C - AB)x computed in float64, a row's residual measured against √(Σ_j (|A||B|)_ij²),
    which is what independent errors add up to. A single wrong entry that was not sampled shows up √n smaller.

    Parameters
    ----------
    a, b, c : (m, k), (k, n), (m, n)
    rng : chooses entries and signs
    entries : how many are compared exactly

    Returns
    -------
    ProductError : a NaN anywhere gives infinity
    """
    if not np.isfinite(c).all():
        return ProductError(math.inf, "the product holds a NaN or an infinity")
    a64, b64, c64 = (np.asarray(matrix, dtype=np.float64) for matrix in (a, b, c))
    m, n = c.shape
    rows, columns = rng.integers(0, m, entries), rng.integers(0, n, entries)
    worst, where = 0.0, "no difference found"
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        scale = float(np.abs(a64[i]) @ np.abs(b64[:, j]))
        difference = abs(float(c64[i, j]) - exact_dot(a64[i], b64[:, j]))
        error = difference / scale if scale else math.inf if difference else 0.0  # |A||B| = 0 allows no error at all
        if error > worst:
            worst, where = error, f"largest at entry ({i}, {j})"
    signs = rng.choice(np.array([-1.0, 1.0]), n)
    residual = np.abs(c64 @ signs - a64 @ (b64 @ signs))
    spread = _row_norms(np.abs(a64), np.abs(b64))
    relative = np.divide(residual, spread, out=np.where(residual > 0, math.inf, 0.0), where=spread > 0)
    row = int(relative.argmax())
    if relative[row] > worst:
        worst, where = float(relative[row]), f"largest at row {row} (random-vector test)"
    return ProductError(worst, where)


def _row_norms(a: Matrix, b: Matrix) -> Matrix:
    """√(Σ_j (AB)_ij²) of each row, A and B ≥ 0; of large ones Σ_j (AB)_ij ÷ √n, which is no larger.

    That needs no product of matrices. The two are alike where the columns of B are, as they are in benchmarks.
    """
    m, k = a.shape
    n = b.shape[1]
    if m * n * k <= LARGE_PRODUCT:
        return np.sqrt(((a @ b) ** 2).sum(axis=1))
    return a @ b.sum(axis=1) / math.sqrt(n)
