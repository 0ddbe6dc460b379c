"""Whether thermostats give the canonical distribution, of velocities and of configurations; and one that does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from validate.md_judges import (
    WIDTHS,
    Estimate,
    Row,
    agrees,
    caught,
    log_ratio_slope,
    mean_of,
    pooled,
    variance_of,
    verdict,
)
from validate.md_liquids import Liquid, settled, simulation, thermo_series

from clustermark.apps.md.model import Floats
from clustermark.apps.md.setup import Ensemble
from clustermark.apps.md.slots import Slots

TITLE = "Thermostats"
# So far apart that the distributions of 500 atoms' energies overlap by half (Shirts 2013, 2.5: two deviations).
TEMPERATURES = (0.82, 0.88)
THERMOSTATS: dict[str, float] = {"langevin": 1.0, "csvr": 0.5, "nose-hoover": 0.5}
TIMESTEP, EVERY, SAMPLES, SETTLING = 0.004, 20, 6000, 2500
TOLERANCE = f"{WIDTHS:g} errors"
SHIRTS = "1/T₁ − 1/T₂; Shirts, J. Chem. Theory Comput. 9, 909 (2013)"
# Slow enough to leave the fluctuations of constant energy, fast enough to hold the temperature.
PLANTED, PLANTED_TIME = "berendsen", 5.0


class Berendsen:
    """The planted fault: v ← v √(1 + (h/τ)(T/T_now − 1)) (Berendsen et al. 1984), which is not canonical."""

    needs_full_step = True

    def __init__(self, temperature: float, time: float, timestep: float, degrees_of_freedom: int) -> None:
        """As `make_thermostat` has them, in reduced units and with masses of 1."""
        self._kinetic = degrees_of_freedom * temperature / 2.0
        self._rate = timestep / time
        self._masses: Floats = np.ones(1)

    def end_of_step(self, slots: Slots, step: int) -> None:
        """As Thermostat."""
        kinetic = slots.kinetic_energy(self._masses, 1.0, step)
        slots.scale(math.sqrt(1.0 + self._rate * (self._kinetic / kinetic - 1.0)))

    def conserved(self, total_energy: float) -> None:
        """Nothing."""
        return

    def state(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, float]) -> None:
        """Nothing."""


def liquid(temperature: float) -> Liquid:
    """500 atoms, force-shifted, so that the energy is as smooth as the force."""
    return Liquid(5, 0.776, temperature, 2.5, style="force-shifted")


def run(kind: str, temperature: float, folder: Path) -> dict[str, Any]:
    """Series of the potential and the kinetic energy [ε]."""
    system = liquid(temperature)
    seed = round(1000 * temperature) + len(kind)
    ensemble = Ensemble() if kind == PLANTED else Ensemble(kind, temperature, THERMOSTATS[kind], seed)
    engine = simulation(system, settled(system, seed), TIMESTEP, ensemble=ensemble)
    if kind == PLANTED:
        engine.thermostat = Berendsen(temperature, PLANTED_TIME, TIMESTEP, engine.degrees_of_freedom)
    engine.advance(SETTLING)
    rows = thermo_series(engine, SAMPLES, EVERY)
    return {
        "potential": [row.potential_energy for row in rows],
        "kinetic": [row.kinetic_energy for row in rows],
        # Langevin's noise moves the centre of mass too.
        "freedom": engine.degrees_of_freedom + (3 if kind == "langevin" else 0),
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    f"ensemble.{kind}.{temperature}": partial(run, kind, temperature)
    for kind in (*THERMOSTATS, PLANTED)
    for temperature in TEMPERATURES
}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Mean and variance of the kinetic energy over canonical ones; slopes of the potential energy's distributions."""
    lines = []
    for kind in (*THERMOSTATS, PLANTED):
        judged = caught if kind == PLANTED else verdict
        name = f"{kind} (planted fault)" if kind == PLANTED else kind
        mean, variance = kinetic_ratios(kind, found)
        if kind != PLANTED:
            lines.append(_ratio(f"⟨K⟩/(½ N_f kT), {name}", mean, "equipartition", verdict))
        lines.append(_ratio(f"var K/(½ N_f (kT)²), {name}", variance, "Maxwell–Boltzmann", judged))
        low, high = (np.array(found[f"ensemble.{kind}.{t}"]["potential"]) for t in TEMPERATURES)
        slope = log_ratio_slope(low, high)
        exact = 1.0 / TEMPERATURES[0] - 1.0 / TEMPERATURES[1]
        check = f"slope of ln P(U; T {TEMPERATURES[1]})/P(U; T {TEMPERATURES[0]}) [1/ε], {name}"
        good = agrees(slope, Estimate(exact, 0.0))
        lines.append(Row(check, str(slope), f"{exact:.4f}", SHIRTS, TOLERANCE, judged(good)))
    return lines


def kinetic_ratios(kind: str, found: Mapping[str, dict[str, Any]]) -> tuple[Estimate, Estimate]:
    """Mean and variance of the kinetic energy over those of the canonical distribution, both temperatures together."""
    means, variances = [], []
    for temperature in TEMPERATURES:
        data = found[f"ensemble.{kind}.{temperature}"]
        expected = data["freedom"] * temperature / 2.0
        series = np.array(data["kinetic"]) / expected
        means.append(mean_of(series))
        spread = variance_of(series * math.sqrt(data["freedom"] / 2.0))
        variances.append(spread)
    return pooled(means), pooled(variances)


def _ratio(check: str, ours: Estimate, source: str, judged: Callable[[bool], str]) -> Row:
    return Row(check, str(ours), "1", source, TOLERANCE, judged(agrees(ours, Estimate(1.0, 0.0))))
