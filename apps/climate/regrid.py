"""Cell-centre fields of both panels on a latitude–longitude map, and their zonal means."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.grid import HALF_HEIGHT, HALF_WIDTH, PanelGrid, other_panel
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
