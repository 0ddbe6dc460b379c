"""Latitudes for the tests of the forcing, and what Held & Suarez's formulas say that it does."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.forcing import HeldSuarez, friction_rate, relaxation_rate
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import HELD_SUAREZ
from clustermark.apps.climate.reference_primitive import Fields, Ground


def latitudes(ground: Ground) -> Floats:
    """Any latitude between the poles."""
    return np.random.default_rng(3).uniform(-1.5, 1.5, ground.geopotential.shape)


def wanted(ground: Ground, fields: Fields, latitude: Floats, step: float) -> Fields:
    """Implicit in time, from the formulas; T = θ·P_k and (p/p₀)^κ = P_k."""
    forcing = HeldSuarez()
    sigma = ground.levels.centers[:, None, None]
    exner = ground.levels.exner[:, None, None] * (fields.mass / 1e5) ** HELD_SUAREZ.kappa
    square = np.sin(latitude) ** 2
    warm = 315.0 - 60.0 * square - 10.0 * np.log(sigma * fields.mass / 1e5) * (1.0 - square)
    target = np.maximum(200.0 / exner, warm)
    rate, friction = step * relaxation_rate(forcing, latitude, sigma), step * friction_rate(forcing, sigma)
    theta = (fields.theta + rate * target) / (1.0 + rate)
    return Fields(fields.mass, fields.u / (1.0 + friction), fields.v / (1.0 + friction), theta)
