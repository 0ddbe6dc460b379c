"""Starting ranks of this environment, and LAMMPS in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clustermark.core.errors import ClustermarkError, plain
from clustermark.runners.launcher import THREAD_VARIABLES, find_launcher, launch_arguments, usable_cores

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# [s] Of one launch; the longest takes a few seconds once its kernels are compiled.
PATIENCE = 600.0


class AbsentError(Exception):
    """What a check needs is not here; the text says what, and how to bring it."""


def started(command: Sequence[str | Path], **variables: str) -> str:
    """What a program printed. Raises ClustermarkError with the last thing it said where it failed."""
    environment = dict(os.environ) | dict.fromkeys(THREAD_VARIABLES, "1") | variables
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise ClustermarkError(f"{Path(words[0]).name} ended with {done.returncode} and said: {plain(said, 400)}")
    return done.stdout


def on_ranks(ranks: int, words: Sequence[str | Path]) -> str:
    """What our Python printed, started by mpirun on so many ranks, more than there are cores if need be."""
    launch = launch_arguments(find_launcher(), ranks, 1, usable_cores(), os.geteuid() == 0)
    return started([*launch, sys.executable, *words])


def engine_on_ranks(ranks: int, spec: dict[str, Any]) -> dict[str, Any]:
    """The document of md_ranks.py. Raises ClustermarkError where the launch had another number of ranks."""
    found = json.loads(on_ranks(ranks, [HERE / "md_ranks.py", json.dumps(spec)]).splitlines()[-1])
    if found["ranks"] != ranks:
        raise ClustermarkError(
            f"a launch of {ranks} ranks ran on {found['ranks']}: the mpirun and the MPI library differ; "
            f"`clustermark doctor` shows both"
        )
    return found


def peers_python() -> Path:
    """The Python of the environment with LAMMPS: CLUSTERMARK_PEERS_PYTHON, else .venv-peers. Raises AbsentError."""
    python = Path(os.environ.get("CLUSTERMARK_PEERS_PYTHON") or ROOT / ".venv-peers" / "bin" / "python")
    if not python.exists():
        raise AbsentError(
            "no LAMMPS: install lammps and mpich in an environment, name its Python in CLUSTERMARK_PEERS_PYTHON"
        )
    return python


def lammps(case: str, folder: Path) -> dict[str, Any]:
    """The document of lammps_reference.py for a case; its state is a file in the folder. Raises AbsentError."""
    python = peers_python()
    libraries = str(python.parent.parent / "lib")
    text = started([python, HERE / "lammps_reference.py", case, folder / f"{case}.npz"], LD_LIBRARY_PATH=libraries)
    return json.loads(text.splitlines()[-1])
