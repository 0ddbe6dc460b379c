"""Winds, kinetic energy and vorticity at cell centres from the faces of the C-grid, for people and for budgets."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.grid import rotation
from clustermark.apps.climate.layout import Floats, State
from clustermark.apps.climate.metric import Metric


def _mean_with_west(field: Floats) -> Floats:
    return 0.5 * (field + np.roll(field, 1, axis=-1))


def _mean_with_south(field: Floats) -> Floats:
    return 0.5 * (field + np.roll(field, 1, axis=-2))


def kinetic_energy(state: State) -> Floats:
    """½(u² + v²) at cell centres, means of the squares on both faces [m²/s²]: (blocks, levels, rows, pitch) float64."""
    u, v = state.u.astype(np.float64), state.v.astype(np.float64)
    return 0.5 * (_mean_with_west(u * u) + _mean_with_south(v * v))


def turns_of(domain: Domain) -> tuple[Floats, Floats, Floats, Floats]:
    """grid.rotation at the cell centres of the blocks, each (blocks, 1, rows, pitch)."""
    turns = [rotation(domain.grid, panel, "center") for panel in (0, 1)]
    a, b, c, d = (domain.cut(np.stack([turn[n] for turn in turns]))[:, np.newaxis] for n in range(4))
    return a, b, c, d


def true_winds(turns: tuple[Floats, Floats, Floats, Floats], state: State) -> tuple[Floats, Floats]:
    """Components to the true east and north at cell centres [m/s], each (blocks, levels, rows, pitch) float64.

    Parameters
    ----------
    turns : `turns_of` the domain of the state
    """
    a, b, c, d = turns
    u, v = _mean_with_west(state.u.astype(np.float64)), _mean_with_south(state.v.astype(np.float64))
    return a * u + c * v, b * u + d * v


def vorticity(metric: Metric, state: State) -> Floats:
    """ζ = [δλ v − δφ(u cos φ)]/(aΔ cos φ) of the four corners, averaged to the centre [1/s].

    Returns
    -------
    (blocks, levels, rows, pitch) float64; valid in evolved cells
    """
    u, v = state.u.astype(np.float64), state.v.astype(np.float64)
    center, face = (cosine[:, np.newaxis, :, np.newaxis] for cosine in (metric.cos_center, metric.cos_face))
    along = u * center
    corner = (np.roll(v, -1, axis=-1) - v - np.roll(along, -1, axis=-2) + along) * metric.inverse_spacing / face
    return _mean_with_south(_mean_with_west(corner))
