"""Shallow-water tests: steady flow, mountain, Rossby-Haurwitz wave and the barotropic jet, at several resolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from validate.climate_measures import against_the_finest, quiet_jet, steady
from validate.md_judges import Row, below, caught, number, order_of_convergence, verdict

TITLE = "Shallow water"
CELLS = (20, 40, 80)
FINEST = 160
TILTS = {"0": 0.0, "π/4": math.pi / 4.0}

# l₂(h) after 5 days of a plain version of the same scheme, by cells per 90°: no kernel may lose against it.
FORMER = {"0": {20: 7.29e-4, 40: 1.98e-4, 80: 5.46e-5}, "π/4": {40: 6.2e-4}}
# l₂(h) of GME against NCAR's spectral model by number of points, icon.enes.org/swm/gmeswm/node6.html, tables 4 and 5;
# beside the cells per 90° of ours with about as many points, 6·cells².
GME = {"tc5": {40: (10242, 1.3713e-3), 80: (40962, 7.2106e-4)}, "tc6": {40: (10242, 9.0148e-3), 80: (40962, 2.8930e-3)}}
GME_DAYS = {"tc5": 15, "tc6": 10}
# Relative drift of the mass that a fixer must leave: rounding of the sums, whatever the number of steps.
ROUNDING = 1e-13
# Relative drift per day that flux matching leaves the dynamics.
MATCHED = 1e-10


def degrees(cells: int) -> str:
    """ "2.25°"."""
    return f"{90 / cells:.4g}°"


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    **{
        f"tc2.{tilt.replace('/', '_')}.{cells}": partial(steady, TILTS[tilt], cells)
        for tilt in TILTS
        for cells in CELLS
    },
    "tc5": partial(against_the_finest, "tc5", (*CELLS, FINEST), (5.0, 15.0), "surface"),
    "tc6": partial(against_the_finest, "tc6", (*CELLS, FINEST), (10.0,), "h"),
    "galewsky": partial(against_the_finest, "galewsky", (*CELLS, FINEST), (4.0, 6.0), "vorticity"),
    **{f"galewsky_steady.{cells}": partial(quiet_jet, cells) for cells in (40, 80)},
}


# --- judgement ----------------------------------------------------------------------------------------------


def order(cells: Sequence[int], errors: Sequence[float]) -> float:
    """p of error ∝ Δᵖ through all resolutions."""
    return order_of_convergence([90 / n for n in cells], errors)


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Steady flow first, then the others against references, then what was conserved."""
    lines = []
    for tilt in TILTS:
        runs = {cells: found[f"tc2.{tilt.replace('/', '_')}.{cells}"] for cells in CELLS}
        lines += _steady_rows(tilt, runs)
    for case, points in GME.items():
        lines += _reference_rows(case, found[case], points)
    lines += _jet_rows(found)
    return lines + _conservation_rows(found)


def _steady_rows(tilt: str, runs: Mapping[int, dict[str, Any]]) -> list[Row]:
    lines = []
    for cells, run in runs.items():
        former = FORMER[tilt].get(cells)
        bound = former or math.inf
        lines.append(
            Row(
                f"TC2, α = {tilt}, {degrees(cells)}, day 5: l₂(h) (l₁ {number(run['l1'], 3)}, "
                f"l∞ {number(run['l_infinity'], 3)})",
                number(run["l2"], 3),
                "0",
                "exact",
                f"≤ {number(former, 3)}" if former else "part of the order below",
                verdict(below(run["l2"], bound)),
            )
        )
    p = order(CELLS, [run["l2"] for run in runs.values()])
    lines.append(Row(f"TC2, α = {tilt}: order", number(p, 3), "2", "scheme", "1.8 to 2.1", verdict(1.8 <= p <= 2.1)))
    worst = runs[CELLS[0]]
    lines.append(
        Row(
            f"planted: TC2, α = {tilt}, {degrees(CELLS[0])} with a depth 0.1 % too large",
            number(worst["planted"], 3),
            "0",
            "exact",
            f"≤ {number(1.2 * worst['l2'], 3)}",
            caught(below(worst["planted"], 1.2 * worst["l2"])),
        )
    )
    return lines


