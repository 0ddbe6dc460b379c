"""Baroclinic wave of Polvani, Scott & Thomas 2004 (Mon. Wea. Rev. 132, 2539), whose solutions have converged.

Height is z = −H·ln(p/p₀); the surface is flat and p_s = p₀. Temperature is in thermal-wind balance:

    ∂T/∂φ = −(H/R)·(a·f + 2u·tan φ)·∂u/∂z

With u = u₀·S(φ)·F(z) this needs only two integrals over φ, ∫ sin φ·S dφ and ∫ tan φ·S² dφ. The paper's solutions have
a diffusion ν∇² with ν = 7·10⁵ m²/s on vorticity, divergence and temperature: without it they are approached, not met.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from clustermark.apps.climate.cases.case import PrimitiveCase, equal_levels, half_turn, integral, uniform
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import Planet

PLANET = Planet(radius=6.371e6, rotation=7.292e-5, gravity=9.806, gas_constant=287.0, heat_capacity=287.0 * 3.5)
SCALE_HEIGHT = 7340.0
MAXIMUM = 50.0
CUT_HEIGHT, CUT_WIDTH = 22e3, 5e3
HALF_WAVE = 30e3
BUMP_TEMPERATURE = 1.0
BUMP_LATITUDE = np.pi / 4.0
BUMP_WIDTHS = (1.0 / 3.0, 1.0 / 6.0)
# Integrands are polynomials of sines over a quarter turn, or nearly: 40 nodes leave 1e-14.
NODES = 48

# U.S. Standard Atmosphere 1976: heights [m] and temperatures [K] between which it is linear.
STANDARD_HEIGHTS = (0.0, 11e3, 20e3, 32e3, 47e3, 51e3, 71e3, 80e3)
STANDARD_TEMPERATURES = (288.15, 216.65, 216.65, 228.65, 270.65, 270.65, 214.65, 196.65)


def height(sigma: Floats | float) -> Floats:
    """z = −H·ln σ [m]."""
    return -SCALE_HEIGHT * np.log(np.asarray(sigma, dtype=np.float64))


def jet_profile(z: Floats) -> tuple[Floats, Floats]:
    """F = ½[1 − tanh³((z − z₀)/Δz₀)]·sin(πz/z₁), and dF/dz [1/m]."""
    t = np.tanh((z - CUT_HEIGHT) / CUT_WIDTH)
    wave, slope = np.sin(np.pi * z / HALF_WAVE), np.cos(np.pi * z / HALF_WAVE) * (np.pi / HALF_WAVE)
    cut, cut_slope = 1.0 - t**3, -3.0 * t**2 * (1.0 - t**2) / CUT_WIDTH
    return 0.5 * cut * wave, 0.5 * (cut_slope * wave + cut * slope)


def jet_shape(latitude: Floats) -> Floats:
    """S(φ) = sin³(π sin²φ) north of the equator, else 0."""
    return np.where(latitude > 0.0, np.sin(np.pi * np.sin(latitude) ** 2) ** 3, 0.0)


def _of_rotation(latitude: Floats) -> Floats:
    return np.sin(latitude) * jet_shape(latitude)


def _of_curvature(latitude: Floats) -> Floats:
    return np.tan(latitude) * jet_shape(latitude) ** 2


@cache
def _means() -> tuple[float, float]:
    """Global means of both integrals over φ; by parts, ½ ∫ integrand·(1 − sin φ) dφ from equator to pole."""
    pole = np.array(0.5 * np.pi)
    rotation = integral(lambda latitude: _of_rotation(latitude) * (1.0 - np.sin(latitude)), 0.0, pole, NODES)
    curvature = integral(lambda latitude: _of_curvature(latitude) * (1.0 - np.sin(latitude)), 0.0, pole, NODES)
    return 0.5 * float(rotation), 0.5 * float(curvature)


def balanced_temperature(latitude: Floats, sigma: Floats | float) -> Floats:
    """Temperature in balance with the jet [K], whose global mean at each height is the standard atmosphere."""
    z = height(sigma)
    profile, slope = jet_profile(z)
    north = np.clip(latitude, 0.0, 0.5 * np.pi)
    rotation, curvature = _means()
    of_rotation = 2.0 * PLANET.rotation * PLANET.radius * slope * (integral(_of_rotation, 0.0, north, NODES) - rotation)
    of_curvature = 2.0 * MAXIMUM * profile * slope * (integral(_of_curvature, 0.0, north, NODES) - curvature)
    deviation = -SCALE_HEIGHT / PLANET.gas_constant * MAXIMUM * (of_rotation + of_curvature)
    return np.interp(z, STANDARD_HEIGHTS, STANDARD_TEMPERATURES) + deviation


def bump(longitude: Floats, latitude: Floats) -> Floats:
    """Perturbation of the temperature [K], the same at all heights: T̂·sech²(λ/α)·sech²((φ − φ₀)/β)."""
    east = half_turn(longitude) / BUMP_WIDTHS[0]
    north = (latitude - BUMP_LATITUDE) / BUMP_WIDTHS[1]
    return BUMP_TEMPERATURE / (np.cosh(east) * np.cosh(north)) ** 2


def _wind(_longitude: Floats, latitude: Floats, sigma: Floats | float) -> tuple[Floats, Floats]:
    profile, _ = jet_profile(height(sigma))
    east = MAXIMUM * jet_shape(latitude) * profile
    return east, np.zeros_like(east)


def _temperature(longitude: Floats, latitude: Floats, sigma: Floats | float) -> Floats:
    return balanced_temperature(latitude, sigma) + bump(longitude, latitude)


POLVANI = PrimitiveCase(
    name="polvani",
    summary="baroclinic wave that grows from a bump of 1 K under a jet of the northern hemisphere",
    source="Polvani et al. 2004",
    planet=PLANET,
    days=12.0,
    surface_pressure=uniform(PLANET.reference_pressure),
    surface_geopotential=uniform(0.0),
    wind=_wind,
    temperature=_temperature,
    interfaces=equal_levels(20),
    damping_hours=1.0,
)
