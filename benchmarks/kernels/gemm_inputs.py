"""What matrix products are given: classes of inputs that tell algorithms apart which a single one would not.

Demmel, Dongarra, Gates, Henry, Li, Riedy, Tisseur & others grade BLAS by such tests (see "Grading the BLAS"); a
product that scales rows, works in fixed point or reorders sums like Strassen's fails on some and shines on others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]
Pair = tuple[Matrix, Matrix]
# Bits by which exponents of "wide" and "scaled" go up and down.
SPREAD = 20


def _centred(m: int, k: int, n: int, rng: np.random.Generator) -> Pair:
    """Uniform on (−½, ½): sums stay small beside |A||B|."""
    return rng.uniform(-0.5, 0.5, (m, k)), rng.uniform(-0.5, 0.5, (k, n))


def _positive(m: int, k: int, n: int, rng: np.random.Generator) -> Pair:
    """Uniform on (0, 1): sums grow with k, and a short accumulator stagnates."""
    return rng.uniform(0.0, 1.0, (m, k)), rng.uniform(0.0, 1.0, (k, n))


def _wide(m: int, k: int, n: int, rng: np.random.Generator) -> Pair:
    """Uniform on (−½, ½) times powers of two, each entry its own."""
    return (
        np.ldexp(rng.uniform(-0.5, 0.5, (m, k)), rng.integers(-SPREAD, SPREAD + 1, (m, k))),
        np.ldexp(rng.uniform(-0.5, 0.5, (k, n)), rng.integers(-SPREAD, SPREAD + 1, (k, n))),
    )


def _cancelling(m: int, k: int, n: int, rng: np.random.Generator) -> Pair:
    """A = (X, −X), B = (Y; Y(1 + 2⁻¹⁰ z)): halves of the sum cancel to a thousandth."""
    half = (k + 1) // 2
    x, y = _centred(m, half, n, rng)
    near = y * (1 + 2.0**-10 * rng.uniform(-1.0, 1.0, y.shape))
    return np.hstack((x, -x))[:, :k], np.vstack((y, near))[:k]


def _scaled(m: int, k: int, n: int, rng: np.random.Generator) -> Pair:
    """A·D and D⁻¹·B for powers of two D: C is that of A and B to the bit, unless rows are scaled by their largest."""
    a, b = _centred(m, k, n, rng)
    exponents = rng.integers(-SPREAD, SPREAD + 1, k)
    return np.ldexp(a, exponents), np.ldexp(b, -exponents[:, None])


CLASSES: dict[str, Callable[[int, int, int, np.random.Generator], Pair]] = {
    "centred": _centred,
    "positive": _positive,
    "wide": _wide,
    "cancelling": _cancelling,
    "scaled": _scaled,
}


def matrices(name: str, m: int, k: int, n: int, rng: np.random.Generator) -> Pair:
    """A (m, k) and B (k, n) of a class, float64."""
    return CLASSES[name](m, k, n, rng)


def whole_numbers(m: int, k: int, n: int, rng: np.random.Generator) -> Pair:
    """A and B of integers, uniform on −127 … 127, float64: what int8 multiplies without an error."""
    return rng.integers(-127, 128, (m, k)).astype(np.float64), rng.integers(-127, 128, (k, n)).astype(np.float64)
