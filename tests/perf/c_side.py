"""commbench.c compiled for an MPI, and launches on that MPI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment, usable_cores

HERE = Path(__file__).resolve().parent


@dataclass
class Side:
    """One MPI: commbench.c as a program and as a library, its Python, and how its mpirun is called."""

    name: str
    python: str
    program: str
    library: str
    mpirun: list[str]
    compiler: str


def pythons() -> list[str]:
    """This Python, and that of CLUSTERMARK_OTHER_PYTHON."""
    other = os.environ.get("CLUSTERMARK_OTHER_PYTHON")
    return [sys.executable, *([other] if other else [])]


def mpirun_of(python: str) -> tuple[str, list[str]]:
    """Name of the MPI beside `python`, and the tokens that start two bound ranks; raises LaunchError."""
    beside = Path(python).parent / "mpirun"
    launcher = find_launcher(str(beside) if beside.exists() else None)
    return launcher.mpi, launch_arguments(launcher, 2, 1, usable_cores(), os.geteuid() == 0)


def prepare(python: str, folder: Path) -> Side | str:
    """Compile with the mpicc beside `python`; a sentence where that cannot be."""
    mpicc = shutil.which("mpicc", path=str(Path(python).parent)) or shutil.which("mpicc")
    if mpicc is None:
        return "no mpicc beside this Python or on PATH: the C side cannot be compiled"
    mpi, mpirun = mpirun_of(python)
    program, library = folder / f"commbench-{mpi}", folder / f"commbench-{mpi}.so"
    for target, kind in ((program, []), (library, ["-shared", "-fPIC"])):
        command = [mpicc, "-O2", *kind, str(HERE / "commbench.c"), "-o", str(target), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            return f"{mpicc} does not compile commbench.c: {done.stderr.strip()[:300]}"
    version = subprocess.run([mpicc, "--version"], capture_output=True, text=True, check=False, timeout=30)
    compiler = version.stdout.splitlines()[0] if version.stdout else "unknown compiler"
    return Side(mpi, python, str(program), str(library), mpirun, compiler)


def launch(side: Side, fabric: str, program: list[str], more: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The JSON lines of one launch, with `more` variables. Raises RuntimeError with every rank's stderr."""
    environment = launch_environment(os.environ, fabric, 1) | dict(more or {})
    done = subprocess.run(
        [*side.mpirun, *program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(program)} over {fabric} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def versions(facts: dict[str, str], compiler: str) -> str:
    """What a table was measured with."""
    library = facts.get("library", "?").split(", ")[0]
    return f"{library}; mpi4py {facts.get('mpi4py')}, NumPy {facts.get('numpy')}, {compiler}"
