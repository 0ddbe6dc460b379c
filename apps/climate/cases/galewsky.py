"""Barotropically unstable jet of Galewsky, Scott & Polvani 2004 (Tellus 56A, 429). Equation numbers are the paper's."""

from __future__ import annotations

from functools import cache

import numpy as np

from clustermark.apps.climate.cases.case import ShallowCase, half_turn, integral, traditional_coriolis, uniform
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import WILLIAMSON

MAXIMUM = 80.0
SOUTH, NORTH = np.pi / 7.0, np.pi / 2.0 - np.pi / 7.0
MEAN_DEPTH = 1e4
BUMP_HEIGHT = 120.0
BUMP_LATITUDE = np.pi / 4.0
BUMP_WIDTHS = (1.0 / 3.0, 1.0 / 15.0)
# The jet has all derivatives but is not analytic at its edges: relative error 1e-13 of the integral from 100 nodes on.
NODES = 128


def jet(latitude: Floats) -> Floats:
    """Zonal wind [m/s] (eq. 2): u = u_max·exp(1/((φ − φ₀)(φ − φ₁)) + 4/(φ₁ − φ₀)²) between φ₀ and φ₁, else 0."""
    product = (latitude - SOUTH) * (latitude - NORTH)
    inside = product < 0.0
    exponent = 1.0 / np.where(inside, product, -1.0) + 4.0 / (NORTH - SOUTH) ** 2
    return np.where(inside, MAXIMUM * np.exp(exponent), 0.0)


def _slope(latitude: Floats) -> Floats:
    """−g ∂h/∂φ of the balanced depth [m²/s²]: a·u·(f + u·tan φ/a)."""
    wind = jet(latitude)
    coriolis = 2.0 * WILLIAMSON.rotation * np.sin(latitude)
    return WILLIAMSON.radius * wind * coriolis + wind**2 * np.tan(latitude)


@cache
def depth_at_the_south_pole() -> float:
    """h₀ [m] of eq. 3, so that the mean depth is 10 km.

    The mean of ∫ slope dφ' over sin φ is, by parts, ½ ∫ slope·(1 − sin φ) dφ.
    """
    mean = 0.5 * integral(lambda latitude: _slope(latitude) * (1.0 - np.sin(latitude)), SOUTH, np.array(NORTH), NODES)
    return MEAN_DEPTH + float(mean) / WILLIAMSON.gravity


def balanced_depth(latitude: Floats) -> Floats:
    """Depth in gradient-wind balance with the jet [m] (eq. 3): gh = gh₀ − ∫ a·u·(f + u·tan φ'/a) dφ'."""
    fallen = integral(_slope, SOUTH, np.clip(latitude, SOUTH, NORTH), NODES)
    return depth_at_the_south_pole() - fallen / WILLIAMSON.gravity


def bump(longitude: Floats, latitude: Floats) -> Floats:
    """Perturbation of the depth [m] (eq. 4): ĥ·cos φ·exp(−(λ/α)²)·exp(−((φ₂ − φ)/β)²), −π < λ < π."""
    east = half_turn(longitude) / BUMP_WIDTHS[0]
    north = (BUMP_LATITUDE - latitude) / BUMP_WIDTHS[1]
    return BUMP_HEIGHT * np.cos(latitude) * np.exp(-(east**2) - north**2)


def _wind(_longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    wind = jet(latitude)
    return wind, np.zeros_like(wind)


def _case(name: str, summary: str, perturbed: bool) -> ShallowCase:
    def depth(longitude: Floats, latitude: Floats) -> Floats:
        balanced = balanced_depth(latitude)
        return balanced + bump(longitude, latitude) if perturbed else balanced

    return ShallowCase(
        name=name,
        summary=summary,
        source="Galewsky et al. 2004",
        planet=WILLIAMSON,
        days=6.0,
        depth=depth,
        wind=_wind,
        bottom=uniform(0.0),
        coriolis=traditional_coriolis(WILLIAMSON),
        damping_hours=1.5,
        exact=not perturbed,
    )


GALEWSKY = _case("galewsky", "barotropically unstable jet with a bump in its depth", perturbed=True)
GALEWSKY_STEADY = _case("galewsky_steady", "the same jet left alone, in balance", perturbed=False)
