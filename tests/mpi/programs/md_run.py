"""Rank program: small molecular dynamics runs on however many ranks there are; rank 0 writes what came of them.

Each scenario gives arrays and numbers by name, on rank 0. One launch runs groups of them: starting ranks is dear.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from engine_examples import (  # pyright: ignore[reportMissingImports]  # on the PYTHONPATH of the launch
    BENCHMARK,
    setup_of,
    warm_crystal,
)
from physics_examples import (  # pyright: ignore[reportMissingImports]
    atoms_of,
    disturbed,
    fcc,
    melt,
    one_type,
    two_metals,
)

from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.model import UNITS, Atoms, ListRule
from clustermark.apps.md.setup import Ensemble, Setup
from clustermark.core.errors import ClustermarkError
from clustermark.runners.launch_world import start_mpi

ENSEMBLES = {
    "nve": Ensemble(),
    "langevin": Ensemble("langevin", 1.0, 0.1, 5),
    "csvr": Ensemble("csvr", 1.0, 0.1, 5),
    "nose-hoover": Ensemble("nose-hoover", 1.0, 0.1),
}


def on_root(comm: Any, setup: Setup) -> Setup:
    """The setup as each rank gets it: atoms on rank 0 only."""
    return setup if comm.rank == 0 else replace(setup, atoms=None)


def numbers(simulation: Simulation) -> dict[str, float]:
    row = simulation.thermo()
    return {"pairs": simulation.pairs, **{name: value for name, value in vars(row).items() if name != "step"}}


def trajectory(comm: Any, setup: Setup, steps: int) -> dict[str, Any]:
    """Numbers and forces at the start, numbers and positions after some steps."""
    simulation = Simulation(on_root(comm, setup), comm)
    start, forces = numbers(simulation), simulation.gather_forces()
    simulation.advance(steps)
    end, atoms = numbers(simulation), simulation.gather()
    grid = list(simulation.bricks.grid)
    found: dict[str, Any] = {"start": start, "end": end, "grid": grid, "rebuilds": simulation.rebuilds}
    if atoms is not None:
        found["arrays"] = {"forces": forces, "positions": atoms.positions, "velocities": atoms.velocities}
    return found


def restarted(comm: Any, setup: Setup) -> dict[str, Any]:
    """Whether a run and its restart after 12 steps are the same 15 steps later."""
    whole = Simulation(on_root(comm, setup), comm)
    whole.advance(12)
    again = Simulation(replace(setup, atoms=None, state=whole.state()), comm)
    for simulation in (whole, again):
        simulation.advance(15)
    pairs = [(one.gather(), one.gather_forces()) for one in (whole, again)]
    same = numbers(whole) == numbers(again)
    (first, forces), (second, other_forces) = pairs
    if first is not None and second is not None:
        same = same and all(
            np.array_equal(one, other)
            for one, other in (
                (first.positions, second.positions),
                (first.velocities, second.velocities),
                (np.asarray(forces), np.asarray(other_forces)),
            )
        )
    return {"same": same}


def fate(comm: Any, setup: Setup, steps: int = 40) -> dict[str, Any]:
    """The sentence in which each rank's run ends."""
    try:
        simulation = Simulation(on_root(comm, setup), comm)
        simulation.advance(steps)
        sentence = ""
    except ClustermarkError as error:
        sentence = f"{type(error).__name__}: {error}"
    sentences = comm.gather(sentence, 0)
    return {"sentences": sentences}


def with_velocity(atoms: Atoms, atom: int, speed: float) -> Atoms:
    """One atom flies along x."""
    velocities = atoms.velocities.copy()
    velocities[atom, 0] = speed
    return replace(atoms, velocities=velocities)


def trajectories(comm: Any) -> dict[str, Any]:
    """Runs that any number of ranks must make alike."""
    liquid, _ = melt(1000)
    lj, metals = one_type(2.5), two_metals()
    clump = atoms_of(fcc((4, 4, 4), 1.6).positions, 16.0)
    alloy = {"units": UNITS["metal"], "masses": metals.masses, "timestep": 0.001, "rule": ListRule(0.5)}
    crystal = disturbed(fcc((5, 5, 5), 3.8), 0.2, 2)
    langevin = setup_of(warm_crystal((5, 5, 5)), lj, ensemble=ENSEMBLES["langevin"])
    return {
        "lj": trajectory(comm, setup_of(liquid, lj), 100),
        "lj in turns": trajectory(comm, setup_of(liquid, lj, overlap=False), 100),
        "lj mixed": trajectory(comm, setup_of(liquid, lj, precision="mixed", rule=BENCHMARK), 20),
        "empty bricks": trajectory(comm, setup_of(clump, lj), 20),
        "eam": trajectory(comm, setup_of(crystal, metals, **alloy), 20),
        "eam in turns": trajectory(comm, setup_of(crystal, metals, overlap=False, **alloy), 20),
        "langevin": trajectory(comm, langevin, 20),
    }


def restarts(comm: Any) -> dict[str, Any]:
    """A restart of each ensemble."""
    small, lj = warm_crystal((5, 5, 5)), one_type(2.5)
    return {kind: restarted(comm, setup_of(small, lj, ensemble=ensemble)) for kind, ensemble in ENSEMBLES.items()}


def fates(comm: Any) -> dict[str, Any]:
    """Starts and runs that must end in a sentence on every rank."""
    liquid, lj = melt(1000)[0], one_type(2.5)
    small, long = warm_crystal((5, 5, 5)), warm_crystal((9, 4, 4))
    nowhere, overlapping = liquid.positions.copy(), liquid.positions.copy()
    nowhere[7] = np.nan
    overlapping[7], overlapping[11] = 0.01, 0.02
    return {
        "narrow box": fate(comm, setup_of(warm_crystal((3, 3, 3), 1.8), lj)),
        "no position": fate(comm, setup_of(replace(liquid, positions=nowhere), lj)),
        "overlap": fate(comm, setup_of(replace(liquid, positions=overlapping), lj)),
        "flown away": fate(comm, setup_of(with_velocity(small, 20, 1e300), lj)),
        "beyond a brick": fate(comm, setup_of(with_velocity(long, 20, 1500.0), lj)),
        "long time step": fate(comm, setup_of(small, lj, timestep=0.05), 300),
    }


GROUPS = {"trajectories": trajectories, "restarts": restarts, "fates": fates}


def main(fabric: str, ranks: str, folder: str, *groups: str) -> None:
    """Rank 0 writes arrays to `folder` and prints the rest as one line of JSON, group by group."""
    mpi = start_mpi(fabric, int(ranks))
    comm = mpi.COMM_WORLD
    found = {group: GROUPS[group](comm) for group in groups}
    if comm.rank == 0:
        arrays = {name: result.pop("arrays") for name, result in found.get("trajectories", {}).items()}
        np.savez(f"{folder}/arrays.npz", **{f"{s}/{n}": a for s, named in arrays.items() for n, a in named.items()})
        print(json.dumps(found), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