def _reference_rows(case: str, runs: Mapping[str, Any], points: Mapping[int, tuple[int, float]]) -> list[Row]:
    name, day = case.upper(), GME_DAYS[case]
    errors = {cells: runs[str(cells)]["l2"][f"{day:.1f}"] for cells in CELLS}
    lines = [
        Row(
            f"{name}, {degrees(cells)} ({6 * cells**2} points), day {day}: l₂(h) against our own {degrees(FINEST)}",
            number(errors[cells], 3),
            f"{number(bound, 4)} ({count} points)",
            "GME against NCAR's spectral model",
            "no larger",
            verdict(below(errors[cells], bound)),
        )
        for cells, (count, bound) in points.items()
    ]
    shrinks = all(coarse > 2.0 * fine for coarse, fine in pairwise(errors.values()))
    lines.append(
        Row(
            f"{name}: l₂(h) at {', '.join(degrees(cells) for cells in CELLS)}",
            ", ".join(number(error, 3) for error in errors.values()),
            "converges",
            "own finest run",
            "less than half each time",
            verdict(shrinks),
        )
    )
    return lines


def _jet_rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    runs = found["galewsky"]
    low, high = runs[str(FINEST)]["extremes"]["6.0"]
    errors = {cells: runs[str(cells)]["l2"]["6.0"] for cells in CELLS}
    quiet = [found[f"galewsky_steady.{cells}"]["l2"] for cells in (40, 80)]
    return [
        Row(
            f"Galewsky, {degrees(FINEST)}, day 6: least and largest vorticity [10⁻⁵ s⁻¹]",
            f"{number(1e5 * low, 3)}, {number(1e5 * high, 3)}",
            "about −11 and 15",
            "Galewsky et al. 2004, figure 4, read by eye",
            "−14 to −8 and 12 to 22",
            verdict(-14e-5 <= low <= -8e-5 and 12e-5 <= high <= 22e-5),
        ),
        Row(
            f"Galewsky, day 6: l₂(ζ) at {', '.join(degrees(cells) for cells in CELLS)} against {degrees(FINEST)}",
            ", ".join(number(error, 3) for error in errors.values()),
            "converges",
            "own finest run",
            "falls each time, below 0.5 at the end",
            verdict(all(a > b for a, b in pairwise(errors.values())) and below(errors[CELLS[-1]], 0.5)),
        ),
        Row(
            f"Galewsky without bump, day 3: l₂(h) at {degrees(40)} and {degrees(80)}",
            ", ".join(number(error, 3) for error in quiet),
            "0",
            "exact",
            "falls to less than half",
            verdict(quiet[1] < quiet[0] / 2.0),
        ),
    ]


def _conservation_rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    lines = []
    for case, day in (("tc5", 15), ("tc6", 10), ("galewsky", 6)):
        start, end = (found[case][str(CELLS[-1])][when] for when in ("start", "end"))
        mass, energy = end["mass"] / start["mass"] - 1.0, end["energy"] / start["energy"] - 1.0
        raw = end["raw_mass_drift"]
        label = f"{case}, {degrees(CELLS[-1])}, day {day}"
        lines += [
            Row(
                f"{label}: change of mass",
                number(mass, 2),
                "0",
                "fixer",
                number(ROUNDING),
                verdict(below(mass, ROUNDING)),
            ),
            Row(
                f"{label}: change of mass by the dynamics alone, per day",
                number(raw / day, 2),
                "0",
                "conservation",
                number(MATCHED),
                verdict(below(raw / day, MATCHED)),
            ),
            Row(
                f"{label}: change of energy",
                number(energy, 2),
                "0",
                "conservation",
                "0.001",
                verdict(below(energy, 1e-3)),
            ),
        ]
    return lines
