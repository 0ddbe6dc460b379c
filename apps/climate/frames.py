"""The fields of one frame: where they stand, means along parallels, a latitude–longitude map; and whether they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from clustermark.apps.climate.engine import Look, Simulation
from clustermark.apps.climate.grid import PanelGrid, true_points
from clustermark.apps.climate.layout import HALO, Array, Floats
from clustermark.apps.climate.netcdf import LAT_LON, ZONAL, Places
from clustermark.apps.climate.regrid import LatLonMap
from clustermark.apps.climate.schedule import DAY
from clustermark.apps.console.parallel import shared
from clustermark.core.errors import ClustermarkError


class Regridder:
    """Makes maps of gathered fields and their means along parallels; used on rank 0."""

    def __init__(self, simulation: Simulation, lat_lon: bool) -> None:
        """Tables for the simulation's grid, of its resolution; the maps themselves are kept where `lat_lon` says so."""
        grid = PanelGrid(simulation.setup.cells)
        self._map = LatLonMap(grid, simulation.setup.resolution)
        self._lat_lon = lat_lon
        latitude, longitude = evolved_places(grid)
        self.places = Places(
            latitude=latitude,
            longitude=longitude,
            sigma=None if simulation.setup.shallow else simulation.sigma,
            lat=self._map.latitudes,
            lon=self._map.longitudes if lat_lon else None,
        )

    def all_of(self, fields: Mapping[str, Floats | None]) -> dict[str, Array]:
        """Fields (2, [levels,] rows, columns) with their zonal means and maps, named as `FieldFile.write` has them.

        A zonal mean is that of the map's row, so that it stands at its latitude exactly.
        """
        found: dict[str, Array] = {}
        for name, field in fields.items():
            assert field is not None
            drawn = self._map.of(field)
            found |= {name: field, name + ZONAL: drawn.mean(axis=-1)}
            if self._lat_lon:
                found[name + LAT_LON] = drawn
        return found


def evolved_places(grid: PanelGrid) -> tuple[Floats, Floats]:
    """True latitude and longitude of the evolved cell centres of both panels.

    Returns
    -------
    latitude, longitude : (2, rows, columns) [degrees], longitude in [0, 360)
    """
    inside = slice(HALO, -HALO)
    pairs = [true_points(grid, panel, "center") for panel in (0, 1)]
    longitude = np.stack([longitude[inside, inside] for longitude, _ in pairs])
    latitude = np.stack([latitude[inside, inside] for _, latitude in pairs])
    return np.degrees(latitude), np.degrees(longitude) % 360.0


def refuse_not_finite(look: Look, simulation: Simulation, comm: Any) -> None:
    """Raise ClustermarkError, on all ranks, where a global fact or a field is no number: nothing of it is written."""
    facts = (look.mass, look.energy, *look.smallest.values(), *look.largest.values())
    if all(math.isfinite(fact) for fact in facts):
        return
    what = "the energy or the mass is not finite"
    for name in simulation.outputs:
        field = simulation.gather(name)
        place = shared(comm, lambda field=field: _first_not_finite(field, simulation))
        if place:
            what = f"{name} is not finite at {place}"
            break
    raise ClustermarkError(
        f"step {look.step} (day {look.time / DAY:.6g}): {what}: the run is unstable; shorten run.timestep "
        f"({simulation.setup.timestep:g} s) or strengthen the damping with a smaller damping.hours"
    )


def _first_not_finite(field: Floats | None, simulation: Simulation) -> str:
    """Latitude, longitude and level of the first value that is none, in words; "" where all are finite."""
    assert field is not None
    bad = np.argwhere(~np.isfinite(field))
    if len(bad) == 0:
        return ""
    index = tuple(int(i) for i in bad[0])
    panel, (row, column) = index[0], index[-2:]
    latitude, longitude = evolved_places(PanelGrid(simulation.setup.cells))
    place = f"{latitude[panel, row, column]:.2f}°N {longitude[panel, row, column]:.2f}°E"
    if field.ndim == 4:
        place += f", level {index[1] + 1} of {field.shape[1]} (σ = {simulation.sigma[index[1]]:.3g})"
    return place
