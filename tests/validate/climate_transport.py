"""The cosine bell (Williamson et al. 1992, test 1): once around the planet in 12 days, on winds that stay."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from validate.climate_runs import DAY, cells_of, field
from validate.climate_shallow import CELLS, degrees, order
from validate.md_judges import Row, below, caught, number, verdict

from clustermark.apps.climate.cases.tracers import cosine_bell
from clustermark.apps.climate.cases.williamson import STEADY_WIND
from clustermark.apps.climate.driver import Simulation
from clustermark.apps.climate.initial import on_panels
from clustermark.apps.climate.norms import error_norms
from clustermark.apps.climate.setup import Setup

TITLE = "Transport"
# Along Yin's rows, over both poles, and through four of the eight corners of the panels' cores.
TILTS = {"0": 0.0, "π/2": 0.5 * math.pi, "54.7°": math.atan(math.sqrt(2.0))}
# Steps a day by cells per 90°: what leaves a cell is then a quarter of it at most.
STEPS_A_DAY = {20: 48, 40: 96, 80: 192}
DAYS = 12
# Largest l₂ at the middle resolution, 2.25°: what was seen, 0.08, and a little.
MOST = 0.09


def carrier(cells: int, angle: float) -> Simulation:
    """A tracer on water of depth 1 whose winds are differences of the stream function: no divergence, to rounding.

    ψ = −a u₀ (sin φ cos α − cos λ cos φ sin α);  u = −δφψ/(aΔ),  v cos φ = δλψ/(aΔ).
    """
    timestep = DAY / STEPS_A_DAY[cells]
    setup = Setup("tc2", cells, 1, "double", timestep, threads=1, angle=angle, tracer="cosine_bell")
    model = Simulation(setup, None)
    metric, state = model.metric, model.state

    def stream(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
        tilted = math.cos(angle) * np.sin(latitude) - math.sin(angle) * np.cos(longitude) * np.cos(latitude)
        return -STEADY_WIND / metric.inverse_spacing / model.grid.spacing * tilted

    corners = model.domain.cut(on_panels(model.grid, "corner", stream))[:, np.newaxis]
    state.mass[...] = 1.0
    state.u[...] = (np.roll(corners, 1, -2) - corners) * metric.inverse_spacing
    cosine = metric.cos_face[:, np.newaxis, :, np.newaxis]
    state.v[...] = (corners - np.roll(corners, 1, -1)) * metric.inverse_spacing / cosine
    return model


def bell(angle: float, cells: int, _folder: Path, days: float = DAYS) -> dict[str, Any]:
    """Errors after one turn, extremes, and the norm of an answer that is one cell off."""
    model, places = carrier(cells, angle), cells_of("tc2", cells)
    exact = cosine_bell(places.longitudes, places.latitudes)
    assert model.tracer is not None
    for _ in range(round(days * STEPS_A_DAY[cells])):
        model.tracer.advance(model.setup.timestep, model.state, model.state, model.state)
        model.tracer.share()
    found = field(model, "tracer")
    norms = error_norms(found, exact, places.weights)
    return {
        "l1": norms.l1,
        "l2": norms.l2,
        "l_infinity": norms.l_infinity,
        "least": float(found.min()),
        "most": float(found.max()),
        "outflow": model.tracer.outflow(model.setup.timestep, model.state),
        "planted": error_norms(np.roll(found, 2, axis=-1), exact, places.weights).l2,
        "sum": float((found * places.weights).sum() / (exact * places.weights).sum()),
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    f"tc1.{tilt.replace('/', '_')}.{cells}": partial(bell, TILTS[tilt], cells) for tilt in TILTS for cells in CELLS
}


# --- judgement ----------------------------------------------------------------------------------------------


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Errors by tilt, their order from the middle to the finest grid, the least value, and an answer two cells off."""
    lines = []
    for tilt in TILTS:
        runs = {cells: found[f"tc1.{tilt.replace('/', '_')}.{cells}"] for cells in CELLS}
        norms = "; ".join(
            ", ".join(number(run[name], 3) for name in ("l1", "l2", "l_infinity")) for run in runs.values()
        )
        p = order(CELLS[1:], [runs[cells]["l2"] for cells in CELLS[1:]])
        least = min(run["least"] for run in runs.values())
        middle = runs[CELLS[1]]
        lines += [
            Row(
                f"TC1, α = {tilt}, day {DAYS}: l₁, l₂, l∞ at {', '.join(degrees(cells) for cells in CELLS)}",
                norms,
                "0",
                "exact",
                f"l₂ falls each time, ≤ {number(MOST)} at {degrees(CELLS[1])}",
                verdict(below(middle["l2"], MOST) and runs[20]["l2"] > middle["l2"] > runs[80]["l2"]),
            ),
            Row(f"TC1, α = {tilt}: order", number(p, 3), "2", "smooth but at its rim", "≥ 1.7", verdict(p >= 1.7)),
            Row(f"TC1, α = {tilt}: least value", number(least, 2), "0", "proof", "≥ 0", verdict(least >= 0.0)),
            Row(
                f"planted: TC1, α = {tilt}, {degrees(CELLS[1])}, two columns off",
                number(middle["planted"], 3),
                "0",
                "exact",
                f"≤ {number(MOST)}",
                caught(below(middle["planted"], MOST)),
            ),
        ]
    return lines
