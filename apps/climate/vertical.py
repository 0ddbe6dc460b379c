"""Levels of σ = p/p_s on a Lorenz grid, and the tables of numbers per level that the kernels take.

Level k lies between interfaces k and k + 1 of `Levels.interfaces`, from the top (σ = 0) down to the ground (σ = 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import Planet
from clustermark.core.errors import UsageError

# Rows of the table that `level_table` makes, one number per level in each.
THICKNESS, INVERSE_THICKNESS, LOWER_INTERFACE, EXNER, HYDROSTATIC = range(5)
# Degree of the polynomial of `power_table`: its error falls by 5.8 a degree, below one rounding of float64 at 22.
DEGREE = 22
# Steps of the range reduction of a power: where x < bound, x is multiplied and the result divided by multiplier^κ.
REDUCTIONS = 4


@dataclass(frozen=True)
class Levels:
    """A division of the atmosphere by σ.

    Attributes
    ----------
    interfaces : (levels + 1,) float64, σ at the interfaces, from 0 up to 1
    kappa : R_d/c_p of the air
    """

    interfaces: Floats
    kappa: float

    @property
    def count(self) -> int:
        """Number of levels."""
        return len(self.interfaces) - 1

    @property
    def thickness(self) -> Floats:
        """Δσ_k = σ_{k+½} − σ_{k−½}."""
        return np.diff(self.interfaces)

    @property
    def centers(self) -> Floats:
        """σ_k halfway between the interfaces."""
        return 0.5 * (self.interfaces[1:] + self.interfaces[:-1])

    @property
    def exner(self) -> Floats:
        """c_k = (σ_{k+½}^{1+κ} − σ_{k−½}^{1+κ}) / ((1 + κ) Δσ_k): P_k = c_k (p_s/p₀)^κ (Arakawa & Suarez 1983, 3.7)."""
        power = self.interfaces ** (1.0 + self.kappa)
        return np.diff(power) / ((1.0 + self.kappa) * self.thickness)


def make_levels(planet: Planet, interfaces: int | npt.ArrayLike) -> Levels:
    """Levels of equal thickness, or those between given interfaces.

    Parameters
    ----------
    planet : gives κ
    interfaces : number of levels, or σ of the interfaces from 0 up to 1

    Raises
    ------
    UsageError : no level, or interfaces that do not rise from 0 to 1
    """
    if isinstance(interfaces, int):
        if interfaces < 1:
            raise UsageError(f"levels: {interfaces} given, expected at least 1; give a positive number of levels")
        return Levels(np.arange(interfaces + 1) / interfaces, planet.kappa)
    sigma = np.array(interfaces, dtype=np.float64)
    if sigma.ndim != 1 or len(sigma) < 2 or sigma[0] != 0 or sigma[-1] != 1 or not (np.diff(sigma) > 0).all():
        raise UsageError(
            f"levels: interfaces {sigma.tolist()}, expected numbers that rise from 0 to 1; "
            "begin with 0, end with 1, and sort them"
        )
    return Levels(sigma, planet.kappa)


def level_table(levels: Levels, planet: Planet) -> Floats:
    """Numbers per level for the kernels.

    Parameters
    ----------
    levels : K levels
    planet : gives c_p

    Returns
    -------
    (5, K) float64: Δσ_k; 1/Δσ_k; σ_{k+½}; c_k; and, for the step of Φ up to level k from the level below (from the
    ground for the lowest), ½c_p(c_{k+1} − c_k), at the ground ½c_p(1 − c_K) [J/(kg K)]
    """
    exner = levels.exner
    steps = 0.5 * planet.heat_capacity * np.diff(np.append(exner, 1.0))
    thickness = levels.thickness
    return np.stack([thickness, 1.0 / thickness, levels.interfaces[1:], exner, steps])


def power_table(exponent: float) -> Floats:
    """x^κ as a polynomial on [√½, √2], and factors that bring other x there: Chebyshev interpolation.

    With t = (x − m)/h, m and h the middle and half width of the interval, x^κ = Σ a_n tⁿ. Before, x in [2^−7.5, √8]
    is brought into the interval by ×16, ×4, ×2, ×½ where it lies below (above for ½) a bound; each divides by the same
    power of its factor afterwards.

    Parameters
    ----------
    exponent : κ, 0 < κ < 1

    Returns
    -------
    (3·REDUCTIONS + 2 + DEGREE + 1,) float64: bounds, factors, factors^−κ; 1/h, −m/h; a_n from the highest down
    """
    factors = np.array([16.0, 4.0, 2.0, 0.5])
    bounds = np.array([2.0**-3.5, 2.0**-1.5, 2.0**-0.5, 2.0**0.5])
    low, high = 2.0**-0.5, 2.0**0.5
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    chebyshev = np.polynomial.chebyshev.chebfit(nodes, (middle + half * nodes) ** exponent, DEGREE)
    polynomial = np.polynomial.chebyshev.cheb2poly(chebyshev)
    return np.concatenate([bounds, factors, factors**-exponent, [1.0 / half, -middle / half], polynomial[::-1]])
