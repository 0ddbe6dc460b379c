"""Finer grids than a processor reaches in an hour, on one GPU: `make validate` beyond its own resolutions.

usage: climate_gpu.py FOLDER SECONDS [JOB …]     JOBS unless named; DEVICE from CLUSTERMARK_VALIDATE_DEVICE, "cuda"

The jobs run side by side, a process each, and share the GPU; each writes FOLDER/<name>.json and .npz whenever a day or
a segment is complete, and Held–Suarez climates go on until the time is up. The last line of a job says so. At the end
FOLDER/norms.json has the l₂ of every kept field against the finest grid of its case and day.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from validate.climate_measures import LEVELS, conservation
from validate.climate_runs import DAY, HOUR, cells_of, field, on_grid

from clustermark.apps.climate import initial
from clustermark.apps.climate.build import fitting_timestep, longest_timestep
from clustermark.apps.climate.cases import CASES
from clustermark.apps.climate.cases.galewsky import balanced_depth
from clustermark.apps.climate.cases.williamson import steady_flow
from clustermark.apps.climate.driver import Simulation, make_simulation
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.norms import error_norms, zonal_bands
from clustermark.apps.climate.regrid import LatLonMap
from clustermark.apps.climate.setup import Setup

DEVICE = os.environ.get("CLUSTERMARK_VALIDATE_DEVICE", "cuda")
TILTED = math.pi / 4.0
# Cells per 90° of Galewsky's jet, of the waves, of tests 2 and of 5 and 6.
JETS, WAVES, STEADY, OTHERS = (90, 180, 360, 720), (22, 45, 90, 180), (80, 160, 320), (40, 80, 160, 320)
MAP_DAYS = (7, 8, 9, 10)


class Keeper:
    """Writes what a run has found, whole or not at all."""

    def __init__(self, folder: Path, end: float) -> None:
        """Of a folder, for runs that end at a time [s since the epoch]."""
        self.folder, self.end = folder, end

    def keep(self, name: str, document: dict[str, Any], **arrays: np.ndarray) -> None:
        """name.json and, if there are arrays, name.npz."""
        part = self.folder / f"{name}.part"
        part.write_text(json.dumps(document))
        part.replace(self.folder / f"{name}.json")
        if arrays:
            with part.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            part.replace(self.folder / f"{name}.npz")

    def keep_field(self, name: str, values: np.ndarray) -> None:
        """A field for `norms`."""
        np.save(self.folder / f"field.{name}.npy", values)


def made(case: str, cells: int, angle: float = 0.0, levels: int = 0, hours: float | None = None) -> Simulation:
    """A case in double precision on the device, with the longest step that meets every six hours."""
    known = CASES[case]
    timestep = fitting_timestep(longest_timestep(case, cells, known.planet.radius), 6.0 * HOUR)
    levels = levels or max(len(getattr(known, "interfaces", ())) - 1, 1)
    return make_simulation(
        Setup(
            *(case, cells, levels, "double", timestep),
            overlap=False,
            threads=1,
            angle=angle,
            damping_hours=hours,
            device=DEVICE,
        ),
        None,
    )


def advanced(model: Simulation, day: float) -> float:
    """Go on to a day; returns milliseconds a step, what is on its way included."""
    steps, begin = round(day * DAY / model.setup.timestep) - model.step, time.perf_counter()
    model.advance(steps)
    _ = model.state
    return 1e3 * (time.perf_counter() - begin) / max(steps, 1)


def on_map(values: np.ndarray, cells: int, degrees: float) -> np.ndarray:
    """float32 at the centres of a map's cells."""
    return LatLonMap(PanelGrid(cells), degrees).of(values).astype(np.float32)


def wave(keeper: Keeper, case: str, cells: int) -> None:
    """As climate_measures.wave, with a map of each of MAP_DAYS."""
    model, places = made(case, cells), cells_of(case, cells)
    weights = np.broadcast_to(places.weights, places.latitudes.shape)
    core = weights > 0.0
    south, north = core & (places.latitudes < 0.0), core & (places.latitudes > 0.0)
    found: dict[str, Any] = {"start": conservation(model), "least": [], "quiet": [], "departure": [], "ms": []}
    maps: dict[str, np.ndarray] = {}
    for day in range(1, 11):
        found["ms"].append(advanced(model, day))
        pressure = 0.01 * field(model, "ps")
        found["least"].append(float(pressure[north].min()))
        found["quiet"].append(float(np.abs(pressure[south] - 1000.0).max()))
        square = (weights * (pressure - 1000.0) ** 2)[core].sum() / weights[core].sum()
        found["departure"].append(float(np.sqrt(square)))
        if day in MAP_DAYS:
            maps[f"ps{day}"] = on_map(pressure, cells, 1.0)
        keeper.keep(f"{case}.{cells}", found | {"end": conservation(model)}, **maps)


def water(keeper: Keeper, case: str, cells: int, days: Sequence[float], output: str, angle: float = 0.0) -> None:
    """Extremes of an output by day; its error where the answer is known, else the field itself."""
    model, places = made(case, cells, angle), cells_of(case, cells)
    name = f"{case}.{cells}" + (".tilted" if angle else "")
    exact = {
        "galewsky_steady": lambda: balanced_depth(places.latitudes),
        "tc2": lambda: steady_flow("tc2", angle).depth(places.longitudes, places.latitudes),
    }.get(case)
    found: dict[str, Any] = {"start": conservation(model), "days": {}}
    maps: dict[str, np.ndarray] = {}
    for day in days:
        took, now = advanced(model, day), field(model, output)
        core = now[:, places.weights > 0.0]
        found["days"][str(day)] = line = {"ms": took, "extremes": [float(core.min()), float(core.max())]}
        if exact is None:
            keeper.keep_field(f"{name}.{day}", now)
            maps[f"map{day}"] = on_map(now, cells, 0.5)
        else:
            norms = error_norms(now, exact(), places.weights)
            line |= {"l1": norms.l1, "l2": norms.l2, "linf": norms.l_infinity}
        keeper.keep(name, found | {"end": conservation(model)}, **maps)


