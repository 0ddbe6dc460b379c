"""One run of the engine on the ranks of a launch; rank 0 prints one JSON document.

usage: md_ranks.py SPECIFICATION      JSON: state (NPZ with positions, velocities, box; "" makes the melt itself),
potential ("lj", or the path of a funcfl file), skin, every, check, timestep, steps
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.apps.console.parallel import together, world
from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.initial import draw_velocities, fcc_lattice
from clustermark.apps.md.model import UNITS, Atoms, LennardJones, ListRule, Potential
from clustermark.apps.md.setup import Ensemble, Setup

MELT_CELLS, MELT_DENSITY, MELT_TEMPERATURE, MELT_SEED = (20, 20, 20), 0.8442, 1.44, 87287


def atoms_of(state: str) -> Atoms:
    """The atoms of a file, in the order of their ids; without one the melt of the usual benchmark, 32,000 atoms."""
    if state:
        with np.load(Path(state)) as file:
            positions, velocities, box = file["positions"], file["velocities"], file["box"]
        ids = np.arange(1, len(positions) + 1, dtype=np.int64)
    else:
        positions, box = fcc_lattice(MELT_CELLS, (4.0 / MELT_DENSITY) ** (1.0 / 3.0))
        ids = np.arange(1, len(positions) + 1, dtype=np.int64)
        velocities = draw_velocities(ids, np.ones(len(ids)), MELT_TEMPERATURE, UNITS["lj"], MELT_SEED)
    return Atoms(positions, velocities, ids, np.zeros(len(ids), np.int32), box)


def interaction(name: str) -> tuple[Potential, np.ndarray, str]:
    """Potential, masses per type, name of the units."""
    if name == "lj":
        one = np.ones((1, 1))
        return LennardJones(one, one, 2.5 * one), np.ones(1), "lj"
    from clustermark.apps.md.eam_files import read_eam

    potential = read_eam([name], ("Cu",))
    return potential, np.array(potential.masses), "metal"


def run(spec: dict[str, Any], comm: Any) -> int:
    """Thermodynamic rows of the first and the last step, and pairs in range at the first."""
    potential, masses, units = interaction(spec["potential"])
    setup = Setup(
        atoms=atoms_of(spec["state"]) if comm is None or comm.rank == 0 else None,
        state=None,
        masses=masses,
        elements=("X",),
        potential=potential,
        units=UNITS[units],
        cutoff=potential.largest_cutoff,
        rule=ListRule(spec["skin"], spec["every"], spec["check"]),
        timestep=spec["timestep"],
        ensemble=Ensemble(),
        precision="double",
        overlap=True,
    )
    engine = Simulation(setup, comm)
    found = {"ranks": engine.ranks, "atoms": engine.number, "pairs": engine.pairs, "first": asdict(engine.thermo())}
    engine.advance(spec["steps"])
    if engine.rank == 0:
        print(json.dumps(found | {"last": asdict(engine.thermo())}))
    return 0


if __name__ == "__main__":
    sys.exit(together(world(), lambda comm: run(json.loads(sys.argv[1]), comm), "md"))
