"""Baroclinic wave of Jablonowski & Williamson 2006 (Q. J. R. Meteorol. Soc. 132, 2943) and its steady state.

Equation numbers are the paper's. Its hybrid coordinate η is p/p₀ here: σ equals it where p_s = p₀, as at the start.
"""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.cases.case import PrimitiveCase, uniform
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import JABLONOWSKI_WILLIAMSON

PLANET = JABLONOWSKI_WILLIAMSON
MAXIMUM = 35.0
ETA_JET = 0.252
ETA_TROPOPAUSE = 0.2
TEMPERATURE = 288.0
LAPSE_RATE = 0.005
STRATOSPHERE = 4.8e5
BUMP_WIND = 1.0
BUMP_PLACE = (np.pi / 9.0, 2.0 * np.pi / 9.0)
BUMP_WIDTH = 0.1

# The paper's 26 levels (table B1: a + b at the interfaces), with the lid moved from 2.2 hPa to 0: σ ends at p = 0.
LEVELS_26 = (
    0.0, 0.004895209, 0.009882418, 0.01805201, 0.02983724, 0.04462334, 0.06160587, 0.07851243, 0.0923658, 0.10866358,
    0.12783708, 0.15039371, 0.17693043, 0.20814944, 0.24487709, 0.28808522, 0.33891731, 0.39871865, 0.4690718,
    0.55183871, 0.64920969, 0.74438289, 0.83102123, 0.90330029, 0.95599746, 0.9851122, 1.0,
)  # fmt: skip


def _angle(eta: Floats | float) -> Floats:
    """η_v = (η − η₀)·π/2 (eq. 1)."""
    return (np.asarray(eta, dtype=np.float64) - ETA_JET) * (0.5 * np.pi)


def _of_wind_squared(latitude: Floats) -> Floats:
    """−2 sin⁶φ (cos²φ + 1/3) + 10/63: what u₀² multiplies in Φ' and T'."""
    s, c = np.sin(latitude), np.cos(latitude)
    return -2.0 * s**6 * (c**2 + 1.0 / 3.0) + 10.0 / 63.0


def _of_rotation(latitude: Floats) -> Floats:
    """(8/5) cos³φ (sin²φ + 2/3) − π/4: what a·Ω·u₀ multiplies in Φ' and T'."""
    s, c = np.sin(latitude), np.cos(latitude)
    return 1.6 * c**3 * (s**2 + 2.0 / 3.0) - 0.25 * np.pi


def steady_wind(latitude: Floats, eta: Floats | float) -> Floats:
    """Zonal wind [m/s] (eq. 2): u₀·cos^{3/2} η_v·sin² 2φ."""
    return MAXIMUM * np.cos(_angle(eta)) ** 1.5 * np.sin(2.0 * latitude) ** 2


def bump(longitude: Floats, latitude: Floats) -> Floats:
    """Perturbation of the zonal wind [m/s] (eq. 10): u_p·exp(−(r/R)²), R = a/10, r the great-circle distance."""
    east, north = BUMP_PLACE
    cosine = np.sin(north) * np.sin(latitude) + np.cos(north) * np.cos(latitude) * np.cos(longitude - east)
    distance = np.arccos(np.clip(cosine, -1.0, 1.0))
    return BUMP_WIND * np.exp(-((distance / BUMP_WIDTH) ** 2))


def mean_temperature(eta: Floats | float) -> Floats:
    """Horizontal mean of the temperature [K] (eqs. 4 and 5): T₀·η^(RΓ/g), + ΔT·(η_t − η)⁵ above η_t."""
    eta = np.asarray(eta, dtype=np.float64)
    above = np.maximum(ETA_TROPOPAUSE - eta, 0.0)
    return TEMPERATURE * eta ** (PLANET.gas_constant * LAPSE_RATE / PLANET.gravity) + STRATOSPHERE * above**5


def temperature(_longitude: Floats, latitude: Floats, eta: Floats | float) -> Floats:
    """Temperature in thermal-wind balance with the jet [K] (eq. 6)."""
    angle = _angle(eta)
    factor = 0.75 * np.asarray(eta) * np.pi * MAXIMUM / PLANET.gas_constant * np.sin(angle) * np.cos(angle) ** 0.5
    of_wind = _of_wind_squared(latitude) * 2.0 * MAXIMUM * np.cos(angle) ** 1.5
    of_rotation = _of_rotation(latitude) * PLANET.radius * PLANET.rotation
    return mean_temperature(eta) + factor * (of_wind + of_rotation)


def surface_geopotential(_longitude: Floats, latitude: Floats) -> Floats:
    """Φ_s [m²/s²] in gradient-wind balance with the wind at η = 1 (eq. 7)."""
    wind = MAXIMUM * np.cos(_angle(1.0)) ** 1.5
    return wind * (_of_wind_squared(latitude) * wind + _of_rotation(latitude) * PLANET.radius * PLANET.rotation)


def _case(name: str, summary: str, perturbed: bool) -> PrimitiveCase:
    def wind(longitude: Floats, latitude: Floats, sigma: Floats | float) -> tuple[Floats, Floats]:
        steady = steady_wind(latitude, sigma)
        east = steady + bump(longitude, latitude) if perturbed else steady
        return east, np.zeros_like(east)

    return PrimitiveCase(
        name=name,
        summary=summary,
        source="Jablonowski & Williamson 2006",
        planet=PLANET,
        days=10.0,
        surface_pressure=uniform(PLANET.reference_pressure),
        surface_geopotential=surface_geopotential,
        wind=wind,
        temperature=temperature,
        interfaces=LEVELS_26,
        damping_hours=1.0,
        exact=not perturbed,
    )


BAROCLINIC_WAVE = _case("baroclinic_wave", "baroclinic wave that grows from a bump of 1 m/s in a jet", perturbed=True)
BAROCLINIC_STEADY = _case("baroclinic_steady", "the same jet left alone, in balance", perturbed=False)
