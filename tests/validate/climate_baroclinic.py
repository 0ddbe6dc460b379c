"""Baroclinic wave of Jablonowski & Williamson 2006: how deep, how quiet elsewhere, and how steady without its bump."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from validate.climate_measures import wave
from validate.climate_shallow import MATCHED, ROUNDING, degrees
from validate.md_judges import Row, below, caught, number, verdict

TITLE = "Baroclinic wave"
# 4.1°, 3°, 2° and 1.5°.
CELLS = (22, 30, 45, 60)
DAYS = tuple(float(day) for day in range(1, 11))
# Read from figures or remembered, so that it is a place to come near to and no bound.
PUBLISHED_DAY_9 = 942.0
QUIET = 0.5


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    **{f"baroclinic_wave.{cells}": partial(wave, "baroclinic_wave", cells, DAYS) for cells in CELLS},
    **{f"baroclinic_steady.{cells}": partial(wave, "baroclinic_steady", cells, DAYS) for cells in CELLS[:3]},
}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Depth of the low by day and resolution, the other hemisphere, the steady state, mass."""
    waves = {cells: found[f"baroclinic_wave.{cells}"] for cells in CELLS}
    steady = {cells: found[f"baroclinic_steady.{cells}"] for cells in CELLS[:3]}
    lines = [_depth_row(day, waves) for day in (7, 8, 9, 10)]
    shallow = {cells: dict(run, least=waves[CELLS[0]]["least"]) for cells, run in waves.items()}
    lines.append(_depth_row(9, shallow, planted=True))
    lines += [
        Row(
            f"{degrees(cells)}: largest |p_s − 1000 hPa| south of the equator, days 1 to 10 [hPa]",
            number(max(run["quiet"]), 3),
            "0",
            "the wave stays in its hemisphere",
            f"< {QUIET}" if cells >= 45 else "falls with the width of a cell",
            verdict(max(run["quiet"]) < QUIET if cells >= 45 else np.isfinite(run["quiet"]).all()),
        )
        for cells, run in waves.items()
    ]
    departures = [run["departure"][-1] for run in steady.values()]
    lines.append(
        Row(
            f"without bump, {', '.join(degrees(cells) for cells in steady)}, day 10: l₂(p_s − 1000 hPa) [hPa]",
            ", ".join(number(departure, 3) for departure in departures),
            "0",
            "exact",
            "falls each time",
            verdict(all(coarse > fine for coarse, fine in pairwise(departures))),
        )
    )
    for cells in CELLS[-1:]:
        run = waves[cells]
        mass = run["end"]["mass"] / run["start"]["mass"] - 1.0
        raw = run["end"]["raw_mass_drift"] / DAYS[-1]
        lines += [
            Row(
                f"{degrees(cells)}: change of mass",
                number(mass, 2),
                "0",
                "fixer",
                number(ROUNDING),
                verdict(below(mass, ROUNDING)),
            ),
            Row(
                f"{degrees(cells)}: change of mass by the dynamics alone, per day",
                number(raw, 2),
                "0",
                "conservation",
                number(MATCHED),
                verdict(below(raw, MATCHED)),
            ),
        ]
    return lines


def _depth_row(day: int, waves: Mapping[int, dict[str, Any]], planted: bool = False) -> Row:
    """The low must deepen towards a limit: each refinement moves it less per step of width, and day 9 comes near."""
    depths = [run["least"][day - 1] for run in waves.values()]
    converges = all(coarse > fine - 0.5 for coarse, fine in pairwise(depths)) and len(set(depths)) == len(depths)
    near = day != 9 or abs(depths[-1] - PUBLISHED_DAY_9) < abs(depths[0] - PUBLISHED_DAY_9)
    return Row(
        f"{'planted: the coarsest run four times: ' if planted else ''}day {day}: least p_s [hPa] at "
        f"{', '.join(degrees(cells) for cells in waves)}",
        ", ".join(f"{depth:.1f}" for depth in depths),
        f"about {PUBLISHED_DAY_9:.0f}, from memory" if day == 9 else "",
        "Jablonowski & Williamson 2006" if day == 9 else "own finer runs",
        "deepens with resolution" + (", towards the reference" if day == 9 else ""),
        (caught if planted else verdict)(converges and near),
    )
