"""A tracer on a panel: the slow, obvious truth in float64 (docs/climate.md, tracer; CW: Colella & Woodward 1984).

Arrays are (levels, rows, columns); what depends on neighbours is right where these are inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.layout import Floats


@dataclass(frozen=True)
class Panel:
    """What a step needs beside the fields.

    Attributes
    ----------
    interfaces : (levels + 1,) σ; (0, 1) for water
    cos_center, cos_face : (rows,) cosφ at cells and at north faces
    distance : a Δ [m]
    """

    interfaces: Floats
    cos_center: Floats
    cos_face: Floats
    distance: float


def _moved(a: Floats, by: int, axis: int) -> Floats:
    """The value `by` cells beyond; in the vertical the last level again where there are no more."""
    if axis == 0:
        return a[np.clip(np.arange(len(a)) + by, 0, len(a) - 1)]
    return np.roll(a, -by, axis)


def edges(q: Floats, widths: Floats, axis: int) -> tuple[Floats, Floats]:
    """Values of the monotone parabolas at their edges before and beyond along an axis (CW 1.6 to 1.10)."""
    d = {n: _moved(widths, n, axis) for n in (-1, 0, 1, 2)}
    low, high = q - _moved(q, -1, axis), _moved(q, 1, axis) - q
    slope = d[0] / (d[-1] + d[0] + d[1])
    slope = slope * ((2 * d[-1] + d[0]) / (d[1] + d[0]) * high + (d[0] + 2 * d[1]) / (d[-1] + d[0]) * low)
    steepest = np.minimum(np.abs(slope), 2 * np.minimum(np.abs(low), np.abs(high)))
    slope = np.where(low * high > 0, np.sign(slope) * steepest, 0.0)  # CW 1.8
    near, far = (d[-1] + d[0]) / (2 * d[0] + d[1]), (d[2] + d[1]) / (2 * d[1] + d[0])
    more = 2 * d[1] * d[0] / (d[0] + d[1]) * (near - far) * high
    more = more - d[0] * near * _moved(slope, 1, axis) + d[1] * far * slope
    last = q + d[0] / (d[0] + d[1]) * high + more / (d[-1] + d[0] + d[1] + d[2])  # CW 1.6
    first = _moved(last, -1, axis)
    if axis == 0:
        first = np.concatenate([q[:1], last[:-1]])
    level = (last - q) * (q - first) <= 0.0  # CW 1.10
    bend, bound = (last - first) * (q - 0.5 * (first + last)), (last - first) ** 2 / 6
    steep = np.where(bend > bound, 3 * q - 2 * last, first), np.where(bend < -bound, 3 * q - 2 * first, last)
    return np.where(level, q, steep[0]), np.where(level, q, steep[1])


def swept(far: Floats, q: Floats, out: Floats, part: Floats) -> Floats:
    """Mean over the part of a cell next to its edge `out` (CW 1.12)."""
    return out + 0.5 * part * ((far - out) + (1 - 2 * part / 3) * 6 * (q - 0.5 * (far + out)))


def moved(q: Floats, flux: Floats, mass: Floats, axis: int) -> Floats:
    """q half a step later by the flow along an axis, upwind (tracer 2).

    Parameters
    ----------
    flux, mass : as in `carried`
    """
    courant = 0.5 * (_moved(flux, -1, axis) + flux) / mass
    difference = np.where(courant > 0, q - _moved(q, -1, axis), _moved(q, 1, axis) - q)
    return q - 0.5 * courant * difference


def carried(flux: Floats, q: Floats, old: Floats, mass: Floats, widths: Floats, axis: int) -> Floats:
    """Flux of the tracer through the faces beyond (tracer 3 to 6).

    Parameters
    ----------
    flux : of mass through them, times what makes it comparable to `mass`: |flux|/mass is the part that is swept
    q, old : moved sideways for half a step, and before that
    """
    first, last = edges(q, widths, axis)
    forward = swept(first, q, last, np.abs(flux) / mass)
    beyond = (_moved(a, 1, axis) for a in (last, q, first, mass))
    far, value, out, other = beyond
    backward = swept(far, value, out, np.abs(flux) / other)
    giver = np.where(flux > 0, old, _moved(old, 1, axis))
    return flux * np.minimum(np.where(flux > 0, forward, backward), 3 * giver)


def transported(
    q: Floats, mass_0: Floats, mass: Floats, u: Floats, v: Floats, mass_new: Floats, panel: Panel, timestep: float
) -> Floats:
    """q after a step: [m₀q − Δt(∇·F + δW/Δσ)]/m_new (tracer 1).

    Parameters
    ----------
    q, u, v : (levels, rows, columns)
    mass_0, mass, mass_new : (rows, columns) before the step, of the state that the last stage reads, after the step
    """
    thickness = np.diff(panel.interfaces)[:, np.newaxis, np.newaxis]
    center, face = panel.cos_center[:, np.newaxis], panel.cos_face[:, np.newaxis]
    courant = timestep / panel.distance
    east = courant * 0.5 * (mass + np.roll(mass, -1, 1)) * u
    north = courant * 0.5 * (mass + np.roll(mass, -1, 0)) * face * v
    even = np.ones((1, *q.shape[1:]))
    divergence = (east - _moved(east, -1, 2) + north - _moved(north, -1, 1)) / center
    above = np.cumsum(thickness * divergence, axis=0)
    sinking = panel.interfaces[1:, np.newaxis, np.newaxis] * above[-1] - above
    sinking[-1] = 0.0
    held = mass_0 * center * np.ones_like(q)
    through_east = carried(east, moved(q, north, held, 1), q, held, even, 2)
    through_north = carried(north, moved(q, east, held, 2), q, held, even, 1)
    fall = carried(sinking, q, q, mass_0 * thickness, thickness * np.ones_like(q), 0)
    fall_above = np.concatenate([np.zeros_like(fall[:1]), fall[:-1]])
    sides = through_east - _moved(through_east, -1, 2) + through_north - _moved(through_north, -1, 1)
    return (mass_0 * q - sides / center - (fall - fall_above) / thickness) / mass_new
