"""Initial shapes of a passive tracer: mixing ratios from 0 to 1 as functions of true longitude and latitude [rad]."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.cases.case import Scalar, uniform
from clustermark.apps.climate.layout import Floats

# Williamson et al. 1992, test 1: centre (eq. 80) and radius in units of the planet's.
BELL_PLACE = (1.5 * np.pi, 0.0)
BELL_RADIUS = 1.0 / 3.0


def distance(longitude: Floats, latitude: Floats, place: tuple[float, float]) -> Floats:
    """Great-circle distance from a place [rad]."""
    east, north = place
    cosine = np.sin(north) * np.sin(latitude) + np.cos(north) * np.cos(latitude) * np.cos(longitude - east)
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def cosine_bell(longitude: Floats, latitude: Floats, place: tuple[float, float] = BELL_PLACE) -> Floats:
    """½[1 + cos(πr/R)] within R = a/3 of a place on the equator (Williamson et al. 1992, eq. 79)."""
    r = distance(longitude, latitude, place)
    return np.where(r < BELL_RADIUS, 0.5 * (1.0 + np.cos(np.pi * r / BELL_RADIUS)), 0.0)


def slotted_cylinder(longitude: Floats, latitude: Floats) -> Floats:
    """1 within ½ of the bell's place but for a slot from the south, 1/6 wide, 17/24 of the diameter (Zalesak 1979)."""
    east = (longitude - BELL_PLACE[0] + np.pi) % (2.0 * np.pi) - np.pi
    inside = distance(longitude, latitude, BELL_PLACE) < 0.5
    slot = (np.abs(east) < 1.0 / 12.0) & (latitude < 5.0 / 24.0)
    return np.where(inside & ~slot, 1.0, 0.0)


# Name of the input's key → shape, the same at all heights.
TRACERS: dict[str, Scalar] = {
    "cosine_bell": cosine_bell,
    "slotted_cylinder": slotted_cylinder,
    "uniform": uniform(1.0),
}
