"""Start of the dry climate of Held & Suarez 1994 (Bull. Amer. Meteor. Soc. 75, 1825): a stable atmosphere at rest.

The paper leaves the start open, for its climate does not depend on it. Random temperatures (`noise.noise`) break the
symmetry, so that eddies grow.
"""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.cases.case import PrimitiveCase, equal_levels, uniform
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import HELD_SUAREZ as PLANET

SURFACE_TEMPERATURE = 288.0
LAPSE_RATE = 0.0065
STRATOSPHERE = 200.0


def _temperature(longitude: Floats, _latitude: Floats, sigma: Floats | float) -> Floats:
    """T₀·σ^(RΓ/g), no colder than 200 K; stable, since RΓ/g < κ."""
    troposphere = SURFACE_TEMPERATURE * np.asarray(sigma) ** (PLANET.gas_constant * LAPSE_RATE / PLANET.gravity)
    return np.maximum(troposphere, STRATOSPHERE) + np.zeros_like(longitude)


def _wind(longitude: Floats, _latitude: Floats, sigma: Floats | float) -> tuple[Floats, Floats]:
    calm = np.zeros(np.broadcast_shapes(np.shape(longitude), np.shape(sigma)))
    return calm, calm.copy()


HELD_SUAREZ = PrimitiveCase(
    name="held_suarez",
    summary="dry climate: relaxation to a warm equator and cold poles, friction near the ground",
    source="Held & Suarez 1994",
    planet=PLANET,
    days=1200.0,
    surface_pressure=uniform(PLANET.reference_pressure),
    surface_geopotential=uniform(0.0),
    wind=_wind,
    temperature=_temperature,
    interfaces=equal_levels(20),
    damping_hours=1.5,
    noise=0.1,
    forcing="held_suarez",
)
