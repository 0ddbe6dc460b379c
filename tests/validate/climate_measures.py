"""What the parts of the climate's validation measure; how it is judged stands in the files of the topics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from validate.climate_runs import cells_of, days, field, on_grid, simulation

from clustermark.apps.climate.cases.galewsky import balanced_depth
from clustermark.apps.climate.cases.williamson import steady_flow
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.norms import error_norms, zonal_bands
from clustermark.apps.climate.regrid import LatLonMap

# Held–Suarez climate: levels; days left out, then stretches of so many days, each a sample.
LEVELS = 20
SPIN_UP, SEGMENTS, SEGMENT_DAYS = 100.0, 8, 25.0
SAMPLES_A_DAY = 2
# Width of a cell of the maps that pictures are drawn from [degrees].
MAP = 1.0
# Day of the baroclinic wave's map.
MAP_DAY = 9.0


def steady(angle: float, cells: int, _folder: Path) -> dict[str, Any]:
    """TC2: errors after 5 days, and the norm of an answer that is wrong by a thousandth."""
    case, places = steady_flow("tc2", angle), cells_of("tc2", cells)
    exact = case.depth(places.longitudes, places.latitudes)
    model = simulation("tc2", cells, angle)
    list(days(model, [case.days]))
    depth = field(model, "h")
    norms = error_norms(depth, exact, places.weights)
    return {
        "l1": norms.l1,
        "l2": norms.l2,
        "l_infinity": norms.l_infinity,
        "planted": error_norms(1.001 * depth, exact, places.weights).l2,
        "timestep": model.setup.timestep,
        **conservation(model),
    }


def conservation(model: Any) -> dict[str, float]:
    """Mass and energy of the model now, and what its dynamics alone did to the mass."""
    look = model.look()
    return {
        "mass": look.mass,
        "energy": look.energy,
        "raw_mass_drift": look.raw_mass_drift,
        "fixer_work": look.fixer_work,
    }


def on_map(values: np.ndarray, cells: int) -> list[list[float]]:
    """A field of both panels at the centres of a map's cells, from south to north, from 0 eastwards; seven digits."""
    return [[float(f"{value:.7g}") for value in row] for row in LatLonMap(PanelGrid(cells), MAP).of(values)]


def against_the_finest(
    case: str, cells_of_runs: Sequence[int], wanted: Sequence[float], output: str, _folder: Path
) -> dict[str, Any]:
    """l₂ of an output against the run with the most cells, by cells and day; extremes and conservation of each run.

    The finest run's last output is kept as a map.

    Each number of cells is a power of two times the least, so that the finest run can be had on every grid.
    """
    finest = max(cells_of_runs)
    found: dict[str, Any] = {}
    truth: dict[float, np.ndarray] = {}
    for cells in sorted(cells_of_runs, reverse=True):
        model, places = simulation(case, cells), cells_of(case, cells)
        start = conservation(model)
        l2, extremes = {}, {}
        for day in days(model, wanted):
            now = field(model, output)
            core = now[:, places.weights > 0.0]
            extremes[str(day)] = [float(core.min()), float(core.max())]
            if cells == finest:
                truth[day] = now
                found["map"] = on_map(now, cells)
            else:
                l2[str(day)] = error_norms(now, on_grid(truth[day], finest, cells), places.weights).l2
        found[str(cells)] = {"l2": l2, "extremes": extremes, "start": start, "end": conservation(model)}
    return found


def quiet_jet(cells: int, _folder: Path) -> dict[str, Any]:
    """Galewsky's jet without its bump: how far its depth has gone after 3 days, before any error has grown large."""
    places = cells_of("galewsky_steady", cells)
    model = simulation("galewsky_steady", cells)
    list(days(model, [3.0]))
    return {"l2": error_norms(field(model, "h"), balanced_depth(places.latitudes), places.weights).l2}


def wave(case: str, cells: int, wanted: Sequence[float], _folder: Path) -> dict[str, Any]:
    """Daily least surface pressure [hPa], largest departure of the southern hemisphere from 1000 hPa, and l₂ of p_s.

    p_s of day 9 is kept as a map.
    """
    model, places = simulation(case, cells), cells_of(case, cells)
    start = conservation(model)
    core = np.broadcast_to(places.weights > 0.0, places.latitudes.shape)
    south, north = core & (places.latitudes < 0.0), core & (places.latitudes > 0.0)
    weights = np.broadcast_to(places.weights, places.latitudes.shape)
    found: dict[str, Any] = {"least": [], "quiet": [], "departure": []}
    for day in days(model, wanted):
        pressure = 0.01 * field(model, "ps")
        found["least"].append(float(pressure[north].min()))
        found["quiet"].append(float(np.abs(pressure[south] - 1000.0).max()))
        square = (weights * (pressure - 1000.0) ** 2)[core].sum() / weights[core].sum()
        found["departure"].append(float(np.sqrt(square)))
        if day == MAP_DAY:
            found["map"] = on_map(pressure, cells)
    return {**found, "start": start, "end": conservation(model)}


def climate(cells: int, _folder: Path) -> dict[str, Any]:
    """Zonal means of each segment of time after the spin-up: of u, T, T², v, vT; levels × bands."""
    model, places = simulation("held_suarez", cells, levels=LEVELS), cells_of("held_suarez", cells)
    start = conservation(model)
    zonal = zonal_bands(places.latitudes, places.weights, 2 * cells)
    segments = []
    list(days(model, [SPIN_UP]))
    for segment in range(SEGMENTS):
        sums = np.zeros((5, LEVELS, len(zonal.latitudes)))
        first = SPIN_UP + segment * SEGMENT_DAYS
        count = round(SEGMENT_DAYS * SAMPLES_A_DAY)
        for _ in days(model, [first + (n + 1) / SAMPLES_A_DAY for n in range(count)]):
            u, v, temperature = (field(model, name) for name in ("u_east", "v_north", "temperature"))
            sums += [zonal.mean(x) for x in (u, temperature, temperature**2, v, v * temperature)]
        segments.append((sums / count).tolist())
    return {
        "latitudes": zonal.latitudes.tolist(),
        "areas": zonal.areas.tolist(),
        "sigma": np.asarray(model.sigma).tolist(),
        "segments": segments,
        "start": start,
        "end": conservation(model),
    }
