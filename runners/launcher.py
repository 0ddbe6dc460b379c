"""The MPI launcher: which one, whose, and the command line that starts N ranks."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clustermark.core.environment import affinity, cpu_facts
from clustermark.core.errors import LaunchError, UsageError
from clustermark.runners.hosts import Hosts, host_arguments
from clustermark.transports.fabrics import apply_fabric
from clustermark.transports.world import inside_launch

BINDING_VARIABLE = "CLUSTERMARK_BIND"
BINDINGS = ("core", "none")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# What an enclosing launch leaves behind and a new one must not inherit.
_LAUNCH_VARIABLE = re.compile(r"^(OMPI_COMM_|OMPI_UNIVERSE|PMI_|PMI2_|PMIX_|HYDI?_|MPI_LOCAL)")

# Of Open MPI, of MPICH (hydra), of Slurm's srun, in this order: an mpirun inside srun knows better.
_LOCAL_RANK = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")


@dataclass(frozen=True)
class Launcher:
    """An mpirun: its path, whose it is ("openmpi" or "mpich"), and its version.

    Attributes
    ----------
    binds : ranks to cores. Launches that know nothing of each other bind to the same first cores and leave the others
        idle, so that CLUSTERMARK_BIND=none is right where programs share a machine.
    """

    path: str
    mpi: str
    version: str
    binds: bool = True


def rank_hint(variables: Mapping[str, str]) -> str:
    """This process's rank before MPI knows it, or "p<pid>": names its log.

    SLURM_PROCID comes last: under hydra and prterun it counts their daemons.
    """
    world = inside_launch(variables)
    told = variables.get("PMIX_RANK") or variables.get("SLURM_PROCID") or f"p{os.getpid()}"
    return str(world.rank) if world else told


def local_rank(variables: Mapping[str, str]) -> int:
    """This process's number among the ranks on its node, 0 where the launch does not tell."""
    known = (variables[name] for name in _LOCAL_RANK if variables.get(name, "").isdecimal())
    return int(next(known, "0"))


def find_launcher(given: str | None = None) -> Launcher:
    """The mpirun to use: as given, else CLUSTERMARK_MPIRUN, else beside this Python, else on PATH.

    Raises
    ------
    LaunchError : none found, it does not run, or it belongs to an MPI without fabric rows
    UsageError : CLUSTERMARK_BIND is no word that is known
    """
    binding = os.environ.get(BINDING_VARIABLE, "core")
    if binding not in BINDINGS:
        raise UsageError(
            f"{BINDING_VARIABLE} is {binding!r}, expected {' or '.join(BINDINGS)}; unset it to bind to cores"
        )
    asked = given or os.environ.get("CLUSTERMARK_MPIRUN")
    beside = Path(sys.executable).parent / "mpirun"
    path = asked or (str(beside) if beside.exists() else shutil.which("mpirun") or shutil.which("mpiexec"))
    if not path:
        raise LaunchError(
            "no mpirun found beside this Python or on PATH; install one with `pip install 'clustermark[mpi]'` "
            "or name it with --mpirun"
        )
    try:
        done = subprocess.run([path, "--version"], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise LaunchError(f"launcher {path}: does not run ({error}); name another with --mpirun") from error
    text = done.stdout + done.stderr
    version = re.search(r"(\d+\.\d+(?:\.\d+)*)", text)
    for mpi, mark in (("openmpi", r"Open MPI|OpenRTE|prte"), ("mpich", r"HYDRA|MPICH|Intel\(R\) MPI")):
        if re.search(mark, text):
            return Launcher(path, mpi, version.group(1) if version else "unknown", binding == "core")
    raise LaunchError(
        f"launcher {path}: is neither Open MPI's nor MPICH's (its --version says {text.strip()[:60]!r}); "
        f"name one of these with --mpirun"
    )


def usable_cores() -> int:
    """Physical cores that this process may use: binding works on cores, not on hyper-threads."""
    facts = cpu_facts()
    per_core = max(1, int(facts["logical"]) // max(1, int(facts["cores"])))
    return max(1, len(affinity()) // per_core)


def launch_arguments(
    launcher: Launcher, ranks: int, threads: int, cores: int, as_root: bool, hosts: Hosts | None = None
) -> list[str]:
    """The tokens before the program: number of ranks, hosts, binding, oversubscription.

    Parameters
    ----------
    ranks, threads : of the job; threads per rank
    cores : usable on this node; more ranks × threads than that are left unbound and told to yield, as are all where
        the launcher does not bind
    as_root : Open MPI refuses root unless told otherwise
    hosts : over which ranks are spread; one rank stays here
    """
    fits = launcher.binds and ranks * threads <= cores
    count = ["-n", str(ranks)]
    if hosts is not None and ranks > 1:
        root = ["--allow-run-as-root"] if as_root and launcher.mpi == "openmpi" else []
        return [launcher.path, *root, *count, *host_arguments(hosts, launcher.mpi, ranks, threads)]
    if launcher.mpi == "mpich":
        return [launcher.path, *count, "-bind-to", f"core:{threads}" if fits else "none"]
    root = ["--allow-run-as-root"] if as_root else []
    if not fits:
        yielding = ["--mca", "mpi_yield_when_idle", "1"]
        return [launcher.path, *root, *count, "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none", *yielding]
    mapping = ["--map-by", f"slot:PE={threads}"] if threads > 1 else []
    return [launcher.path, *root, *count, *mapping, "--bind-to", "core"]


def launch_environment(variables: Mapping[str, str], fabric: str, threads: int) -> dict[str, str]:
    """Variables of a launch: inherited ones without those of an enclosing launch, plus fabric and thread counts."""
    environment = {key: value for key, value in variables.items() if not _LAUNCH_VARIABLE.match(key)}
    apply_fabric(fabric, environment)
    return environment | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"PYTHONUNBUFFERED": "1"}
