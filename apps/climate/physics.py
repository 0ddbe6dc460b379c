"""The horizontal formulas of one layer, written once for every kind of number.

Only `+ - * /` on what is given, no literals, no branches, no calls: so NumPy arrays, the SIMD vectors of the CPU
kernels and the scalars of a GPU thread can all pass through, in any precision. Factors that depend on a row alone
(metric terms, the halves and quarters of averages) come in as numbers, so that nothing is multiplied twice.

Places of the C-grid around cell (j, i): u on its east face, v on its north face, potential vorticity at its north-east
corner. Suffixes name the neighbour: `_east` (j, i+1), `_north` (j+1, i), `_north_east`, `_west`, `_south`.
"""

from __future__ import annotations

from typing import Any


def double_flux(depth: Any, depth_beyond: Any, wind: Any) -> Any:
    """Twice the mass flux through a face, 2U = (h + h')·u (Sadourny 1975, U = h̄ˣ·u, V = h̄ʸ·v).

    Parameters
    ----------
    depth, depth_beyond : h on both sides of the face [m]
    wind : normal to the face [m/s]; on a north face times cos φ of the face

    Returns
    -------
    [m²/s]
    """
    return (depth + depth_beyond) * wind


def absolute_vorticity(
    v: Any,
    v_east: Any,
    u: Any,
    u_north: Any,
    coriolis: Any,
    per_longitude: Any,
    per_latitude: Any,
    per_latitude_north: Any,
) -> Any:
    """Absolute vorticity at a corner, f + [δλ v − δφ(u cos φ)]/(a Δ cos φ) (Sadourny 1975 with the sphere's metric).

    Parameters
    ----------
    v, v_east, u, u_north : winds around the corner [m/s]
    coriolis : f at the corner [1/s]
    per_longitude : 1/(a Δ cos φ_face) [1/m]
    per_latitude, per_latitude_north : cos φ/(a Δ cos φ_face) of the rows of u and u_north [1/m]

    Returns
    -------
    [1/s]
    """
    return coriolis + (v_east - v) * per_longitude + u * per_latitude - u_north * per_latitude_north


def quarter_potential_vorticity(
    vorticity: Any, depth: Any, depth_east: Any, depth_north: Any, depth_north_east: Any
) -> Any:
    """A quarter of the potential vorticity at a corner, q/4 = (ζ + f)/Σh, as q = (ζ + f)/h̄ˣʸ (Sadourny 1975).

    Parameters
    ----------
    vorticity : ζ + f at the corner [1/s]
    depth, depth_east, depth_north, depth_north_east : h of the four cells around it [m]

    Returns
    -------
    [1/(m s)]
    """
    return vorticity / ((depth + depth_east) + (depth_north + depth_north_east))


def twice_cubic_mean(before: Any, here: Any, beyond: Any, far: Any, near_weight: Any, far_weight: Any) -> Any:
    """Twice the value midway between four points in a line, 2q̄ = [9(q₂ + q₃) − (q₁ + q₄)]/8 (Lagrange's cubic).

    Parameters
    ----------
    before, here, beyond, far : q₁ to q₄; the middle is between the second and the third
    near_weight, far_weight : 9/8 and 1/8
    """
    return (here + beyond) * near_weight - (before + far) * far_weight


def bernoulli(
    u: Any,
    u_west: Any,
    v: Any,
    v_south: Any,
    depth: Any,
    bottom: Any,
    zonal_weight: Any,
    north_weight: Any,
    south_weight: Any,
    gravity: Any,
) -> Any:
    """Bernoulli function of a cell, B = ½(‾u²ˣ + ‾(v² cos φ)ʸ/cos φ) + g(h + b) (Sadourny 1975, B = K + Φ).

    Parameters
    ----------
    u, u_west, v, v_south : winds on the faces of the cell [m/s]
    depth, bottom : h and b [m]
    zonal_weight : ¼
    north_weight, south_weight : ¼ cos φ_face/cos φ_center of the two faces
    gravity : g [m/s²]

    Returns
    -------
    [m²/s²]
    """
    kinetic = (u * u + u_west * u_west) * zonal_weight + v * v * north_weight + v_south * v_south * south_weight
    return kinetic + (depth + bottom) * gravity


def depth_change(east: Any, west: Any, north: Any, south: Any, factor: Any) -> Any:
    """What leaves a cell in a step, Δt ∇·(hu) = Δt [δλ U + δφ(V cos φ)]/(a Δ cos φ) (Sadourny 1975, continuity).

    Parameters
    ----------
    east, west, north, south : `double_flux` of the four faces [m²/s]
    factor : ½ Δt/(a Δ cos φ_center) [s/m]

    Returns
    -------
    [m], to be subtracted
    """
    return ((east - west) + (north - south)) * factor


def zonal_acceleration(
    vorticity: Any,
    fluxes_north: Any,
    fluxes_south: Any,
    energy: Any,
    energy_east: Any,
    rotation_factor: Any,
    gradient_factor: Any,
) -> Any:
    """Change of u in a step, Δt [q̂ʸ·‾V cos φ‾ˣʸ/cos φ − δλB/(a Δ cos φ)] (Sadourny 1975, enstrophy form).

    Parameters
    ----------
    vorticity : `twice_cubic_mean` along the face of `quarter_potential_vorticity` [1/(m s)]
    fluxes_north, fluxes_south : sum of `double_flux` of the two north, and of the two south, faces nearby [m²/s]
    energy, energy_east : `bernoulli` of the cells on both sides [m²/s²]
    rotation_factor : ¼ Δt/cos φ_center [s]
    gradient_factor : Δt/(a Δ cos φ_center) [s/m]

    Returns
    -------
    [m/s], to be added
    """
    rotation = vorticity * (fluxes_north + fluxes_south) * rotation_factor
    return rotation - (energy_east - energy) * gradient_factor


def meridional_acceleration(
    vorticity: Any,
    fluxes: Any,
    fluxes_north: Any,
    energy: Any,
    energy_north: Any,
    rotation_factor: Any,
    gradient_factor: Any,
) -> Any:
    """Change of v in a step, −Δt [q̂ˣ·Ūˣʸ + δφB/(a Δ)] (Sadourny 1975, enstrophy form).

    Parameters
    ----------
    vorticity : `twice_cubic_mean` along the face of `quarter_potential_vorticity` [1/(m s)]
    fluxes, fluxes_north : sum of `double_flux` of the two zonal faces of the row south, and north, of it [m²/s]
    energy, energy_north : `bernoulli` of the cells on both sides [m²/s²]
    rotation_factor : ¼ Δt [s]
    gradient_factor : Δt/(a Δ) [s/m]

    Returns
    -------
    [m/s], to be subtracted
    """
    rotation = vorticity * (fluxes + fluxes_north) * rotation_factor
    return rotation + (energy_north - energy) * gradient_factor
