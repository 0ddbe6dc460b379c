"""Errors, zonal means and eddies of gathered fields of both panels.

Fields are (2, rows, columns) or (2, levels, rows, columns) over evolved cells; weights are areas (rows, columns), the
same for both panels, that share the overlap and sum to half a sphere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clustermark.apps.climate.layout import Array, Floats


@dataclass(frozen=True)
class ErrorNorms:
    """Normalised errors of a field, each a pure number."""

    l1: float
    l2: float
    l_infinity: float


def error_norms(field: Array, exact: Array, weights: Floats) -> ErrorNorms:
    """Normalised errors of Williamson et al. 1992 (eqs. 82 to 84), I the integral over the sphere.

        l₁ = I|h − h_T| / I|h_T|,   l₂ = (I(h − h_T)² / I h_T²)^½,   l_∞ = max|h − h_T| / max|h_T|

    Parameters
    ----------
    field, exact : (2, rows, columns) h and h_T, any float dtype; sums are float64
    weights : (rows, columns) [m²]; cells of no weight count in no norm
    """
    seen = weights > 0.0
    weight = weights[seen]
    truth = np.asarray(exact[:, seen], dtype=np.float64)
    error = np.abs(field[:, seen] - truth)
    size = np.abs(truth)
    return ErrorNorms(
        l1=float((weight * error).sum() / (weight * size).sum()),
        l2=float(np.sqrt((weight * error**2).sum() / (weight * size**2).sum())),
        l_infinity=float(error.max() / size.max()),
    )


def vector_error_norms(field: tuple[Array, Array], exact: tuple[Array, Array], weights: Floats) -> ErrorNorms:
    """The same of a wind (Williamson et al. 1992, eqs. 85 to 87): the length of the vector in place of |h|.

    Parameters
    ----------
    field, exact : both components, (2, rows, columns) each
    weights : (rows, columns) [m²]
    """
    error = np.hypot(*(np.asarray(f, dtype=np.float64) - e for f, e in zip(field, exact, strict=True)))
    size = np.hypot(*(np.asarray(e, dtype=np.float64) for e in exact))
    return error_norms(size + error, size, weights)


def global_mean(field: Array, weights: Floats) -> float:
    """Mean over the sphere of a field (2, rows, columns)."""
    return float((weights * np.asarray(field, dtype=np.float64)).sum() / (2.0 * weights.sum()))


def _sums(members: npt.NDArray[np.int64], values: Floats, bands: int) -> Floats:
    return np.bincount(members, values, bands).astype(np.float64, copy=False)


@dataclass(frozen=True)
class ZonalBands:
    """Bands of latitude, symmetric about the equator, and which cells fall into them.

    Attributes
    ----------
    latitudes : (bands,) mean latitude of the cells of a band [rad], south to north
    areas : (bands,) sum of the weights of the cells of a band
    members : (2·rows·columns,) band of each cell
    shares : (2·rows·columns,) its share of the weight of the band
    """

    latitudes: Floats
    areas: Floats
    members: npt.NDArray[np.int64]
    shares: Floats

    def mean(self, field: Array) -> Floats:
        """Area-weighted mean over the cells of each band.

        Parameters
        ----------
        field : (2, rows, columns) or (2, levels, rows, columns)

        Returns
        -------
        (bands,) or (levels, bands) float64
        """
        bands = len(self.latitudes)
        if field.ndim == 3:
            return _sums(self.members, self.shares * field.ravel(), bands)
        return np.stack([self.mean(field[:, level]) for level in range(field.shape[1])])


def zonal_bands(latitudes: Floats, weights: Floats, bands: int) -> ZonalBands:
    """Bands of equal width from pole to pole; bands that hold no cell are left out.

    Parameters
    ----------
    latitudes : (2, rows, columns) true latitude [rad]
    weights : (rows, columns) areas
    bands : how many; not more than rows from pole to pole, else bands stand empty
    """
    width = np.pi / bands
    place = np.clip(((latitudes + 0.5 * np.pi) / width).astype(np.int64), 0, bands - 1).ravel()
    weight = np.broadcast_to(weights, latitudes.shape).ravel()
    areas = _sums(place, weight, bands)
    held = areas > 0.0
    members = (np.cumsum(held) - 1)[place]
    areas = areas[held]
    # Cells of no weight may stand in bands that are left out; their share is 0 wherever they go.
    members = np.clip(members, 0, len(areas) - 1)
    shares = weight / areas[members]
    means = _sums(members, shares * latitudes.ravel(), len(areas))
    return ZonalBands(latitudes=means, areas=areas, members=members, shares=shares)


def eddy_covariance(product: Floats, first: Floats, second: Floats) -> Floats:
    """Covariance about the mean over time and longitude, [a'b'] = [ab] − [a][b], of standing and transient eddies.

    With a = b = T it is the variance of temperature, with v and T the northward flux of heat of the eddies, as the
    figures of Held & Suarez 1994 show.

    Parameters
    ----------
    product, first, second : (levels, bands) means over time and longitude of ab, a and b

    Returns
    -------
    (levels, bands), the product of both units
    """
    return product - first * second


@dataclass(frozen=True)
class Peak:
    """Largest value of a zonal mean in a hemisphere; latitude [rad] and value by a parabola through three bands."""

    value: float
    latitude: float
    level: int


def hemisphere_peak(zonal: Floats, latitudes: Floats, hemisphere: int) -> Peak:
    """The largest value north (+1) or south (−1) of the equator, such as a jet's speed and latitude.

    Parameters
    ----------
    zonal : (levels, bands)
    latitudes : (bands,) [rad], ascending
    hemisphere : +1 or −1
    """
    inside = np.where(latitudes * hemisphere > 0.0, zonal, -np.inf)
    level, band = (int(n) for n in np.unravel_index(int(inside.argmax()), zonal.shape))
    if band in (0, len(latitudes) - 1):
        return Peak(float(zonal[level, band]), float(latitudes[band]), level)
    near = latitudes[band - 1 : band + 2] - latitudes[band]
    curve, slope, value = np.polyfit(near, zonal[level, band - 1 : band + 2], 2)
    if curve >= 0.0:
        return Peak(float(zonal[level, band]), float(latitudes[band]), level)
    move = float(np.clip(-0.5 * slope / curve, near[0], near[2]))
    return Peak(float(value + move * (slope + curve * move)), float(latitudes[band]) + move, level)


def hemispheric_difference(zonal: Floats, areas: Floats, odd: bool = False) -> float:
    """Root mean square of half the difference between hemispheres, 0 for a symmetric climate.

    Parameters
    ----------
    zonal : (levels, bands), bands symmetric about the equator
    areas : (bands,) weights
    odd : whether symmetry means the opposite sign, as for the northward flux of heat
    """
    mirrored = zonal[:, ::-1]
    half = 0.5 * (zonal + mirrored if odd else zonal - mirrored)
    return float(np.sqrt((areas * half**2).sum() / (areas.sum() * len(zonal))))
