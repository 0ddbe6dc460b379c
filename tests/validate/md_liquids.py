"""Liquids to measure on: melted, thermostatted, and the series that a run of them gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.initial import draw_velocities, fcc_lattice
from clustermark.apps.md.model import UNITS, Atoms, LennardJones, ListRule, Thermo
from clustermark.apps.md.setup import Ensemble, Setup

# A fcc crystal of these densities stays one at the temperatures that are asked for; at this one it melts at once.
MELTING_TEMPERATURE = 2.5
SETTLING_TIMESTEP = 0.004


@dataclass(frozen=True)
class Liquid:
    """A Lennard-Jones liquid of one type in reduced units.

    Attributes
    ----------
    cells : fcc cells in each direction that it is made from: 4·cells³ atoms in a cube
    density, temperature : [σ⁻³], [ε/k_B]
    cutoff : [σ]
    style, tail : as LennardJones has them
    skin : [σ]
    """

    cells: int
    density: float
    temperature: float
    cutoff: float
    style: str = "cut"
    tail: bool = False
    skin: float = 0.4

    @property
    def potential(self) -> LennardJones:
        """ε = σ = 1."""
        one = np.ones((1, 1))
        return LennardJones(one, one, self.cutoff * one, self.style, self.tail)

    @property
    def number(self) -> int:
        """Atoms."""
        return 4 * self.cells**3

    @property
    def volume(self) -> float:
        """[σ³]."""
        return self.number / self.density


def lattice(liquid: Liquid, temperature: float, seed: int) -> Atoms:
    """The crystal of the liquid's density, with velocities."""
    positions, box = fcc_lattice((liquid.cells, liquid.cells, liquid.cells), (4.0 / liquid.density) ** (1.0 / 3.0))
    ids = np.arange(1, len(positions) + 1, dtype=np.int64)
    velocities = draw_velocities(ids, np.ones(len(ids)), temperature, UNITS["lj"], seed)
    return Atoms(positions, velocities, ids, np.zeros(len(ids), np.int32), box)


def simulation(
    liquid: Liquid, atoms: Atoms, timestep: float, precision: str = "mixed", ensemble: Ensemble | None = None
) -> Simulation:
    """An engine on this process alone; NVE without an ensemble."""
    setup = Setup(
        atoms=atoms,
        state=None,
        masses=np.ones(1),
        elements=("X",),
        potential=liquid.potential,
        units=UNITS["lj"],
        cutoff=liquid.cutoff,
        rule=ListRule(liquid.skin),
        timestep=timestep,
        ensemble=ensemble or Ensemble(),
        precision=precision,
        overlap=True,
    )
    return Simulation(setup, None)


def settled(liquid: Liquid, seed: int, time: float = 12.0) -> Atoms:
    """The liquid after melting and so much time [τ] at its temperature, by stochastic rescaling."""
    atoms = lattice(liquid, MELTING_TEMPERATURE, seed)
    for temperature, span in ((MELTING_TEMPERATURE, 6.0), (liquid.temperature, time)):
        thermostat = Ensemble("csvr", temperature, 0.2, seed)
        engine = simulation(liquid, atoms, SETTLING_TIMESTEP, ensemble=thermostat)
        engine.advance(round(span / SETTLING_TIMESTEP))
        atoms = _gathered(engine)
    return atoms


def _gathered(engine: Simulation) -> Atoms:
    atoms = engine.gather()
    assert atoms is not None
    return atoms


def thermo_series(engine: Simulation, samples: int, every: int) -> list[Thermo]:
    """Rows of so many samples, `every` steps apart; the engine has made samples·every steps afterwards."""
    rows = []
    for _ in range(samples):
        engine.advance(every)
        rows.append(engine.thermo())
    return rows


def frames(engine: Simulation, count: int, every: int, look: Callable[[Atoms], Any]) -> list[Any]:
    """What `look` makes of the atoms of so many frames, `every` steps apart."""
    found = []
    for _ in range(count):
        engine.advance(every)
        found.append(look(_gathered(engine)))
    return found


def with_total_energy(liquid: Liquid, atoms: Atoms, energy: float) -> Atoms:
    """The atoms with velocities scaled so that the total energy is `energy` [ε]."""
    row = simulation(liquid, atoms, SETTLING_TIMESTEP, "double").thermo()
    factor = ((energy - row.potential_energy) / row.kinetic_energy) ** 0.5
    return replace(atoms, velocities=factor * atoms.velocities)
