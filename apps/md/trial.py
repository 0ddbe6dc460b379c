"""Molecular dynamics as a workload: prepared, stepped and checked by the harness."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clustermark.apps.console.sections import share_of
from clustermark.apps.md.counted_work import step_bytes, step_flops
from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.initial import draw_velocities, fcc_lattice
from clustermark.apps.md.model import UNITS, Atoms, Floats, LennardJones, ListRule, Potential
from clustermark.apps.md.reference import pair_energy_forces
from clustermark.apps.md.setup import Ensemble, Setup
from clustermark.apps.md.sutton_chen import METALS, sutton_chen
from clustermark.apps.md.tables import pair_table
from clustermark.core.counters import COMMUNICATION_SHARE, ERROR
from clustermark.core.workload import Amount, Check, Trial

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

PRECISION = {"fp64": "double", "mixed": "mixed", "fp32": "single"}
# Relative error of a force against float64, of the largest force: what rounding of positions and sums explains.
FORCE_BOUND = {"fp64": 1e-12, "mixed": 1e-4, "fp32": 1e-4}
# Change of the total energy per atom, in units of k_B T, since it settled, and more per step for pairs that a list
# misses between two builds: lists of 20 steps lose 1e-7 per step, those of 50 steps a hundred times as much.
ENERGY_BOUND, ENERGY_BOUND_PER_STEP = 2e-3, 5e-7
# Steps before the first sample: the crystal has melted (LJ), or exchanged its kinetic for potential energy (EAM).
SETTLING = 100
SAMPLED_ATOMS = 8
# Sections of a step in which ranks exchange atoms.
COMMUNICATION = ("halo", "migrate")
# LAMMPS bench/in.lj: ρ* 0.8442, T* 1.44, rc 2.5, skin 0.3, Δt 0.005; bench/in.eam: 1600 K, skin 1 Å, Δt 5 fs.
DENSITY, LJ_CUTOFF = 0.8442, 2.5
EAM_CUTOFF = 5.4


def make_setup(case: Case, root: bool) -> Setup:
    """The system of a case; its atoms on rank 0 only. A GPU is bound to this process already."""
    cells, every = int(case.params["cells"]), int(case.params["every"])
    if case.params["potential"] == "lj":
        one = np.ones((1, 1))
        potential: Potential = LennardJones(one, one, LJ_CUTOFF * one)
        units, mass, constant = UNITS["lj"], 1.0, (4 / DENSITY) ** (1 / 3)
        temperature, cutoff, skin, timestep, element = 1.44, LJ_CUTOFF, 0.3, 0.005, "A"
    else:
        metal = METALS["Cu"]
        potential = sutton_chen("Cu", EAM_CUTOFF)
        units, mass, constant = UNITS["metal"], metal.mass, metal.lattice_constant
        temperature, cutoff, skin, timestep, element = 1600.0, EAM_CUTOFF, 1.0, 0.005, "Cu"
    atoms = None
    if root:
        positions, box = fcc_lattice((cells, cells, cells), constant)
        ids = np.arange(1, len(positions) + 1)
        velocities = draw_velocities(ids, np.full(len(ids), mass), temperature, units, case.seed)
        atoms = Atoms(positions, velocities, ids, np.zeros(len(ids), np.int32), box)
    return Setup(
        atoms=atoms,
        state=None,
        masses=np.array([mass]),
        elements=(element,),
        potential=potential,
        units=units,
        cutoff=cutoff,
        rule=ListRule(skin, every, check=False),
        timestep=timestep,
        ensemble=Ensemble(),
        precision=PRECISION[case.precision],
        overlap=bool(case.params["overlap"]),
        device=case.device,
        direct_messages=case.transport == "mpi_device",
    )


def make_trial(case: Case, context: Context) -> Trial:
    """Builds the system, lets it settle, and gives steps of `every` time steps, each with one new list."""
    transport = context.transport
    comm = getattr(transport, "comm", None) if transport.size > 1 else None
    simulation = Simulation(make_setup(case, transport.rank == 0), comm)
    every = int(case.params["every"])
    simulation.advance(-(-SETTLING // every) * every)
    begun, energy_begun = simulation.thermo(), kept_energy(simulation)
    counters = {"atoms": float(simulation.number), "pairs in range per atom": simulation.pairs / simulation.number}
    settled = simulation.sections()

    def check() -> Check:
        if comm is not None:
            own = {name: seconds - settled.get(name, 0.0) for name, seconds in simulation.sections().items()}
            counters[COMMUNICATION_SHARE] = share_of(comm, own, COMMUNICATION) or 0.0
        row = simulation.look()
        atoms, forces = simulation.gather(), simulation.gather_forces()
        error = None
        if atoms is not None and forces is not None:
            error = force_error(atoms, forces, simulation.setup.potential, simulation.setup.cutoff, context.rng)
        error = float(transport.broadcast(error))
        drift = abs(kept_energy(simulation) - energy_begun) / simulation.number
        drift /= simulation.units.boltzmann * begun.temperature
        bound, most = FORCE_BOUND[case.precision], ENERGY_BOUND + ENERGY_BOUND_PER_STEP * (row.step - begun.step)
        counters[ERROR + "energy drift [k_B T an atom]"] = drift
        detail = f"total energy has changed by {drift:.2g} k_B T per atom (allowed {most:.2g}) at step {row.step}"
        return Check("force / largest force", error, bound, error <= bound and drift <= most, detail)

    atom_steps, potential = float(simulation.number * every), str(case.params["potential"])
    work = {
        "atom_steps": Amount(atom_steps, "atom-step"),
        "steps": Amount(float(every), "step"),
        "flop_rate": Amount(atom_steps * step_flops(potential), "flop"),
        "field_bandwidth": Amount(atom_steps * step_bytes(potential, PRECISION[case.precision]), "B"),
    }
    return Trial(partial(simulation.march, every), check, work, counters=counters)


def kept_energy(simulation: Simulation) -> float:
    """What the equations of motion conserve: a pair that leaves the range of a cut potential takes V(rc) with it."""
    energy, potential = simulation.thermo().total_energy, simulation.setup.potential
    if not isinstance(potential, LennardJones):
        return energy
    at_cutoff = pair_table(replace(potential, style="shifted")).offset.item()
    return energy - simulation.pairs * at_cutoff


def force_error(atoms: Atoms, forces: Floats, potential: Potential, cutoff: float, rng: np.random.Generator) -> float:
    """Largest error of the forces on a few atoms, drawn at random, relative to the largest force on any.

    The force on an atom depends on those within two cutoffs at most (embedding): they are taken out, with their
    periodic images, and given to the O(N²) reference as a droplet in empty space.
    """
    largest = float(np.abs(forces).max())
    worst = 0.0
    for row in rng.choice(len(atoms.ids), min(SAMPLED_ATOMS, len(atoms.ids)), replace=False):
        droplet, centre = _droplet(atoms, int(row), 2 * cutoff)
        exact = pair_energy_forces(droplet, potential).forces[centre]
        worst = max(worst, float(np.abs(exact - forces[row]).max()))
    return worst / largest if largest > 0 and np.isfinite(forces).all() else float("inf")


def _droplet(atoms: Atoms, row: int, radius: float) -> tuple[Atoms, int]:
    """The atoms and images within `radius` of one atom, in a box that none can see across; and that atom's row."""
    positions, types, centre = [], [], -1
    for number in range(27):
        shift = (np.array([number % 3, number // 3 % 3, number // 9]) - 1) * atoms.box
        relative = atoms.positions + shift - atoms.positions[row]
        near = np.flatnonzero(np.einsum("ij,ij->i", relative, relative) < radius * radius)
        if number == 13:
            centre = sum(len(part) for part in positions) + int(np.flatnonzero(near == row)[0])
        positions.append(relative[near])
        types.append(atoms.types[near])
    placed = np.concatenate(positions) + 2 * radius
    count = len(placed)
    box = np.full(3, 4 * radius)
    return Atoms(placed, np.zeros((count, 3)), np.arange(1, count + 1), np.concatenate(types), box), centre
