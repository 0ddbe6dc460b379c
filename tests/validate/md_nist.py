"""Averages of the Lennard-Jones liquid against the tables of NIST's Standard Reference Simulation Website."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from validate.md_judges import Estimate, Row, agrees, mean_of, number, pooled, verdict
from validate.md_liquids import Liquid, settled, simulation, thermo_series

from clustermark.apps.md.setup import Ensemble

TITLE = "State points of the Lennard-Jones liquid"
# https://mmlapps.nist.gov/srs/LJ_PURE/mc.htm
SOURCE = "NIST, Monte Carlo"
TEMPERATURE, CUTOFF = 0.85, 3.0

# ρ* → U*/N and p* with NIST's standard deviations; 0 where the deviation could not be confirmed from a second source,
# which makes the judgement stricter.
POINTS: dict[float, tuple[Estimate, Estimate]] = {
    0.776: (Estimate(-5.5121, 4.55e-4), Estimate(6.7714e-3, 0.0)),
    0.820: (Estimate(-5.7947, 0.0), Estimate(0.55355, 0.0)),
    0.860: (Estimate(-6.0305, 2.38e-3), Estimate(1.2660, 1.36e-2)),
}
THERMOSTATS: dict[str, float] = {"csvr": 0.5, "langevin": 1.0}
PRECISIONS = ("mixed", "double")

# Verlet's positions are hotter than its velocities by (Ωh)²/4, Ω² ≈ 250 the mean square frequency: a step of 0.004
# would move U by 0.001, twice NIST's deviation; this one moves it by a quarter of that.
TIMESTEP, EVERY, SETTLING, SAMPLES = 0.002, 25, 5000, 2400


def run(density: float, thermostat: str, precision: str, folder: Path) -> dict[str, Any]:
    """Series of U/N and of the virial pressure at the temperature of the thermostat."""
    liquid = Liquid(8, density, TEMPERATURE, CUTOFF, tail=True)
    seed = round(1000 * density) + 10 * len(thermostat) + len(precision)
    ensemble = Ensemble(thermostat, TEMPERATURE, THERMOSTATS[thermostat], seed)
    engine = simulation(liquid, settled(liquid, seed), TIMESTEP, precision, ensemble)
    engine.advance(SETTLING)
    rows = thermo_series(engine, SAMPLES, EVERY)
    ideal = density * TEMPERATURE
    return {
        "energy": [row.potential_energy / liquid.number for row in rows],
        "pressure": [ideal + row.virial / (3.0 * liquid.volume) for row in rows],
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    f"nist.{density:.3f}.{thermostat}.{precision}": partial(run, density, thermostat, precision)
    for density in POINTS
    for thermostat in THERMOSTATS
    for precision in PRECISIONS
}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Each run, and all four of a state point together."""
    lines = []
    for density, references in POINTS.items():
        names = [name for name in PARTS if name.startswith(f"nist.{density:.3f}.")]
        for quantity, symbol, reference in zip(("energy", "pressure"), ("U/N", "p"), references, strict=True):
            each = {name: mean_of(found[name][quantity]) for name in names}
            together = pooled(list(each.values()))
            for label, ours in [*((_label(name), e) for name, e in each.items()), ("all four", together)]:
                lines.append(
                    Row(
                        f"{symbol} at ρ {density:.3f}, {label}",
                        str(ours),
                        str(reference) if reference.error else number(reference.mean),
                        SOURCE,
                        "3 combined errors",
                        verdict(agrees(ours, reference)),
                    )
                )
    return lines


def _label(name: str) -> str:
    return ", ".join(name.split(".")[3:])
