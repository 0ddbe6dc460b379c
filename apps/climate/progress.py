"""What a run tells people: a bar, a row per look, and the account at its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from clustermark.apps.climate.engine import Look, Output
from clustermark.apps.climate.layout import BUFFER
from clustermark.apps.climate.schedule import DAY
from clustermark.apps.climate.setup import Setup

# Fields whose extremes stand in a row; more do not fit a terminal.
MOST_FIELDS = 2
# Units of prognostic fields that are no outputs.
_UNITS = {"u": "m s-1", "v": "m s-1"}
_YEAR = 365 * DAY


def years_per_day(simulated: float, seconds: float) -> float:
    """SYPD: simulated years of 365 days per day of computing, from simulated and computing time [s]."""
    return simulated / _YEAR / (seconds / DAY) if seconds > 0 else 0.0


def cell_count(setup: Setup) -> int:
    """Evolved cells of both panels on all levels."""
    return 2 * (setup.cells + 2 * BUFFER) * (3 * setup.cells + 2 * BUFFER) * setup.levels


def header(look: Look, outputs: Mapping[str, Output]) -> str:
    """Two lines above the rows: names, and units in brackets."""
    names = f"{'day':>10}{'step':>10}{'raw drift':>12}{'fixer work':>12}{'energy':>17}{'Courant':>9}"
    below = " " * len(names)
    for name in list(look.smallest)[:MOST_FIELDS]:
        unit = outputs[name].units if name in outputs else _UNITS.get(name, "")
        unit = f"[{unit}]"
        names += f"{name + ' min':>13}{'max':>11}"
        below += f"{unit:>13}{unit:>11}"
    return f"{names}\n{below.rstrip()}"


def row(look: Look) -> str:
    """One look in columns of fixed width."""
    text = f"{look.time / DAY:>10.3f}{look.step:>10}{look.raw_mass_drift + 0.0:>12.3e}{look.fixer_work + 0.0:>12.3e}"
    text += f"{look.energy:>17.10g}{look.courant:>9.3f}"
    for name in list(look.smallest)[:MOST_FIELDS]:
        # Adding zero makes a zero of minus zero.
        text += f"{look.smallest[name] + 0.0:>13.6g}{look.largest[name] + 0.0:>11.6g}"
    return text


def row_document(look: Look) -> dict[str, Any]:
    """A look in the JSON document: the fields of `Look`, and `day`."""
    return {
        "step": look.step,
        "time": look.time,
        "day": look.time / DAY,
        "mass": look.mass,
        "energy": look.energy,
        "raw_mass_drift": look.raw_mass_drift,
        "fixer_work": look.fixer_work,
        "courant": look.courant,
        "smallest": dict(look.smallest),
        "largest": dict(look.largest),
    }


def conservation(looks: Sequence[Look]) -> dict[str, float]:
    """What became of mass and energy from the first look to the last.

    Returns
    -------
    days, raw_mass_drift and fixer_work of this run (relative), raw_mass_drift_per_day, mass_change and energy_change
    (relative to the first look)
    """
    first, last = looks[0], looks[-1]
    days = (last.time - first.time) / DAY
    drift = last.raw_mass_drift - first.raw_mass_drift
    return {
        "days": days,
        "raw_mass_drift": drift,
        "raw_mass_drift_per_day": drift / days if days > 0 else 0.0,
        "fixer_work": last.fixer_work - first.fixer_work,
        "mass_change": _relative(first.mass, last.mass),
        "energy_change": _relative(first.energy, last.energy),
    }


def _relative(before: float, after: float) -> float:
    return (after - before) / abs(before) if before else 0.0


def conservation_table(looks: Sequence[Look], fixer: bool) -> str:
    """The account of mass and energy as aligned lines."""
    found = conservation(looks)
    lines = [
        f"conservation over {found['days']:g} days, relative to the start",
        f"  {'mass':<28}{found['mass_change']:>12.3e}",
        f"  {'raw drift of mass':<28}{found['raw_mass_drift']:>12.3e}   {found['raw_mass_drift_per_day']:.3e} per day",
        f"  {'work of the fixer':<28}{found['fixer_work']:>12.3e}{'' if fixer else '   off'}",
        f"  {'energy':<28}{found['energy_change']:>12.3e}",
    ]
    return "\n".join(lines)


def speed_line(setup: Setup, steps: int, simulated: float, seconds: float) -> str:
    """Steps, cells, seconds; SYPD and cell-steps per second."""
    rate = steps * cell_count(setup) / seconds / 1e6 if seconds > 0 else 0.0
    return (
        f"{simulated / DAY:g} days in {steps} steps of {setup.timestep:g} s, {cell_count(setup)} cells: "
        f"{seconds:.3f} s with output, {years_per_day(simulated, seconds):.4g} simulated years per day, "
        f"{rate:.4g} Mcell-steps/s"
    )


@contextlib.contextmanager
def bar(days: float, shown: bool) -> Iterator[Callable[[float], None]]:
    """A function that is told of simulated seconds made; shows days, speed and what remains where that is wanted."""
    if not shown or days <= 0:
        yield lambda simulated: None
        return
    from tqdm import tqdm

    begun, made = time.perf_counter(), 0.0
    form = "{l_bar}{bar}| day {n:.2f} of {total:.4g}, {elapsed} + {remaining}{postfix}"
    with tqdm(total=days, bar_format=form, leave=False) as inner:

        def advance(simulated: float) -> None:
            nonlocal made
            made += simulated
            inner.set_postfix_str(f"{years_per_day(made, time.perf_counter() - begun):.3g} SYPD", refresh=False)
            inner.update(min(simulated / DAY, days - inner.n))

        yield advance
