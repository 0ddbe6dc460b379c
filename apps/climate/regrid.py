"""Cell-centre fields of both panels on a latitude–longitude map, and their zonal means."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.grid import HALF_HEIGHT, HALF_WIDTH, PanelGrid, area_weights, other_panel, true_points
from clustermark.apps.climate.layout import HALO, Array, Floats
from clustermark.apps.climate.overset import POINTS, Stencil, stencil_at
from clustermark.core.errors import UsageError


class LatLonMap:
    """Bicubic interpolation of panel fields to the centres of a regular map, from the panel whose core has the point.

    Attributes
    ----------
    latitudes : (lat,) [degrees], from south to north
    longitudes : (lon,) [degrees], from 0 to the east
    """

    def __init__(self, grid: PanelGrid, degrees: float) -> None:
        """A map with cells of so many degrees.

        Raises
        ------
        UsageError : 180° is no whole number of cells
        """
        rows = round(180.0 / degrees) if degrees > 0.0 else 0
        if rows < 1 or abs(rows * degrees - 180.0) > 1e-9:
            raise UsageError(f"a map of {degrees:g}° does not divide 180°: expected 180/n degrees, as 1, 2 or 2.5")
        self.grid = grid
        centers = (np.arange(2 * rows, dtype=np.float64) + 0.5) * (180.0 / rows)
        self.latitudes: Floats = centers[:rows] - 90.0
        self.longitudes: Floats = centers
        longitude, latitude = np.meshgrid(np.deg2rad(self.longitudes), np.deg2rad(self.latitudes))
        longitude = np.where(longitude > np.pi, longitude - 2.0 * np.pi, longitude)
        in_first = (np.abs(longitude) <= HALF_WIDTH) & (np.abs(latitude) <= HALF_HEIGHT)
        self._chosen = [np.nonzero(in_first), np.nonzero(~in_first)]
        first, second = ((longitude[chosen], latitude[chosen]) for chosen in self._chosen)
        self._stencils = [stencil_at(grid, "center", *first), stencil_at(grid, "center", *other_panel(*second))]

    def of(self, field: Array) -> Array:
        """The field on the map.

        Parameters
        ----------
        field : (2, [levels,] rows, columns) at evolved cell centres

        Returns
        -------
        map : ([levels,] lat, lon), same dtype
        """
        found = np.empty((*field.shape[1:-2], len(self.latitudes), len(self.longitudes)), field.dtype)
        for panel, chosen, stencil in zip((0, 1), self._chosen, self._stencils, strict=True):
            found[(..., *chosen)] = _interpolated(stencil, field[panel])
        return found


def _interpolated(stencil: Stencil, field: Array) -> Array:
    """Σ_p Σ_q r_p c_q f[row + p, column + q] for a field without halo."""
    row, column = stencil.row - HALO, stencil.column - HALO
    total = np.zeros((*field.shape[:-2], len(row)))
    for p in range(POINTS):
        for q in range(POINTS):
            weights = stencil.row_weights[:, p] * stencil.column_weights[:, q]
            total += weights * field[..., row + p, column + q]
    return total


def band_edges(bands: int) -> Floats:
    """(bands + 1,) latitudes from pole to pole [degrees]."""
    return np.linspace(-90.0, 90.0, bands + 1)


def zonal_mean(grid: PanelGrid, field: Array, bands: int) -> Floats:
    """Area-weighted means of the cells whose centres lie in each of so many bands of equal width.

    Cells count with `area_weights`: those in both panels with a half. A cell belongs to one band, so that the mean
    stands for the mean latitude of the band's cells, which differs from its middle by a fraction of a cell.

    Parameters
    ----------
    field : (2, [levels,] rows, columns) at evolved cell centres

    Returns
    -------
    means : ([levels,] bands) float64, from south to north

    Raises
    ------
    UsageError : a band without cells
    """
    weights = area_weights(grid, 1.0).reshape(-1)
    total, area = np.zeros((*field.shape[1:-2], bands)), np.zeros(bands)
    for panel in (0, 1):
        latitude = np.rad2deg(true_points(grid, panel, "center")[1])[HALO:-HALO, HALO:-HALO].reshape(-1)
        band = np.clip(np.floor((latitude + 90.0) * (bands / 180.0)).astype(np.int64), 0, bands - 1)
        area += np.bincount(band, weights, bands)
        values = field[panel].reshape(-1, weights.size).astype(np.float64)
        sums = np.array([np.bincount(band, weights * level, bands) for level in values])
        total += sums.reshape(total.shape)
    if not area.all():
        raise UsageError(
            f"{bands} zonal bands leave some without a cell of a panel of {grid.cells} cells per 90°: "
            f"expected {2 * grid.cells} or fewer; use wider bands or a finer resolution"
        )
    return total / area
