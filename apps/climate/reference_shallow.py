"""Shallow water on a panel: the slow, obvious truth in float64, as averages and differences of whole arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.layout import Array, Floats


@dataclass(frozen=True)
class Tendencies:
    """Time derivatives of a state; each (rows, pitch) float64, right where a cell has neighbours on all sides.

    Attributes
    ----------
    depth : ∂h/∂t [m/s]
    u, v : ∂u/∂t on east faces, ∂v/∂t on north faces [m/s²]
    """

    depth: Floats
    u: Floats
    v: Floats


def _east(a: Floats) -> Floats:
    """The value at (j, i + 1)."""
    return np.roll(a, -1, axis=1)


def _west(a: Floats) -> Floats:
    """The value at (j, i − 1)."""
    return np.roll(a, 1, axis=1)


def _north(a: Floats) -> Floats:
    """The value at (j + 1, i)."""
    return np.roll(a, -1, axis=0)


def _south(a: Floats) -> Floats:
    """The value at (j − 1, i)."""
    return np.roll(a, 1, axis=0)


def _middle(q: Floats, axis: int) -> Floats:
    """q at the middle of a face between the corners behind it and at it, by the cubic through four in a line."""
    before, behind, beyond = (np.roll(q, shift, axis) for shift in (2, 1, -1))
    return (9.0 * (behind + q) - (before + beyond)) / 16.0


def shallow_tendencies(
    h: Array,
    u: Array,
    v: Array,
    bottom: Array,
    coriolis: Array,
    cos_center: Floats,
    cos_face: Floats,
    inverse_spacing: float,
    gravity: float,
) -> Tendencies:
    """Shallow water in vector-invariant form, the enstrophy form of Sadourny (1975, J. Atmos. Sci. 32), q by cubics.

    On a C-grid of longitude λ and latitude φ with metric a cos φ, shallow water (1) to (8) of docs/climate.md:

        U = h̄ˣ u                      V = h̄ʸ v cos φ                                     (1)
        ζ = [δλ v − δφ(u cos φ)]/(aΔ cos φ)                                              (2)
        q = (ζ + f)/h̄ˣʸ                                                                  (3)
        K = ½[‾u²‾ˣ + ‾v² cos φ‾ʸ/cos φ]                                                 (4)
        B = K + g(h + b)                                                                 (5)
        ∂h/∂t = −[δλ U + δφ V]/(aΔ cos φ)                                                (6)
        ∂u/∂t = +q̂ʸ V̄ˣʸ/cos φ − δλ B/(aΔ cos φ)                                          (7)
        ∂v/∂t = −q̂ˣ Ūˣʸ − δφ B/(aΔ)                                                      (8)

    Parameters
    ----------
    h, u, v, bottom, coriolis : (rows, pitch), depth, winds [m/s] on east and north faces, height of the ground [m],
        f at north-east corners [1/s]; rows and columns at the border wrap around
    cos_center, cos_face : (rows,) cos φ of cells and of north faces
    inverse_spacing : 1/(aΔ) [1/m]
    gravity : g [m/s²]
    """
    h, u, v, bottom, coriolis = (np.asarray(field, np.float64) for field in (h, u, v, bottom, coriolis))
    center, face = np.asarray(cos_center, np.float64)[:, None], np.asarray(cos_face, np.float64)[:, None]
    zonal_flux = (h + _east(h)) / 2 * u
    meridional_flux = (h + _north(h)) / 2 * v * face
    vorticity = ((_east(v) - v) - (_north(u * center) - u * center)) * inverse_spacing / face
    corner_depth = (h + _east(h) + _north(h) + _north(_east(h))) / 4
    q = (vorticity + coriolis) / corner_depth
    kinetic = ((u**2 + _west(u) ** 2) / 2 + (v**2 * face + _south(v**2 * face)) / 2 / center) / 2
    energy = kinetic + gravity * (h + bottom)
    flux_at_u = (meridional_flux + _east(meridional_flux) + _south(meridional_flux + _east(meridional_flux))) / 4
    flux_at_v = (zonal_flux + _west(zonal_flux) + _north(zonal_flux + _west(zonal_flux))) / 4
    divergence = (zonal_flux - _west(zonal_flux)) + (meridional_flux - _south(meridional_flux))
    return Tendencies(
        depth=-divergence * inverse_spacing / center,
        u=_middle(q, 0) * flux_at_u / center - (_east(energy) - energy) * inverse_spacing / center,
        v=-_middle(q, 1) * flux_at_v - (_north(energy) - energy) * inverse_spacing,
    )