def climate(keeper: Keeper, cells: int, hours: float, member: int, segment: int, samples_a_day: int) -> None:
    """Zonal means of u, T, T², v, vT of each segment of days, the first included, until the time is up."""
    plain = initial.noise
    initial.noise = lambda *place, seed: plain(*place, seed=seed + 100 * member)
    model = made("held_suarez", cells, levels=LEVELS, hours=hours)
    places = cells_of("held_suarez", cells)
    zonal = zonal_bands(places.latitudes, places.weights, 2 * cells)
    about: dict[str, Any] = {"hours": hours, "segment": segment, "start": conservation(model)}
    about |= {"latitudes": zonal.latitudes.tolist(), "areas": zonal.areas.tolist(), "sigma": model.sigma.tolist()}
    segments: list[np.ndarray] = []
    took = 0.0
    while time.time() + 1.05 * took < keeper.end:
        sums, begin = np.zeros((5, LEVELS, len(zonal.latitudes))), time.time()
        for sample in range(segment * samples_a_day):
            about["ms"] = advanced(model, segment * len(segments) + (sample + 1) / samples_a_day)
            u, v, temperature = (field(model, name) for name in ("u_east", "v_north", "temperature"))
            sums += [zonal.mean(x) for x in (u, temperature, temperature**2, v, v * temperature)]
        segments.append(sums / (segment * samples_a_day))
        took = time.time() - begin
        about |= {"days": segment * len(segments), "end": conservation(model)}
        keeper.keep(f"held_suarez.{cells}.{hours}.{member}", about, segments=np.array(segments))


def _jets(keeper: Keeper, grids: Sequence[int]) -> None:
    for cells in grids:
        water(keeper, "galewsky", cells, (4, 5, 6), "vorticity")
        water(keeper, "galewsky_steady", cells, (3, 6), "h")


def _waves(keeper: Keeper, grids: Sequence[int]) -> None:
    for cells in grids:
        for case in ("baroclinic_wave", "baroclinic_steady"):
            wave(keeper, case, cells)


def _williamson(keeper: Keeper) -> None:
    for cells in STEADY:
        for angle in (0.0, TILTED):
            water(keeper, "tc2", cells, (5,), "h", angle)
    for cells in OTHERS:
        water(keeper, "tc5", cells, (15,), "surface")
    for cells in OTHERS:
        water(keeper, "tc6", cells, (10,), "h")


def _member(cells: int, hours: float, member: int, segment: int, samples: int) -> Callable[[Keeper], None]:
    return lambda keeper: climate(keeper, cells, hours, member, segment, samples)


JOBS: dict[str, Callable[[Keeper], None]] = {
    "waves": lambda keeper: _waves(keeper, WAVES[:-1]),
    "finest wave": lambda keeper: _waves(keeper, WAVES[-1:]),
    "jets": lambda keeper: _jets(keeper, JETS[:-1]),
    "finest jet": lambda keeper: _jets(keeper, JETS[-1:]),
    "williamson": _williamson,
    **{f"2° {member}": _member(45, 1.5, member, 20, 2) for member in (1, 2, 3)},
    **{f"1° {member}": _member(90, 1.5, member, 10, 1) for member in (1, 2, 3, 4)},
    **{f"4° {hours:g} h": _member(22, hours, member, 25, 2) for member, hours in ((1, 1.5), (2, 4.0), (3, 8.0))},
}


def norms(keeper: Keeper) -> None:
    """l₂ of every kept field against that of the finest grid of its case and day."""
    kept: dict[tuple[str, str], list[int]] = {}
    for path in keeper.folder.glob("field.*.npy"):
        _, case, cells, day = path.name.removesuffix(".npy").split(".", 3)
        kept.setdefault((case, day), []).append(int(cells))
    found = {}
    for (case, day), grids in sorted(kept.items()):
        finest = np.load(keeper.folder / f"field.{case}.{max(grids)}.{day}.npy")
        for cells in sorted(grids)[:-1]:
            mine, weights = np.load(keeper.folder / f"field.{case}.{cells}.{day}.npy"), cells_of(case, cells).weights
            error = error_norms(mine, on_grid(finest, max(grids), cells), weights).l2
            found[f"{case} day {day}: {cells} against {max(grids)}"] = error
    keeper.keep("norms", found)


def main(arguments: list[str]) -> int:
    """0 when every job has ended well."""
    if len(arguments) < 2 or not set(arguments[2:]) <= {*JOBS}:
        print(__doc__)
        return 2
    folder, seconds = Path(arguments[0]), float(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    keeper = Keeper(folder, time.time() + seconds)
    if len(arguments) == 3:
        JOBS[arguments[2]](keeper)
        print(f"{arguments[2]}: done", flush=True)
        return 0
    names = arguments[2:] or list(JOBS)
    jobs = [subprocess.Popen([sys.executable, __file__, *arguments[:2], name]) for name in names]
    for job in jobs:
        try:
            job.wait(max(keeper.end - time.time(), 0.0))
        except subprocess.TimeoutExpired:
            job.kill()
    norms(keeper)
    return int(any(job.wait() for job in jobs))


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
