"""Shallow-water tests 2, 5 and 6 of Williamson, Drake, Hack, Jakob & Swarztrauber 1992 (J. Comput. Phys. 102, 211).

Equation numbers are the paper's; its θ is our latitude φ.
"""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.cases.case import ShallowCase, half_turn, traditional_coriolis, uniform
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import WILLIAMSON

SOURCE = "Williamson et al. 1992"
SECONDS_A_DAY = 86400.0

# Test 2: the wind goes round in 12 days.
STEADY_WIND = 2.0 * np.pi * WILLIAMSON.radius / (12.0 * SECONDS_A_DAY)
STEADY_GEOPOTENTIAL = 2.94e4

# Test 5, section 3.5.
MOUNTAIN_WIND = 20.0
MOUNTAIN_DEPTH = 5960.0
MOUNTAIN_HEIGHT = 2000.0
MOUNTAIN_RADIUS = np.pi / 9.0
MOUNTAIN_PLACE = (1.5 * np.pi, np.pi / 6.0)

# Test 6: ω and K [1/s], wave number R, depth at the pole [m].
WAVE_ROTATION = 7.848e-6
WAVE_AMPLITUDE = 7.848e-6
WAVE_NUMBER = 4
WAVE_DEPTH = 8000.0


def _to_the_axis(longitude: Floats, latitude: Floats, angle: float) -> Floats:
    """Sine of the latitude about an axis that is tilted by the angle: −cos λ cos φ sin α + sin φ cos α."""
    return -np.cos(longitude) * np.cos(latitude) * np.sin(angle) + np.sin(latitude) * np.cos(angle)


def solid_rotation_depth(sine: Floats, wind: float, at_equator: float) -> Floats:
    """Depth in balance with a solid rotation (eq. 95): h = h₀ − (aΩu₀ + u₀²/2)·sin²/g.

    Parameters
    ----------
    sine : of the latitude about the axis of rotation
    wind : u₀ at the equator [m/s]
    at_equator : h₀ [m]
    """
    planet = WILLIAMSON
    return at_equator - (planet.radius * planet.rotation * wind + 0.5 * wind**2) * sine**2 / planet.gravity


def solid_rotation(longitude: Floats, latitude: Floats, wind: float, angle: float) -> tuple[Floats, Floats]:
    """Wind of a solid rotation about a tilted axis [m/s] (eqs. 90 and 91)."""
    east = wind * (np.cos(latitude) * np.cos(angle) + np.cos(longitude) * np.sin(latitude) * np.sin(angle))
    return east, -wind * np.sin(longitude) * np.sin(angle)


def steady_flow(name: str, angle: float) -> ShallowCase:
    """Test 2: a solid rotation in geostrophic balance, about an axis tilted by the angle α, as is the Coriolis force.

    Parameters
    ----------
    name : key of the case
    angle : α [rad]
    """
    at_equator = STEADY_GEOPOTENTIAL / WILLIAMSON.gravity
    twice = 2.0 * WILLIAMSON.rotation
    return ShallowCase(
        name=name,
        summary=f"steady zonal flow about an axis tilted by {np.degrees(angle):.0f}°",
        source=f"{SOURCE}, test 2",
        planet=WILLIAMSON,
        days=5.0,
        depth=lambda longitude, latitude: solid_rotation_depth(
            _to_the_axis(longitude, latitude, angle), STEADY_WIND, at_equator
        ),
        wind=lambda longitude, latitude: solid_rotation(longitude, latitude, STEADY_WIND, angle),
        bottom=uniform(0.0),
        coriolis=lambda longitude, latitude: twice * _to_the_axis(longitude, latitude, angle),
        exact=True,
    )


def mountain(longitude: Floats, latitude: Floats) -> Floats:
    """Height of the cone of test 5 [m] (eq. 134): h_s0·(1 − r/R), r² = min(R², (λ − λ_c)² + (φ − φ_c)²)."""
    east = half_turn(longitude - MOUNTAIN_PLACE[0])
    distance = np.minimum(MOUNTAIN_RADIUS, np.hypot(east, latitude - MOUNTAIN_PLACE[1]))
    return MOUNTAIN_HEIGHT * (1.0 - distance / MOUNTAIN_RADIUS)


def _depth_over_the_mountain(longitude: Floats, latitude: Floats) -> Floats:
    surface = solid_rotation_depth(np.sin(latitude), MOUNTAIN_WIND, MOUNTAIN_DEPTH)
    return surface - mountain(longitude, latitude)


def rossby_haurwitz_depth(longitude: Floats, latitude: Floats) -> Floats:
    """Depth of test 6 [m] (eqs. 146 to 149): gh = gh₀ + a²(A + B cos Rλ + C cos 2Rλ)."""
    planet, w, k, r = WILLIAMSON, WAVE_ROTATION, WAVE_AMPLITUDE, WAVE_NUMBER
    c = np.cos(latitude)
    steady = 0.5 * w * (2.0 * planet.rotation + w) * c**2
    # cos²ᴿφ·(−2R²·cos⁻²φ) as a power of its own, finite at the poles.
    steady += 0.25 * k**2 * (c ** (2 * r) * ((r + 1) * c**2 + (2 * r**2 - r - 2)) - 2 * r**2 * c ** (2 * r - 2))
    single = 2.0 * (planet.rotation + w) * k / ((r + 1) * (r + 2)) * c**r * ((r**2 + 2 * r + 2) - (r + 1) ** 2 * c**2)
    double = 0.25 * k**2 * c ** (2 * r) * ((r + 1) * c**2 - (r + 2))
    waves = steady + single * np.cos(r * longitude) + double * np.cos(2 * r * longitude)
    return WAVE_DEPTH + planet.radius**2 * waves / planet.gravity


def rossby_haurwitz_wind(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    """Wind of test 6 [m/s] (eqs. 143 and 144)."""
    a, w, k, r = WILLIAMSON.radius, WAVE_ROTATION, WAVE_AMPLITUDE, WAVE_NUMBER
    c, s = np.cos(latitude), np.sin(latitude)
    east = a * w * c + a * k * c ** (r - 1) * (r * s**2 - c**2) * np.cos(r * longitude)
    return east, -a * k * r * c ** (r - 1) * s * np.sin(r * longitude)


TC2 = steady_flow("tc2", 0.0)
TC2_TILTED = steady_flow("tc2_tilted", np.pi / 4.0)

TC5 = ShallowCase(
    name="tc5",
    summary="zonal flow over an isolated mountain",
    source=f"{SOURCE}, test 5",
    planet=WILLIAMSON,
    days=15.0,
    depth=_depth_over_the_mountain,
    wind=lambda longitude, latitude: solid_rotation(longitude, latitude, MOUNTAIN_WIND, 0.0),
    bottom=mountain,
    coriolis=traditional_coriolis(WILLIAMSON),
)

TC6 = ShallowCase(
    name="tc6",
    summary="Rossby-Haurwitz wave of wave number 4",
    source=f"{SOURCE}, test 6",
    planet=WILLIAMSON,
    days=14.0,
    depth=rossby_haurwitz_depth,
    wind=rossby_haurwitz_wind,
    bottom=uniform(0.0),
    coriolis=traditional_coriolis(WILLIAMSON),
)
