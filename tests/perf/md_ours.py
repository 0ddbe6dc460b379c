"""Our engine as one side of md_vs_lammps.py.

usage: md_ours.py ADDRESS CORES SPECIFICATION      serve blocks of steps, see md_child
       md_ours.py melt SPECIFICATION               make the state that both sides start from
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from md_child import Action, bind, page_faults, resident_bytes, serve

if TYPE_CHECKING:
    from clustermark.apps.md.model import Atoms, Potential
    from clustermark.apps.md.setup import Setup

# Steps after which the crystal has melted (LJ), or has shared its kinetic energy with its potential energy (EAM).
MELTING = 120
WARM_CELLS = 6


def lattice(spec: dict[str, Any], cells: int) -> Atoms:
    """A crystal at the first temperature."""
    import numpy as np

    from clustermark.apps.md.initial import draw_velocities, fcc_lattice
    from clustermark.apps.md.model import UNITS, Atoms

    positions, box = fcc_lattice((cells, cells, cells), spec["constant"])
    ids = np.arange(1, len(positions) + 1)
    masses = np.full(len(ids), spec["mass"])
    velocities = draw_velocities(ids, masses, spec["temperature"], UNITS[spec["units"]], 87287)
    return Atoms(positions, velocities, ids, np.zeros(len(ids), np.int32), box)


def potential_of(spec: dict[str, Any]) -> Potential:
    """The potential that LAMMPS is given too, from the same file where there is one."""
    import numpy as np

    from clustermark.apps.md.eam_files import read_eam
    from clustermark.apps.md.model import LennardJones

    if spec["potential"] == "lj":
        one = np.ones((1, 1))
        return LennardJones(one, one, 2.5 * one)
    return read_eam([spec["table"]])


def make_setup(spec: dict[str, Any], atoms: Atoms | None, precision: str) -> Setup:
    """The system of a case with these atoms."""
    import numpy as np

    from clustermark.apps.md.model import UNITS, ListRule
    from clustermark.apps.md.setup import Ensemble, Setup

    potential = potential_of(spec)
    return Setup(
        atoms=atoms,
        state=None,
        masses=np.array([spec["mass"]]),
        elements=("A",),
        potential=potential,
        units=UNITS[spec["units"]],
        cutoff=potential.largest_cutoff,
        rule=ListRule(spec["skin"], spec["every"], check=spec["check"]),
        timestep=spec["timestep"],
        ensemble=Ensemble(),
        precision=precision,
        overlap=True,
    )


def melt(spec: dict[str, Any]) -> None:
    """Run the crystal until it has melted and write the state, atoms by id."""
    import numpy as np

    from clustermark.apps.md.driver import Simulation

    bind(spec["cores"])
    simulation = Simulation(make_setup(spec, lattice(spec, spec["cells"]), "double"), None)
    simulation.advance(MELTING)
    atoms = simulation.gather()
    assert atoms is not None
    with Path(spec["state"]).open("wb") as file:
        np.savez(file, ids=atoms.ids, positions=atoms.positions, velocities=atoms.velocities, box=atoms.box)


def read_state(path: str) -> Atoms:
    """What `melt` wrote."""
    import numpy as np

    from clustermark.apps.md.model import Atoms

    with np.load(path) as state:
        ids = state["ids"]
        return Atoms(state["positions"], state["velocities"], ids, np.zeros(len(ids), np.int32), state["box"])


def prepare(spec: dict[str, Any]) -> dict[str, Action]:
    """Everything compiled on a small system, then the state read and two whole lives of a list behind us."""
    comm = None
    if spec["ranks"] > 1:
        from clustermark.runners.launch_world import start_mpi

        comm = start_mpi(spec["fabric"], spec["ranks"]).COMM_WORLD
    import llvmlite
    import numba
    import numpy as np

    from clustermark.apps.md.driver import Simulation

    root = comm is None or comm.rank == 0
    precision = spec["variant"]
    warm = Simulation(make_setup(spec, lattice(spec, WARM_CELLS * spec["ranks"]) if root else None, precision), comm)
    warm.advance(2 * spec["every"])
    empty = resident_bytes()
    setup = make_setup(spec, read_state(spec["state"]) if root else None, precision)
    simulation = Simulation(setup, comm)
    simulation.advance(40)
    begun = simulation.sections()

    def steps(request: dict[str, Any]) -> dict[str, Any]:
        cpu, start = process_time(), perf_counter()
        simulation.advance(request["steps"])
        return {"seconds": perf_counter() - start, "cpu": process_time() - cpu}

    def facts(_: dict[str, Any]) -> dict[str, Any]:
        thermo = simulation.thermo()
        return {
            "step": simulation.step,
            "energy": thermo.total_energy / simulation.number,
            "temperature": thermo.temperature,
            "versions": {"numba": numba.__version__, "llvmlite": llvmlite.__version__, "NumPy": np.__version__},
            "lanes": simulation.layout.lanes,
            "sections": {name: seconds - begun[name] for name, seconds in simulation.sections().items()},
            "rebuilds": simulation.rebuilds,
            "pairs": simulation.pairs,
            "entries": simulation.layout.local_list.used,
            "faults": page_faults(),
            "empty": empty,
            **resident_bytes(),
        }

    return {"steps": steps, "facts": facts}


def main() -> None:
    """Serve one system, or make a state."""
    if sys.argv[1] == "melt":
        melt(json.loads(sys.argv[2]))
        return
    address, cores, spec = sys.argv[1:4]
    bind([int(core) for core in cores.split(",")])
    serve(address, lambda: prepare(json.loads(spec)))


if __name__ == "__main__":
    main()
