"""From an input file to a setup: the case's own defaults, and the longest stable step that meets the output times."""

from __future__ import annotations

import math

from clustermark.apps.climate import cells_of
from clustermark.apps.climate.input_file import Input
from clustermark.apps.climate.layout import BUFFER
from clustermark.apps.climate.schedule import HOUR
from clustermark.apps.climate.setup import Setup
from clustermark.core.errors import UsageError

# Δt ≤ COURANT·Δx_min/(c + U): three stages of Wicker & Skamarock (2002) on the C-grid are stable up to about 0.72.
COURANT = 0.61
# A step so many times longer than that is refused; what is a little too long may be stable and is watched.
REFUSED = 1.5
# (An explicit damping every n steps takes 4nΔt/τ of the shortest wave away; an automatic step keeps that below 2.)
# c + U [m/s]: √(gh) of the deepest fluid and the strongest wind; primitive equations: the external wave and a jet.
SIGNAL_SPEED: dict[str, float] = {
    "held_suarez": 390.0,
    "baroclinic_wave": 390.0,
    "baroclinic_steady": 390.0,
    "polvani": 400.0,
    "tc2": 215.0,
    "tc5": 270.0,
    "tc6": 430.0,
    "galewsky": 400.0,
    "galewsky_steady": 400.0,
}


def make_setup(data: Input) -> Setup:
    """The setup of an input.

    Raises
    ------
    UsageError : a timestep that cannot be stable
    """
    from clustermark.apps.climate.cases import CASES

    case, cells = CASES[data.case], cells_of(data.grid.resolution)
    interfaces = getattr(case, "interfaces", ())
    levels = data.grid.levels or max(len(interfaces) - 1, 1)
    longest = longest_timestep(data.case, cells, case.planet.radius)
    timestep = data.run.timestep
    if timestep is None:
        hours = data.damping.hours if data.damping.hours is not None else getattr(case, "damping_hours", 0.0)
        damped = 0.5 * hours * HOUR / data.damping.every if hours > 0 else longest
        timestep = fitting_timestep(min(longest, damped), data.output.interval * HOUR)
    elif timestep > REFUSED * longest:
        raise UsageError(
            f"run.timestep is {timestep:g} s, far beyond what is stable for case '{data.case}' at "
            f"{data.grid.resolution:g}°: expected up to {longest:.4g} s; shorten it or set run.timestep = 'auto'"
        )
    return Setup(
        case=data.case,
        cells=cells,
        levels=levels,
        precision=data.precision,
        timestep=timestep,
        overlap=data.overlap,
        threads=data.threads,
        py=data.layout.py,
        px=data.layout.px,
        angle=math.radians(data.tc2.angle),
        damping_hours=data.damping.hours,
        damping_every=data.damping.every,
        fixer=data.fixer,
        flux_matching=data.flux_matching,
        tracer=data.tracer,
        device=data.device,
    )


def longest_timestep(case: str, cells: int, radius: float) -> float:
    """Δt = COURANT·Δx_min/(c + U) [s]; Δx_min = aΔ cos φ at the outermost evolved row, φ = π/4 + BUFFER·Δ.

    Parameters
    ----------
    case : name of it
    cells : per 90°, Δ = (π/2)/cells
    radius : a [m]
    """
    spacing = 0.5 * math.pi / cells
    narrowest = radius * spacing * math.cos(0.25 * math.pi + BUFFER * spacing)
    return COURANT * narrowest / SIGNAL_SPEED[case]


def fitting_timestep(longest: float, interval: float) -> float:
    """The longest step [s] that divides the interval: of whole seconds if it has one not much shorter than `longest`.

    Whole seconds keep times exact: a frame then stands at 06:00:00 and not a rounding error beside it.
    """
    steps = math.ceil(interval / longest)
    if interval == round(interval):
        for whole in range(int(min(longest, interval)), int(0.8 * longest), -1):
            if round(interval) % whole == 0:
                return float(whole)
    return interval / steps


def run_days(data: Input) -> float:
    """How long the input's run is [days]; usual length of the case where it does not say."""
    from clustermark.apps.climate.cases import CASES

    return data.run.days if data.run.days is not None else CASES[data.case].days
