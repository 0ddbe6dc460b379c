"""Engines of the tests: made from a configuration and a potential, on one rank or on ranks that are threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from physics_examples import DATA
from thread_ranks import on_ranks

from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.initial import draw_velocities, fcc_lattice
from clustermark.apps.md.model import UNITS, Atoms, Floats, LennardJones, ListRule, Potential, Thermo, Units
from clustermark.apps.md.setup import Ensemble, Setup

LANES = (4, 8, 16)
PRECISIONS = ("double", "mixed", "single")
DENSITY = 0.8442
BENCHMARK = ListRule(0.3, 20, check=False)


def setup_of(atoms: Atoms | None, potential: Potential, **changes: Any) -> Setup:
    """Atoms of mass 1 in reduced units at constant energy, with a safe list, unless told otherwise."""
    types = len(potential.epsilon) if isinstance(potential, LennardJones) else len(potential.elements)
    values: dict[str, Any] = {
        "atoms": atoms,
        "state": None,
        "masses": np.ones(types),
        "elements": tuple("ABCD"[:types]),
        "potential": potential,
        "units": UNITS["lj"],
        "cutoff": potential.largest_cutoff,
        "rule": ListRule(0.3),
        "timestep": 0.005,
        "ensemble": Ensemble(),
        "precision": "double",
        "overlap": True,
    }
    return Setup(**(values | changes))


def engine(atoms: Atoms | None, potential: Potential, lanes: int = 0, **changes: Any) -> Simulation:
    """An engine on one rank without MPI."""
    return Simulation(setup_of(atoms, potential, **changes), None, lanes)


def atoms_of_engine(simulation: Simulation) -> Atoms:
    """All atoms, on one rank."""
    atoms = simulation.gather()
    assert atoms is not None
    return atoms


def forces_of_engine(simulation: Simulation) -> Floats:
    """All forces, on one rank."""
    forces = simulation.gather_forces()
    assert forces is not None
    return forces


def on_bricks(ranks: int, setup: Setup, lanes: int, action: Any) -> list[Any]:
    """What `action(simulation)` gives on each of some ranks that are threads."""

    def main(comm: Any) -> Any:
        mine = setup if comm.rank == 0 else setup_of(None, setup.potential, **_all_but_atoms(setup))
        return action(Simulation(mine, comm, lanes))

    return on_ranks(ranks, main)


def _all_but_atoms(setup: Setup) -> dict[str, Any]:
    return {name: value for name, value in vars(setup).items() if name not in ("atoms", "potential")}


def warm_crystal(
    cells: tuple[int, int, int],
    constant: float = (4 / DENSITY) ** (1 / 3),
    temperature: float = 1.44,
    units: Units = UNITS["lj"],
    mass: float = 1.0,
    seed: int = 7,
) -> Atoms:
    """A face-centred cubic crystal with velocities; that of the LJ melt unless told otherwise."""
    positions, box = fcc_lattice(cells, constant)
    ids = np.arange(1, len(positions) + 1)
    velocities = draw_velocities(ids, np.full(len(ids), mass), temperature, units, seed)
    return Atoms(positions, velocities, ids, np.zeros(len(ids), np.int32), box)


def large_melt() -> Atoms:
    """LAMMPS' bench/in.lj as it is delivered, 32,000 atoms; velocities are stored in units of 2⁻²⁹ σ/τ."""
    positions, box = fcc_lattice((20, 20, 20), (4 / DENSITY) ** (1 / 3))
    with np.load(DATA / "lj_melt_32000_velocities.npz") as file:
        velocities = np.ldexp(file["v"].astype(np.float64), -29)
    ids = np.arange(1, len(positions) + 1)
    return Atoms(positions, velocities, ids, np.zeros(len(ids), np.int32), box)


def per_atom(row: Thermo, atoms: int) -> tuple[float, float, float, float]:
    """Temperature, potential and total energy per atom, pressure: what LAMMPS prints."""
    return row.temperature, row.potential_energy / atoms, row.total_energy / atoms, row.pressure
