"""What a run at constant energy keeps: energy, its order in the time step, momentum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from validate.md_judges import Estimate, Row, below, drift, drift_below, number, order_of_convergence, verdict
from validate.md_liquids import Liquid, settled, simulation, thermo_series

TITLE = "Conservation"
STYLES: dict[str, str] = {"cut": "truncated", "force-shifted": "force-shifted"}
# Momentum per atom gained in 20,000 steps: rounding of the pair sums, √steps times the unit roundoff and a margin.
MOMENTUM: dict[str, float] = {"double": 1e-14, "mixed": 1e-6, "single": 1e-6}
DRIFT = 1e-5
SAMPLES, EVERY, TIMESTEP = 1000, 20, 0.005
# All made over the same time from the same start.
TIMESTEPS, SPAN = (0.002, 0.004, 0.008), 8.0


def melt(style: str) -> Liquid:
    """The melt of the usual benchmark at its own temperature, 4000 atoms."""
    return Liquid(10, 0.8442, 0.757, 2.5, style=style, skin=0.3)


def run(precision: str, style: str, folder: Path) -> dict[str, Any]:
    """Drift of the total energy per atom [ε/τ] over 100 τ, and the momentum per atom that came into being."""
    liquid = melt(style)
    start = settled(liquid, 1)
    engine = simulation(liquid, start, TIMESTEP, precision)
    rows = thermo_series(engine, SAMPLES, EVERY)
    times = TIMESTEP * np.array([row.step for row in rows])
    slope = drift(times, np.array([row.total_energy / liquid.number for row in rows]))
    atoms = engine.gather()
    assert atoms is not None
    gained = atoms.velocities.mean(axis=0) - start.velocities.mean(axis=0)
    return {"drift": vars(slope), "momentum": float(np.abs(gained).max())}


def order(folder: Path) -> dict[str, Any]:
    """Root mean square of E − ⟨E⟩ per atom for each time step, in double precision, force-shifted."""
    liquid = melt("force-shifted")
    start = settled(liquid, 2)
    errors = []
    for timestep in TIMESTEPS:
        every = max(1, round(0.02 / timestep))
        rows = thermo_series(simulation(liquid, start, timestep, "double"), round(SPAN / timestep / every), every)
        errors.append(float(np.std([row.total_energy for row in rows]) / liquid.number))
    return {"errors": errors}


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    f"drift.{precision}.{style}": partial(run, precision, style) for precision in MOMENTUM for style in STYLES
} | {"drift.order": order}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Drift by precision and style, order, momentum by precision."""
    lines = []
    for precision in MOMENTUM:
        for style, name in STYLES.items():
            slope = Estimate(**found[f"drift.{precision}.{style}"]["drift"])
            lines.append(
                Row(
                    f"energy drift [ε/atom/τ], {precision}, {name}",
                    str(slope),
                    "0",
                    "NVE, 4000 atoms, 20,000 steps of 0.005 τ",
                    f"{number(DRIFT)}, two errors included",
                    verdict(drift_below(slope, DRIFT)),
                )
            )
    errors = found["drift.order"]["errors"]
    power = order_of_convergence(TIMESTEPS, errors)
    shown = ", ".join(number(error, 3) for error in errors)
    lines.append(
        Row(
            f"order of the energy error at Δt = {', '.join(map(str, TIMESTEPS))} (r.m.s. {shown} ε/atom)",
            f"{power:.2f}",
            "2",
            "velocity Verlet (Swope et al. 1982)",
            "0.1",
            verdict(below(power - 2.0, 0.1)),
        )
    )
    for precision, bound in MOMENTUM.items():
        largest = max(found[f"drift.{precision}.{style}"]["momentum"] for style in STYLES)
        lines.append(
            Row(
                f"momentum per atom gained in 20,000 steps [mσ/τ], {precision}",
                number(largest, 2),
                "0",
                "Newton's third law",
                number(bound),
                verdict(below(largest, bound)),
            )
        )
    return lines
