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
    """Raise ClustermarkError, on all ranks, where a global fact or a field is no number: nothing of it is written.

    The sentence names the first field that has such a value, and where; if all are numbers, the strongest wind.
    """
    facts = (look.mass, look.energy, *look.smallest.values(), *look.largest.values())
    if all(math.isfinite(fact) for fact in facts):
        return
    what = ""
    for name in simulation.outputs:
        field = simulation.gather(name)
        what = shared(comm, lambda name=name, field=field: _first_not_finite(name, field, simulation))
        if what:
            break
    if not what:
        name = "u_east" if "u_east" in simulation.outputs else next(iter(simulation.outputs))
        field = simulation.gather(name)
        what = shared(comm, lambda: _largest(name, field, simulation))
    raise ClustermarkError(
        f"step {look.step} (day {look.time / DAY:.6g}): {what}: the run is unstable; shorten run.timestep "
        f"({simulation.setup.timestep:g} s) or strengthen the damping with a smaller damping.hours"
    )


def _first_not_finite(name: str, field: Floats | None, simulation: Simulation) -> str:
    """Name and place of the first value that is no number; "" where all are."""
    assert field is not None
    bad = np.argwhere(~np.isfinite(field))
    return f"{name} is not finite at {_place(bad[0], simulation)}" if len(bad) else ""


def _largest(name: str, field: Floats | None, simulation: Simulation) -> str:
    """Value and place of the largest of a field."""
    assert field is not None
    index = np.unravel_index(int(np.abs(field).argmax()), field.shape)
    value = f"{field[index]:.4g} {simulation.outputs[name].units}"
    return f"mass or energy is far beyond its start, {name} is {value} at {_place(index, simulation)}"


def _place(index: Any, simulation: Simulation) -> str:
    """Latitude, longitude and level of (panel, [level,] row, column), in words."""
    panel, *level, row, column = (int(i) for i in index)
    latitude, longitude = evolved_places(PanelGrid(simulation.setup.cells))
    place = f"{latitude[panel, row, column]:.2f}° N {longitude[panel, row, column]:.2f}° E"
    if level:
        place += f", level {level[0] + 1} of {len(simulation.sigma)} (σ = {simulation.sigma[level[0]]:.3g})"
    return place
