"""∇⁴ damping in plain NumPy, float64, that the kernels are tested against; the outermost two cells are wrong."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.layout import Floats


def vector_laplacian(
    u: Floats, v: Floats, cos_center: Floats, cos_face: Floats, distance: float
) -> tuple[Floats, Floats]:
    """(10) ∇²V = ∇(∇·V) − ∇×(∇×V) of winds at the faces of cells.

    Parameters
    ----------
    u, v : (..., rows, columns)
    cos_center, cos_face : (rows,) cosφ at cells and at north faces
    distance : a Δ [m]
    """
    center, face = distance * cos_center[:, None], distance * cos_face[:, None]
    northward = v * face
    divergence = (distance * (u - np.roll(u, 1, -1)) + northward - np.roll(northward, 1, -2)) / (distance * center)
    along = u * center
    vorticity = (distance * (np.roll(v, -1, -1) - v) - np.roll(along, -1, -2) + along) / (distance * face)
    return (
        (np.roll(divergence, -1, -1) - divergence) / center - (vorticity - np.roll(vorticity, 1, -2)) / distance,
        (np.roll(divergence, -1, -2) - divergence) / distance + (vorticity - np.roll(vorticity, 1, -1)) / face,
    )


def scalar_laplacian(field: Floats, cos_center: Floats, cos_face: Floats, distance: float) -> Floats:
    """(11) ∇² of a field at cells."""
    center, face = distance * cos_center[:, None], distance * cos_face[:, None]
    east = (np.roll(field, -1, -1) - field) * distance / center
    north = (np.roll(field, -1, -2) - field) * face / distance
    return (east - np.roll(east, 1, -1) + north - np.roll(north, 1, -2)) / (distance * center)


def damp(
    u: Floats, v: Floats, theta: Floats, cos_center: Floats, cos_face: Floats, distance: float, coefficient: float
) -> tuple[Floats, Floats, Floats]:
    """(12) x − ν₄Δt ∇⁴x of winds and potential temperature; `coefficient` is ν₄Δt [m⁴]."""
    metric = (cos_center, cos_face, distance)
    u_twice, v_twice = vector_laplacian(*vector_laplacian(u, v, *metric), *metric)
    theta_twice = scalar_laplacian(scalar_laplacian(theta, *metric), *metric)
    return u - coefficient * u_twice, v - coefficient * v_twice, theta - coefficient * theta_twice
