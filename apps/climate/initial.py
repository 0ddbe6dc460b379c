"""From the analytic functions of a case to the fields of a rank's blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from clustermark.apps.climate.cases import PrimitiveCase, ShallowCase
from clustermark.apps.climate.cases.noise import noise
from clustermark.apps.climate.cases.tracers import TRACERS
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.grid import PanelGrid, rotation, true_points
from clustermark.apps.climate.keys import NO_TRACER
from clustermark.apps.climate.layout import PRECISIONS, Array, Floats, State
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.apps.climate.model import Model
from clustermark.apps.climate.vertical import Levels, make_levels

Wind = Callable[[Floats, Floats], tuple[Floats, Floats]]


def on_panels(grid: PanelGrid, place: str, function: Callable[[Floats, Floats], Floats]) -> Floats:
    """A function of true longitude and latitude at the places of both panels: (2, rows, columns), halos included."""
    return np.stack([function(*true_points(grid, panel, place)) for panel in (0, 1)])


def wind_on_panels(grid: PanelGrid, wind: Wind) -> tuple[Floats, Floats]:
    """The components of a wind along panel rows at east faces and along panel columns at north faces."""
    found = []
    for place, first in (("east", 0), ("north", 2)):
        panels = []
        for panel in (0, 1):
            east, north = wind(*true_points(grid, panel, place))
            from_east, from_north = rotation(grid, panel, place)[first : first + 2]
            panels.append(from_east * east + from_north * north)
        found.append(np.stack(panels))
    return found[0], found[1]


def make_state(model: Model, domain: Domain) -> State:
    """The initial state of this rank; halos hold the analytic values."""
    dtype = PRECISIONS[model.setup.precision]
    if isinstance(model.case, ShallowCase):
        made = _shallow(model.case, dtype, domain)
    else:
        made = _primitive(model.case, make_levels(model.case.planet, model.interfaces), dtype, domain)
    if model.setup.tracer == NO_TRACER:
        return made
    shape = domain.cut(on_panels(domain.grid, "center", TRACERS[model.setup.tracer]))[:, np.newaxis]
    return replace(made, tracer=_cast(np.repeat(shape, made.u.shape[1], axis=1), dtype))


def _shallow(case: ShallowCase, dtype: str, domain: Domain) -> State:
    depth = domain.cut(on_panels(domain.grid, "center", case.depth))
    u, v = (domain.cut(field)[:, np.newaxis] for field in wind_on_panels(domain.grid, case.wind))
    return State(_cast(depth, dtype), _cast(u, dtype), _cast(v, dtype))


def _primitive(case: PrimitiveCase, levels: Levels, dtype: str, domain: Domain) -> State:
    grid, planet = domain.grid, case.planet
    pressure = on_panels(grid, "center", case.surface_pressure)
    exner = (pressure / planet.reference_pressure) ** planet.kappa
    fields: tuple[list[Array], ...] = ([], [], [])
    for level in range(levels.count):
        wind, theta = _level(case, grid, level, float(levels.centers[level]))
        for found, field in zip(fields, (*wind, theta / (levels.exner[level] * exner)), strict=True):
            found.append(domain.cut(field).astype(dtype))
    u, v, theta = (_cast(np.stack(found, axis=1), dtype) for found in fields)
    return State(_cast(domain.cut(pressure), "float64"), u, v, theta)


def _level(case: PrimitiveCase, grid: PanelGrid, level: int, sigma: float) -> tuple[tuple[Floats, Floats], Floats]:
    """Winds and temperature of a level, on both panels."""

    def wind(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        return case.wind(longitude, latitude, sigma)

    def temperature(longitude: Floats, latitude: Floats) -> Floats:
        return case.temperature(longitude, latitude, sigma)

    aloft = on_panels(grid, "center", temperature)
    if case.noise > 0:
        rows, columns = np.indices(grid.padded_shape)
        aloft = aloft + case.noise * np.stack([noise(rows, columns, panel, level, seed=1) for panel in (0, 1)])
    return wind_on_panels(grid, wind), aloft


def _cast(array: Array, dtype: str) -> Array:
    made = aligned_zeros(array.shape, dtype)
    made[...] = array
    return made
