"""The slowest engine that meets the protocol: O(N²) Lennard-Jones in NumPy, every rank computing everything.

Ranks share only what is told: a rank's state is its slice of the atoms, in its own order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.md.engine import State
from clustermark.apps.md.model import Atoms, Floats, LennardJones, Thermo
from clustermark.apps.md.setup import Setup
from clustermark.core.errors import ClustermarkError


class NaiveEngine:
    """Velocity Verlet; the planted faults of the tests are asked for by the seed of an ensemble (see `_faults`)."""

    def __init__(self, setup: Setup, comm: Any) -> None:
        self.setup, self.comm = setup, comm
        self.rank, self.ranks = (0, 1) if comm is None else (comm.rank, comm.size)
        self.step = setup.first_step
        self.calls = 0
        if setup.state is None:
            atoms = setup.atoms if comm is None else comm.bcast(setup.atoms, 0)
        else:
            states = [setup.state] if comm is None else comm.allgather(setup.state)
            atoms = _sorted([state.atoms for state in states])
            self.calls = int(setup.state.thermostat["calls"])
        assert atoms is not None
        self.atoms: Atoms = atoms
        self.masses = setup.masses[atoms.types][:, None] * setup.units.mass_velocity2
        self.positions, self.velocities = atoms.positions.copy(), atoms.velocities.copy()
        self.forces, self.energy, self.virial = self._interact()

    def _interact(self) -> tuple[Floats, float, float]:
        potential, box, types = self.setup.potential, self.atoms.box, self.atoms.types
        assert isinstance(potential, LennardJones)
        gap = self.positions[:, None] - self.positions[None]
        gap -= box * np.rint(gap / box)
        square = (gap**2).sum(-1)
        np.fill_diagonal(square, np.inf)
        pair = np.ix_(types, types)
        near = square < potential.cutoff[pair] ** 2
        s6 = np.where(near, potential.sigma[pair] ** 6 / square**3, 0.0)
        force = 24 * potential.epsilon[pair] * (2 * s6**2 - s6) / square
        energy = float((4 * potential.epsilon[pair] * (s6**2 - s6)).sum() / 2)
        return (force[..., None] * gap).sum(1), energy, float((force * np.where(near, square, 0.0)).sum() / 2)

    def advance(self, steps: int) -> None:
        dt = self.setup.timestep
        for _ in range(steps):
            self._faults()
            self.calls += 1
            self.velocities += 0.5 * dt * self.forces / self.masses
            self.positions += dt * self.velocities
            self.forces, self.energy, self.virial = self._interact()
            self.velocities += 0.5 * dt * self.forces / self.masses
            self.step += 1
        if not np.isfinite(self.positions).all():
            raise ClustermarkError(f"step {self.step}: lost atoms; shorten run.timestep")

    def _faults(self) -> None:
        """Seed 13: atoms are lost at step 5, on all ranks; 14: a bug on the last rank; 15: an error on it alone."""
        seed, last = self.setup.ensemble.seed, self.rank == self.ranks - 1
        if self.step != 5:
            return
        if seed == 13:
            raise ClustermarkError("step 5: lost atoms, shorten run.timestep")
        if seed == 14 and last:
            raise ZeroDivisionError("a bug")
        if seed == 15 and last:
            raise ClustermarkError("step 5: this rank alone is in trouble")

    def thermo(self) -> Thermo:
        units, count, volume = self.setup.units, len(self.masses), float(self.atoms.box.prod())
        kinetic = float(0.5 * (self.masses * self.velocities**2).sum())
        temperature = 2 * kinetic / (3 * (count - 1) * units.boltzmann)
        pressure = (count - 1) * units.boltzmann * temperature / volume + self.virial / (3 * volume)
        total = self.energy + kinetic
        return Thermo(
            self.step, temperature, self.energy, kinetic, total, self.virial, float(pressure * units.pressure)
        )

    def gather(self) -> Atoms | None:
        box = self.atoms.box
        inside = self.positions - box * np.floor(self.positions / box)
        whole = Atoms(inside, self.velocities.copy(), self.atoms.ids, self.atoms.types, box)
        return _sorted([whole]) if self.rank == 0 else None

    def gather_forces(self) -> Floats | None:
        return self.forces[np.argsort(self.atoms.ids)] if self.rank == 0 else None

    def state(self) -> State:
        share = slice(self.rank, None, self.ranks)
        a = self.atoms
        mine = Atoms(self.positions[share], self.velocities[share], a.ids[share], a.types[share], a.box)
        return State(self.step, mine, {"calls": self.calls, "third": 1 / 3})

    def sections(self) -> dict[str, float]:
        return {"force": 7.0 + 0.1 * (self.step - self.setup.first_step) * (1 + self.rank), "list": 0.5}


def _sorted(parts: list[Atoms]) -> Atoms:
    ids = np.concatenate([part.ids for part in parts])
    order = np.argsort(ids)
    return Atoms(
        np.concatenate([part.positions for part in parts])[order],
        np.concatenate([part.velocities for part in parts])[order],
        ids[order],
        np.concatenate([part.types for part in parts])[order],
        parts[0].box,
    )


def make_engine(setup: Setup, comm: Any) -> NaiveEngine:
    """The factory that stands in for the driver's."""
    return NaiveEngine(setup, comm)
