"""GROMACS as one side of md_vs_lammps.py: every block is a run of mdrun, timed by its own counters."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from md_sides import PATIENCE, PeerError, environment

# Real units like argon's: with m = 40 g/mol and ε = 1 kJ/mol the unit of time is σ √(m/ε) = 0.34 √40 ps.
SIGMA, EPSILON, MASS = 0.34, 1.0, 40.0
TAU = SIGMA * (MASS / EPSILON) ** 0.5
BOLTZMANN = 8.314462618e-3

_TOPOLOGY = """[ defaults ]
1 2 no 1.0 1.0
[ atomtypes ]
A A {mass} 0.0 A {sigma} {epsilon}
[ moleculetype ]
A 0
[ atoms ]
1 A 1 A A 1 0.0 {mass}
[ system ]
Lennard-Jones
[ molecules ]
A {number}
"""

# A list of rc + skin that lives for 20 steps, as on the other sides; energies and flow of the centre left alone.
_SETTINGS = """integrator = md
dt = {timestep}
nsteps = -1
continuation = yes
gen-vel = no
cutoff-scheme = Verlet
verlet-buffer-tolerance = -1
nstlist = 20
rlist = {reach}
rvdw = {cutoff}
rcoulomb = {cutoff}
vdwtype = Cut-off
vdw-modifier = None
coulombtype = Cut-off
coulomb-modifier = None
DispCorr = no
comm-mode = None
nstcalcenergy = 1000
nstenergy = 1000
nstlog = 0
nstxout = 0
nstvout = 0
"""


class Gromacs:
    """A side (md_sides.Side) that starts a program per block; nothing of it runs in between."""

    name = "GROMACS"

    def __init__(self, state: str, core: int, folder: Path) -> None:
        """Write the system of `state` and preprocess it; raises PeerError."""
        self.core, self.folder = core, folder
        with np.load(state) as file:
            positions, velocities, box = file["positions"], file["velocities"], file["box"]
        self.number = len(positions)
        _write_gro(folder / "start.gro", positions * SIGMA, velocities * SIGMA / TAU, box * SIGMA)
        topology = _TOPOLOGY.format(mass=MASS, sigma=SIGMA, epsilon=EPSILON, number=self.number)
        (folder / "topology.top").write_text(topology, encoding="utf-8")
        settings = _SETTINGS.format(timestep=0.005 * TAU, reach=2.8 * SIGMA, cutoff=2.5 * SIGMA)
        (folder / "run.mdp").write_text(settings, encoding="utf-8")
        files = ["-f", "run.mdp", "-c", "start.gro", "-p", "topology.top", "-o", "run.tpr"]
        self._gmx("grompp", *files, "-maxwarn", "10")

    def _gmx(self, *words: str) -> str:
        done = subprocess.run(
            ["gmx", "-nobackup", "-quiet", *words],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )
        if done.returncode:
            raise PeerError(f"gmx {words[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout + done.stderr

    def block(self, steps: int) -> float:
        """[s] of so many steps: the second half of a run twice as long, by GROMACS' own counters."""
        self._gmx(
            *("mdrun", "-s", "run.tpr", "-deffnm", "out", "-nsteps", str(2 * steps), "-resethway", "-noconfout"),
            *("-ntmpi", "1", "-ntomp", "1", "-pin", "off", "-notunepme", "-cpt", "-1"),
        )
        return timed(self._log(), steps)

    def _log(self) -> str:
        return (self.folder / "out.log").read_text(encoding="utf-8", errors="replace")

    def facts(self) -> dict[str, Any]:
        """Build, and the mean energy per atom and temperature of the last run, in reduced units."""
        told = version()
        means = self._log().split("A V E R A G E S", 1)[-1]
        return {**told, **averages(means, self.number)}

    def close(self) -> None:
        """Nothing is left running."""


def timed(log: str, steps: int) -> float:
    """[s] of wall time of `steps` steps, from the table of mdrun's log; raises PeerError.

    The row "Time:" has the wall time in its second column; the number of steps must be that which was counted.
    """
    time = re.search(r"^\s*Time:\s+\d+\.\d+\s+(\d+\.\d+)", log, re.MULTILINE)
    counted = re.search(r"^ Force\s+\d+\s+\d+\s+(\d+)\s", log, re.MULTILINE)
    if not time or not counted:
        raise PeerError("the log of mdrun has no table of times")
    if not steps <= int(counted.group(1)) <= steps + 2:
        raise PeerError(f"mdrun timed {counted.group(1)} steps where {steps} were asked")
    return float(time.group(1)) * steps / int(counted.group(1))


def averages(text: str, number: int) -> dict[str, float]:
    """Total energy per atom and temperature in reduced units, from columns of 15 characters under their names."""
    lines = text.splitlines()
    found: dict[str, float] = {}
    for names, values in pairwise(lines):
        for start in range(0, len(names), 15):
            name, value = names[start : start + 15].strip(), values[start : start + 15].strip()
            if name in ("Total Energy", "Temperature") and re.fullmatch(r"[-+]?\d+\.\d+e[-+]\d\d", value):
                found.setdefault(name, float(value))
    if len(found) < 2:
        raise PeerError("the log of mdrun has no averages")
    return {
        "energy": found["Total Energy"] / EPSILON / number,
        "temperature": found["Temperature"] * BOLTZMANN / EPSILON,
    }


def version() -> dict[str, str]:
    """Version and SIMD instructions of the gmx on PATH; empty without one."""
    if shutil.which("gmx") is None:
        return {}
    text = subprocess.run(["gmx", "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
    told = dict(re.findall(r"^(GROMACS version|SIMD instructions|C\+\+ compiler):\s+(.*)$", text, re.MULTILINE))
    return {name: value.strip() for name, value in told.items()}


def _write_gro(path: Path, positions: np.ndarray, velocities: np.ndarray, box: np.ndarray) -> None:
    """GROMACS' format of fixed columns with eight decimals [nm], [nm/ps]; numbers of atoms wrap at 100,000."""
    lines = ["Lennard-Jones", str(len(positions))]
    for row, (x, v) in enumerate(zip(positions.tolist(), velocities.tolist(), strict=True)):
        number = (row + 1) % 100000
        at = "".join(f"{value:13.8f}" for value in x) + "".join(f"{value:13.9f}" for value in v)
        lines.append(f"{number:5d}{'A':<5}{'A':>5}{number:5d}{at}")
    lines.append(" ".join(f"{edge:.8f}" for edge in box))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
