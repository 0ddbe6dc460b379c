"""Self-diffusion by Einstein's relation and by Green and Kubo's, from one NVE run, against NIST's NVE table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from validate.md_judges import WIDTHS, Estimate, Row, agrees, of_segments, verdict
from validate.md_liquids import Liquid, frames, settled, simulation, thermo_series, with_total_energy

from clustermark.apps.md.analysis import (
    diffusion_from_displacement,
    mean_squared_displacement,
    running_diffusion,
    unwrap,
    velocity_autocorrelation,
)
from clustermark.apps.md.setup import Ensemble

TITLE = "Diffusion"
# NIST's system: its size matters, as D of a periodic box grows with the box (Yeh & Hummer 2004).
LIQUID = Liquid(5, 0.820, 0.852, 3.0, tail=True)
# https://mmlapps.nist.gov/srs/LJ_PURE/md.htm
NIST = "NIST, NVE"
# T* 0.852(1), D* 0.048 without an error: its rounding is 0.0003 r.m.s., and 0.002 in T are 0.0003 in D.
REFERENCE = Estimate(0.048, 0.0005)

RUNS, SEGMENTS = 4, 3
TIMESTEP, EVERY, FRAMES = 0.005, 5, 3200
# Lags in τ: velocities are uncorrelated beyond the plateau; the line is fitted where the motion is diffusive.
PLATEAU, LINE = 3.0, (3.0, 10.0)


def run(number: int, folder: Path) -> dict[str, Any]:
    """D of each segment by both routes, and the mean temperature, of one independent run."""
    engine = simulation(
        LIQUID, settled(LIQUID, number + 1), TIMESTEP, ensemble=Ensemble("csvr", LIQUID.temperature, 0.5, number)
    )
    total = np.mean([row.potential_energy for row in thermo_series(engine, 2000, 10)]) + 1.5 * LIQUID.temperature * (
        LIQUID.number - 1
    )
    atoms = engine.gather()
    assert atoms is not None
    engine = simulation(LIQUID, with_total_energy(LIQUID, atoms, float(total)), TIMESTEP)
    interval = TIMESTEP * EVERY
    first, last = (round(lag / interval) for lag in LINE)
    einstein, green_kubo, temperatures = [], [], []
    for _ in range(SEGMENTS):
        seen = frames(engine, FRAMES, EVERY, lambda a: (a.positions, a.velocities, engine.thermo().temperature))
        positions = unwrap(np.array([positions for positions, _, _ in seen]), atoms.box)
        velocities = np.array([velocities for _, velocities, _ in seen])
        einstein.append(diffusion_from_displacement(mean_squared_displacement(positions), interval, first, last))
        running = running_diffusion(velocity_autocorrelation(velocities), interval)
        green_kubo.append(float(running[round(PLATEAU / interval)]))
        temperatures.append(float(np.mean([temperature for _, _, temperature in seen])))
    return {"einstein": einstein, "green_kubo": green_kubo, "temperatures": temperatures}


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    f"diffusion.{number}": partial(run, number) for number in range(RUNS)
}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """The two routes against each other and against NIST."""
    einstein, green_kubo, temperatures = (
        np.concatenate([found[name][route] for name in PARTS]) for route in ("einstein", "green_kubo", "temperatures")
    )
    both = {"⟨Δr²⟩ = 6Dt": of_segments(einstein), "⅓∫⟨v·v⟩dt": of_segments(green_kubo)}
    difference = of_segments(einstein - green_kubo)
    temperature = of_segments(temperatures)
    lines = [
        Row(
            "D by ⟨Δr²⟩ less D by ⟨v·v⟩, segment by segment",
            str(difference),
            "0",
            "Einstein 1905; Green 1954, Kubo 1957",
            f"{WIDTHS:g} errors",
            verdict(agrees(difference, Estimate(0.0, 0.0))),
        ),
        Row(
            "mean temperature of the NVE runs",
            str(temperature),
            "0.852 ± 0.001",
            NIST,
            "0.004",
            verdict(abs(temperature.mean - 0.852) <= 0.004),
        ),
    ]
    for route, ours in both.items():
        agreed = verdict(agrees(ours, REFERENCE))
        lines.append(Row(f"D by {route}", str(ours), str(REFERENCE), NIST, "3 combined errors", agreed))
    return lines
