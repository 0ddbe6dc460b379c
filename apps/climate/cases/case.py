"""What a test case is: an analytic state of the atmosphere as functions of true longitude and latitude, no grid inside.

Longitudes λ and latitudes φ are float64 arrays [rad] of any one shape, in any multiple of the full turn; every function
returns arrays of that shape (winds: a pair of them).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import Planet

# (longitude, latitude) [rad] → a scalar, or (east, north) components of the wind [m/s].
Scalar = Callable[[Floats, Floats], Floats]
Wind = Callable[[Floats, Floats], tuple[Floats, Floats]]
# (longitude, latitude [rad], σ) → the same at height σ = p/p_s, a number or an array that fits the others.
ScalarAloft = Callable[[Floats, Floats, Floats | float], Floats]
WindAloft = Callable[[Floats, Floats, Floats | float], tuple[Floats, Floats]]


@dataclass(frozen=True)
class ShallowCase:
    """Initial state of one layer of fluid.

    Attributes
    ----------
    name, summary, source : key of the table, one line, the paper
    planet : its constants
    days : usual length [d]
    depth : h [m] of the fluid, surface minus bottom
    wind : (east, north) [m/s]
    bottom : height of the bottom [m]
    coriolis : f [1/s]
    damping_hours : suggested e-folding time of the two-cell wave by ∇⁴ [h]; 0: none
    exact : whether the initial state is a solution, so that it is the answer at any time
    """

    name: str
    summary: str
    source: str
    planet: Planet
    days: float
    depth: Scalar
    wind: Wind
    bottom: Scalar
    coriolis: Scalar
    damping_hours: float = 0.0
    exact: bool = False


@dataclass(frozen=True)
class PrimitiveCase:
    """Initial state of an atmosphere in σ = p/p_s.

    Attributes
    ----------
    name, summary, source : key of the table, one line, the paper
    planet : its constants
    days : usual length [d]
    surface_pressure : p_s [Pa]
    surface_geopotential : Φ_s [m²/s²]
    wind : (east, north) [m/s]
    temperature : T [K]; the model's θ follows from it with its own Exner function
    interfaces : suggested levels, σ at their tops and bottoms from 0 to 1
    damping_hours : suggested e-folding time of the two-cell wave by ∇⁴ [h]
    noise : standard deviation of random temperature on top [K]; `noise.noise` draws it cell by cell
    forcing : "" or "held_suarez"
    exact : whether the initial state is a solution
    """

    name: str
    summary: str
    source: str
    planet: Planet
    days: float
    surface_pressure: Scalar
    surface_geopotential: Scalar
    wind: WindAloft
    temperature: ScalarAloft
    interfaces: tuple[float, ...]
    damping_hours: float
    noise: float = 0.0
    forcing: str = ""
    exact: bool = False


def equal_levels(levels: int) -> tuple[float, ...]:
    """σ of the interfaces of so many levels of equal mass, from 0 to 1."""
    return tuple(k / levels for k in range(levels + 1))


def uniform(value: float) -> Scalar:
    """The same value everywhere."""
    return lambda longitude, _latitude: np.full_like(longitude, value)


def traditional_coriolis(planet: Planet) -> Scalar:
    """f = 2Ω sin φ [1/s]."""
    return lambda _longitude, latitude: 2.0 * planet.rotation * np.sin(latitude)


def half_turn(angle: Floats) -> Floats:
    """The same angle in [−π, π), for differences of longitudes."""
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


@cache
def _gauss_legendre(nodes: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(nodes)


def integral(integrand: Callable[[Floats], Floats], begin: float, end: Floats, nodes: int) -> Floats:
    """∫ from a fixed begin to each of many ends, by Gauss-Legendre quadrature (Abramowitz & Stegun 1964, 25.4.30).

    Parameters
    ----------
    integrand : elementwise function of an array
    begin : lower limit
    end : upper limits, any shape
    nodes : points; analytic integrands converge exponentially with them

    Returns
    -------
    of the shape of `end`
    """
    abscissas, weights = _gauss_legendre(nodes)
    half = 0.5 * (np.asarray(end, dtype=np.float64) - begin)
    total = np.zeros_like(half)
    # A loop over nodes and not one more axis: fields of a fine grid would not fit the memory so often.
    for abscissa, weight in zip(abscissas, weights, strict=True):
        total += weight * integrand(begin + half * (1.0 + abscissa))
    return half * total
