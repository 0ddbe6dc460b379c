"""Simulations of the validation: from a case to fields at given days, on one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.cases import CASES
from clustermark.apps.climate.engine import Simulation
from clustermark.apps.climate.grid import PanelGrid, area_weights, true_points
from clustermark.apps.climate.layout import BUFFER, HALO, Floats
from clustermark.apps.climate.setup import Setup

HOUR, DAY = 3600.0, 86400.0


def simulation(case: str, cells: int, angle: float = 0.0, levels: int = 0, every_hours: float = 6.0) -> Simulation:
    """A case in double precision on one thread, with the longest step that meets every so many hours.

    Parameters
    ----------
    case, cells, angle : as in Setup
    levels : 0: those of the case
    every_hours : at which fields are wanted
    """
    from clustermark.apps.climate.build import fitting_timestep, longest_timestep
    from clustermark.apps.climate.driver import make_simulation

    known = CASES[case]
    timestep = fitting_timestep(longest_timestep(case, cells, known.planet.radius), every_hours * HOUR)
    levels = levels or max(len(getattr(known, "interfaces", ())) - 1, 1)
    setup = Setup(case=case, cells=cells, levels=levels, precision="double", timestep=timestep, threads=1, angle=angle)
    return make_simulation(setup, None)


def days(model: Simulation, wanted: Sequence[float]) -> Iterator[float]:
    """Advance to each of the days in turn."""
    for day in wanted:
        model.advance(round(day * DAY / model.setup.timestep) - model.step)
        yield day


def field(model: Simulation, name: str) -> Floats:
    """(2, [levels,] rows, columns) of an output."""
    found = model.gather(name)
    assert found is not None
    return found


@dataclass(frozen=True)
class Cells:
    """Evolved cells of both panels.

    Attributes
    ----------
    longitudes, latitudes : (2, rows, columns) true ones of the centres [rad]
    weights : (rows, columns) [m²]
    """

    longitudes: Floats
    latitudes: Floats
    weights: Floats


def cells_of(case: str, cells: int) -> Cells:
    """The cells of a grid on the planet of a case."""
    grid = PanelGrid(cells)
    inner = (slice(HALO, -HALO), slice(HALO, -HALO))
    points = [true_points(grid, panel, "center") for panel in (0, 1)]
    longitudes, latitudes = (np.stack([point[n][inner] for point in points]) for n in (0, 1))
    return Cells(longitudes, latitudes, area_weights(grid, CASES[case].planet.radius))


def halved(fine: Floats) -> Floats:
    """A field at the cell centres of the grid of half the cells, by cubic interpolation; the buffer stays NaN.

    A coarse centre lies midway between fine ones, (−1, 9, 9, −1)/16 in both directions.

    Parameters
    ----------
    fine : (2, rows, columns) with rows − 2·BUFFER even
    """
    for axis in (1, 2):
        moved = np.moveaxis(fine, axis, -1)
        count = (moved.shape[-1] - 2 * BUFFER) // 2
        first = BUFFER - 1 + 2 * np.arange(count)
        middle = (
            9.0 * (moved[..., first + 1] + moved[..., first + 2]) - moved[..., first] - moved[..., first + 3]
        ) / 16
        coarse = np.full((*moved.shape[:-1], count + 2 * BUFFER), np.nan)
        coarse[..., BUFFER:-BUFFER] = middle
        # Buffers of the first axis are NaN along the second too, as they should be.
        fine = np.moveaxis(coarse, -1, axis)
    return fine


def on_grid(fine: Floats, cells_fine: int, cells: int) -> Floats:
    """A field of a grid on one of 2ⁿ times fewer cells; NaN in the buffer, which has no weight."""
    while cells_fine > cells:
        # NaN of an earlier halving would reach the core: the buffer's neighbours are the donors there.
        fine, cells_fine = halved(fine), cells_fine // 2
        if cells_fine > cells:
            fine = _filled(fine)
    return fine


def _filled(coarse: Floats) -> Floats:
    """The buffer by cubic extrapolation along rows, then along columns, so that the next halving has its donors."""
    for axis in (1, 2):
        moved = np.moveaxis(coarse, axis, -1)
        for step in range(BUFFER):
            west, east = BUFFER - 1 - step, moved.shape[-1] - BUFFER + step
            moved[..., west] = _next(*(moved[..., west + n] for n in (1, 2, 3, 4)))
            moved[..., east] = _next(*(moved[..., east - n] for n in (1, 2, 3, 4)))
    return coarse


def _next(first: Floats, second: Floats, third: Floats, fourth: Floats) -> Floats:
    return 4.0 * first - 6.0 * second + 4.0 * third - fourth
