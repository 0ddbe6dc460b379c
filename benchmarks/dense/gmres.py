"""GMRES with a left preconditioner (Saad & Schultz, SIAM J. Sci. Stat. Comput. 7, 1986).

Vectors are float64 and whole on every rank, so that only products and the preconditioner communicate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Basis vectors before a restart, and restarts before giving up.
BASIS, RESTARTS = 30, 10


@dataclass(frozen=True)
class Solution:
    """x, how many products with a basis vector it took, and whether the residual got below what was wanted."""

    x: Array
    iterations: int
    converged: bool


def gmres(
    multiply: Callable[[Array], Array], precondition: Callable[[Array], Array], right: Array, wanted: float
) -> Solution:
    """x with ‖b − Ax‖∞ ≤ wanted, from x₀ = M⁻¹b.

    Parameters
    ----------
    multiply, precondition : v → Av and v → M⁻¹v, the same bits on every rank
    right : (n,) float64
    wanted : in the unit of b

    Returns
    -------
    Solution : the same on every rank; not converged after `RESTARTS` or where a number is none
    """
    x = precondition(right)
    iterations = 0
    for _ in range(RESTARTS):
        rest = right - multiply(x)
        size = float(np.abs(rest).max())
        if size <= wanted or not np.isfinite(size):
            return Solution(x, iterations, size <= wanted)
        correction, count = _cycle(multiply, precondition, rest, 0.5 * wanted / size)
        x = x + correction
        iterations += count
    return Solution(x, iterations, float(np.abs(right - multiply(x)).max()) <= wanted)


def _cycle(
    multiply: Callable[[Array], Array], precondition: Callable[[Array], Array], rest: Array, reduction: float
) -> tuple[Array, int]:
    """d with ‖M⁻¹(r − Ad)‖₂ ≤ reduction·‖M⁻¹r‖₂: Arnoldi by modified Gram–Schmidt, least squares by Givens rotations.

    Returns
    -------
    (n,) and the number of basis vectors
    """
    start = precondition(rest)
    length = float(np.linalg.norm(start))
    basis = [start / length]
    upper = np.zeros((BASIS + 1, BASIS))
    rotated = np.zeros(BASIS + 1)
    rotated[0] = length
    rotations: list[tuple[float, float]] = []
    count = 0
    while count < BASIS and abs(rotated[count]) > reduction * length:
        vector = precondition(multiply(basis[count]))
        for k, other in enumerate(basis):
            upper[k, count] = other @ vector
            vector = vector - upper[k, count] * other
        norm = float(np.linalg.norm(vector))
        for k, (cosine, sine) in enumerate(rotations):
            above, below = upper[k, count], upper[k + 1, count]
            upper[k, count], upper[k + 1, count] = cosine * above + sine * below, cosine * below - sine * above
        radius = float(np.hypot(upper[count, count], norm))
        if radius == 0.0 or not np.isfinite(radius):
            break
        cosine, sine = float(upper[count, count]) / radius, norm / radius
        rotations.append((cosine, sine))
        upper[count, count] = radius
        rotated[count + 1] = -sine * rotated[count]
        rotated[count] *= cosine
        count += 1
        if norm == 0.0:
            break
        basis.append(vector / norm)
    weights = np.linalg.solve(upper[:count, :count], rotated[:count]) if count else np.zeros(0)
    found = np.zeros_like(rest)
    for weight, vector in zip(weights, basis[:count], strict=True):
        found += weight * vector
    return found, count
