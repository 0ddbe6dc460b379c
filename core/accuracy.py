"""Componentwise accuracy of matrix products (Higham, Accuracy and Stability, ch. 3; Higham & Mary 2019)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.number_formats import FORMATS
from clustermark.core.precision import Precision

Matrix = npt.NDArray[Any]

# λ of the probabilistic bound λ√k·u: at 6, one violation in 2·exp(-18) ≈ 3e-8 per entry.
LAMBDA = 6.0
# Multiplications that a check may spend on one more product: a second of a few cores.
LARGE_PRODUCT = 2**36


def error_bound(inner: int, u_sums: float, u_result: float, u_in: float = 0.0) -> float:
    """(1 + u_in)² − 1 + min(λ√k, k)·u_sums + u_result on |C − AB| ÷ (|A||B|) (Higham & Mary 2019).

    Parameters
    ----------
    inner : k, the length of the inner products
    u_sums, u_result, u_in : unit roundoffs of the accumulator, of C, and of what A and B are rounded to; 0: exact
    """
    return 2 * u_in + u_in**2 + min(LAMBDA * math.sqrt(inner), inner) * u_sums + u_result


def product_bound(precision: Precision, inner: int) -> float:
    """`error_bound` of a precision: inputs are made in its storage format, and most take them as they are.

    Parameters
    ----------
    inner : k, the length of the inner products
    """
    return error_bound(inner, precision.accumulate_roundoff, precision.unit_roundoff, precision.input_roundoff)


@dataclass(frozen=True)
class Arithmetic:
    """What a matrix product does to numbers, and on what; formats are names of number_formats.FORMATS, int8, int32.

    Attributes
    ----------
    inputs, sums, result : formats of A and B, of the accumulator, of C
    path : "native" (the unit has the format), "converted" (numbers pass through another, and that is timed),
        "emulated" (other instructions do the same: no speed), "simulated" (a wider format is rounded: no speed)
    """

    inputs: str
    sums: str
    result: str
    path: str

    @property
    def timed(self) -> bool:
        """Whether a speed of it is one of the format."""
        return self.path in ("native", "converted")

    def __str__(self) -> str:
        """``"bf16 × bf16, sums fp32, result fp32; emulated"``."""
        return f"{self.inputs} × {self.inputs}, sums {self.sums}, result {self.result}; {self.path}"

    def bound(self, inner: int, rounded_inputs: bool = True) -> float:
        """`error_bound` of the formats; integers are exact, and so is fp64 as an input, in which matrices are made.

        Parameters
        ----------
        inner : k
        rounded_inputs : whether A and B are those before they were rounded to `inputs`
        """
        u_in = _roundoff(self.inputs) if rounded_inputs and self.inputs != "fp64" else 0.0
        return error_bound(inner, _roundoff(self.sums), _roundoff(self.result), u_in)


def native(name: str) -> Arithmetic:
    """One format throughout, by the unit that has it."""
    return Arithmetic(name, name, name, "native")


def _roundoff(name: str) -> float:
    return FORMATS[name].roundoff if name in FORMATS else 0.0


# Numbers between the places of the probe: chains that a product keeps side by side divide it.
PROBE_STRIDE = 64


def accumulator_bits(product: Callable[[Matrix, Matrix], Matrix], largest: int = 60) -> int:
    """Bits of the significand in which a product adds up: t + 1 of the largest 2^t beside which a 1 survives.

    A row holds 2^⌊t/2⌋ … 1 … −2^⌊t/2⌋ and zeros; the sum 2^t + 1 − 2^t is 1 in an accumulator that holds t + 1 bits, 0
    in a shorter one. Several distances between the three are tried, and the worst counts: blocks may be added wider.

    Parameters
    ----------
    product : (1, k) and (k, 1) float64, exact in the input format, to (1, 1)
    largest : t up to which powers of two are numbers of the input format, as a product of two
    """
    worst = largest + 1
    for gap in (1, 3, 16):
        inner = (2 * gap + 1) * PROBE_STRIDE
        for t in range(1, largest + 1):
            left, right = np.zeros((1, inner)), np.zeros((inner, 1))
            places = [place * gap * PROBE_STRIDE for place in range(3)]
            left[0, places] = 2.0 ** (t // 2), 1.0, -(2.0 ** (t // 2))
            right[places, 0] = 2.0 ** (t - t // 2), 1.0, 2.0 ** (t - t // 2)
            if product(left, right)[0, 0] != 1.0:
                worst = min(worst, t)
                break
    return worst


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
    n = c.shape[1]
    found = sampled_error(a64, b64, c64, rng, entries)
    worst, where = found.error, found.detail
    signs = rng.choice(np.array([-1.0, 1.0]), n)
    residual = np.abs(c64 @ signs - a64 @ (b64 @ signs))
    spread = _row_norms(np.abs(a64), np.abs(b64))
    relative = np.divide(residual, spread, out=np.where(residual > 0, math.inf, 0.0), where=spread > 0)
    row = int(relative.argmax())
    if relative[row] > worst:
        worst, where = float(relative[row]), f"largest at row {row} (random-vector test)"
    return ProductError(worst, where)


def sampled_error(a: Matrix, b: Matrix, c: Matrix, rng: np.random.Generator, entries: int = 256) -> ProductError:
    """Largest |C − AB| ÷ |A||B| of random entries, against correctly rounded dot products; as `product_error`."""
    m, n = c.shape
    rows, columns = rng.integers(0, m, entries), rng.integers(0, n, entries)
    worst, where = 0.0, "no difference found"
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        if not math.isfinite(c[i, j]):
            return ProductError(math.inf, f"entry ({i}, {j}) is {c[i, j]}")
        scale = float(np.abs(a[i]) @ np.abs(b[:, j]))
        difference = abs(float(c[i, j]) - exact_dot(a[i], b[:, j]))
        error = difference / scale if scale else math.inf if difference else 0.0  # |A||B| = 0 allows no error at all
        if error > worst:
            worst, where = error, f"largest at entry ({i}, {j})"
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
