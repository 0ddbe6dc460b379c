"""One stage of the primitive equations in plain NumPy, float64: slow and obvious, to test kernels against.

Arrays are one block with its halo, (levels, rows, columns) or (rows, columns). Every formula is written over the whole
array with np.roll, so that the outermost cells of the result, as many as REACH, are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import Planet
from clustermark.apps.climate.vertical import Levels


class Fields(NamedTuple):
    """Surface pressure [Pa] (rows, columns); winds [m/s] and potential temperature [K] (levels, rows, columns)."""

    mass: Floats
    u: Floats
    v: Floats
    theta: Floats


@dataclass(frozen=True)
class Ground:
    """What does not change: geopotential of the ground [m²/s²] and f at corners [1/s]; cosφ per row."""

    planet: Planet
    levels: Levels
    spacing: float
    geopotential: Floats
    coriolis: Floats
    cos_center: Floats
    cos_face: Floats


class Diagnosed(NamedTuple):
    """∂p_s/∂t [Pa/s]; W = p_s σ̇ at the interface below each level [Pa/s]; Φ and K at cells [m²/s²]."""

    mass_tendency: Floats
    vertical: Floats
    geopotential: Floats
    kinetic: Floats


def _east(field: Floats, cells: int = 1) -> Floats:
    return np.roll(field, -cells, axis=-1)


def _north(field: Floats, cells: int = 1) -> Floats:
    return np.roll(field, -cells, axis=-2)


def _below(field: Floats) -> Floats:
    return np.concatenate([field[1:], field[-1:]])


def mass_fluxes(fields: Fields, ground: Ground) -> tuple[Floats, Floats]:
    """p_s u at east faces, and p_s v cosφ at north faces [Pa m/s]."""
    east = 0.5 * (fields.mass + _east(fields.mass))
    north = 0.5 * (fields.mass + _north(fields.mass)) * ground.cos_face[:, None]
    return east * fields.u, north * fields.v


def diagnose(fields: Fields, ground: Ground) -> Diagnosed:
    """What follows from a state without time: eqs. 1 to 4."""
    levels, planet = ground.levels, ground.planet
    distance = planet.radius * ground.spacing
    cos, cos_face = ground.cos_center[:, None], ground.cos_face[:, None]
    east, north = mass_fluxes(fields, ground)
    # (1) ∂p_s/∂t = −Σ_k ∇·(p_s V_k) Δσ_k
    spread = (east - _east(east, -1) + north - _north(north, -1)) / (distance * cos)
    above = np.cumsum(spread * levels.thickness[:, None, None], axis=0)
    mass_tendency = -above[-1]
    # (2) W_{k+½} = σ_{k+½} Σ_all − Σ_{l ≤ k}
    vertical = levels.interfaces[1:, None, None] * above[-1] - above
    # (3) Φ_K = Φ_s + c_p θ_K (P_s − P_K),  Φ_k = Φ_{k+1} + ½c_p (θ_k + θ_{k+1})(P_{k+1} − P_k)
    exner = levels.exner[:, None, None] * (fields.mass / planet.reference_pressure) ** planet.kappa
    at_ground = (fields.mass / planet.reference_pressure) ** planet.kappa
    geopotential = np.empty_like(fields.theta)
    geopotential[-1] = ground.geopotential + planet.heat_capacity * fields.theta[-1] * (at_ground - exner[-1])
    for k in range(levels.count - 2, -1, -1):
        mean = 0.5 * (fields.theta[k] + fields.theta[k + 1])
        geopotential[k] = geopotential[k + 1] + planet.heat_capacity * mean * (exner[k + 1] - exner[k])
    # (4) K = ½(mean of u² over both faces + mean of v² cosφ over both faces / cosφ)
    u_square, v_square = fields.u**2, fields.v**2 * cos_face
    kinetic = 0.25 * (u_square + _east(u_square, -1) + (v_square + _north(v_square, -1)) / cos)
    return Diagnosed(mass_tendency, vertical, geopotential, kinetic)


def potential_vorticity(fields: Fields, ground: Ground) -> Floats:
    """(5) q = (f + ζ)/(mean p_s of the four cells), at corners [1/(Pa s)]."""
    distance = ground.planet.radius * ground.spacing
    along = fields.u * ground.cos_center[:, None]
    vorticity = (_east(fields.v) - fields.v - (_north(along) - along)) / (distance * ground.cos_face[:, None])
    mean = 0.25 * (fields.mass + _east(fields.mass) + _north(fields.mass) + _north(_east(fields.mass)))
    return (ground.coriolis + vorticity) / mean


def _middle(q: Floats, axis: int) -> Floats:
    """q at the middle of a face between the corners behind it and at it, by the cubic through four in a line."""
    before, behind, beyond = (np.roll(q, shift, axis) for shift in (2, 1, -1))
    return (9.0 * (behind + q) - (before + beyond)) / 16.0


def _advection(wind: Floats, vertical: Floats, mass: Floats, levels: Levels) -> Floats:
    """σ̇ ∂u/∂σ by centred differences, W and p_s at the points of the wind."""
    across = vertical * (_below(wind) - wind)
    above = np.concatenate([np.zeros_like(across[:1]), across[:-1]])
    return 0.5 * (across + above) / (levels.thickness[:, None, None] * mass)


def wind_tendencies(fields: Fields, ground: Ground) -> tuple[Floats, Floats]:
    """∂u/∂t and ∂v/∂t [m/s²]: eqs. 6 and 7."""
    levels, planet = ground.levels, ground.planet
    distance = planet.radius * ground.spacing
    cos = ground.cos_center[:, None]
    found = diagnose(fields, ground)
    q = potential_vorticity(fields, ground)
    east, north = mass_fluxes(fields, ground)
    energy = found.geopotential + found.kinetic
    exner = levels.exner[:, None, None] * (fields.mass / planet.reference_pressure) ** planet.kappa
    # (6) ∂u/∂t = q̂ (p_s v cosφ)‾/cosφ − [δ(Φ+K) + c_p θ̄ δP]/(aΔcosφ) − σ̇ ∂u/∂σ
    around = 0.25 * (north + _east(north) + _north(north, -1) + _north(_east(north), -1))
    push = (
        _east(energy)
        - energy
        + planet.heat_capacity * 0.5 * (fields.theta + _east(fields.theta)) * (_east(exner) - exner)
    )
    lift = _advection(
        fields.u, 0.5 * (found.vertical + _east(found.vertical)), 0.5 * (fields.mass + _east(fields.mass)), levels
    )
    du = _middle(q, -2) * around / cos - push / (distance * cos) - lift
    # (7) ∂v/∂t = −q̂ (p_s u)‾ − [δ(Φ+K) + c_p θ̄ δP]/(aΔ) − σ̇ ∂v/∂σ
    around = 0.25 * (east + _east(east, -1) + _north(east) + _north(_east(east, -1)))
    push = (
        _north(energy)
        - energy
        + planet.heat_capacity * 0.5 * (fields.theta + _north(fields.theta)) * (_north(exner) - exner)
    )
    lift = _advection(
        fields.v, 0.5 * (found.vertical + _north(found.vertical)), 0.5 * (fields.mass + _north(fields.mass)), levels
    )
    dv = -_middle(q, -1) * around - push / distance - lift
    return du, dv


def upwind_value(flux: Floats, before: Floats, here: Floats, beyond: Floats, far: Floats) -> Floats:
    """(9) Value at a face from the three nearest upwind: (2θ_down + 5θ_up − θ_upup)/6 (Wicker & Skamarock 2002)."""
    forwards = (2.0 * beyond + 5.0 * here - before) / 6.0
    backwards = (2.0 * here + 5.0 * beyond - far) / 6.0
    return np.where(flux > 0, forwards, backwards)


def heat_tendency(fields: Fields, ground: Ground) -> Floats:
    """(8) ∂(p_s θ)/∂t = −∇·(p_s V θ) − ∂(W θ)/∂σ [Pa K/s]."""
    distance = ground.planet.radius * ground.spacing
    east, north = mass_fluxes(fields, ground)
    theta = fields.theta
    east = east * upwind_value(east, _east(theta, -1), theta, _east(theta), _east(theta, 2))
    north = north * upwind_value(north, _north(theta, -1), theta, _north(theta), _north(theta, 2))
    spread = (east - _east(east, -1) + north - _north(north, -1)) / (distance * ground.cos_center[:, None])
    sinking = diagnose(fields, ground).vertical * 0.5 * (theta + _below(theta))
    above = np.concatenate([np.zeros_like(sinking[:1]), sinking[:-1]])
    return -spread - (sinking - above) / ground.levels.thickness[:, None, None]


def advance(fields: Fields, start: Fields, ground: Ground, step: float) -> Fields:
    """X_new = X₀ + Δt·F(X), p_s θ in flux form.

    Parameters
    ----------
    fields, start : X and X₀
    ground : what does not change
    step : Δt [s]
    """
    du, dv = wind_tendencies(fields, ground)
    mass = start.mass + step * diagnose(fields, ground).mass_tendency
    theta = (start.mass * start.theta + step * heat_tendency(fields, ground)) / mass
    return Fields(mass, start.u + step * du, start.v + step * dv, theta)
