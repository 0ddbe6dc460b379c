"""A rank's first steps: its log, and MPI with the fabric that was asked for."""

from __future__ import annotations

import faulthandler
import os
from pathlib import Path
from typing import Any

from clustermark.core.errors import LaunchError
from clustermark.transports.fabrics import FABRICS, apply_fabric
from clustermark.transports.world import initialised_mpi


def redirect_output(folder: Path, name: str) -> None:
    """Send descriptors 1 and 2, C libraries' included, to rank<name>.stdout and .stderr in `folder`."""
    for descriptor, suffix in ((1, "stdout"), (2, "stderr")):
        target = os.open(folder / f"rank{name}.{suffix}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(target, descriptor)
        os.close(target)
    faulthandler.enable(file=2)


def start_mpi(fabric: str, expected_ranks: int) -> Any:
    """Initialise MPI with a fabric; returns the module mpi4py.MPI.

    Raises
    ------
    LaunchError : the world has another size than asked, or the library is not the fabric's
    """
    apply_fabric(fabric, os.environ)  # type: ignore[arg-type]
    MPI = initialised_mpi()
    size = MPI.COMM_WORLD.size
    library = library_facts(MPI)
    if size != expected_ranks:
        raise LaunchError(
            f"the launch has {size} rank(s) where {expected_ranks} were asked: launcher and MPI library differ "
            f"(the library is {library['name']} {library['version']}); `clustermark doctor` shows both"
        )
    row = FABRICS.get(fabric)
    if row is not None and row.mpi != library["mpi"]:
        raise LaunchError(
            f"fabric '{fabric}' needs {row.mpi}, the ranks loaded {library['name']} {library['version']}; "
            f"choose a fabric of that MPI, or MPI4PY_LIBMPI"
        )
    return MPI


def library_facts(mpi: Any) -> dict[str, Any]:
    """Name, version and text of the MPI library as loaded, before or after MPI_Init."""
    name, version = mpi.get_vendor()
    known = {"Open MPI": "openmpi", "MPICH": "mpich", "Intel MPI": "mpich", "MVAPICH": "mpich"}
    return {
        "name": name,
        "mpi": known.get(name, name.lower()),
        "version": ".".join(str(part) for part in version),
        "text": mpi.Get_library_version().strip("\0 \n").splitlines()[0][:200],
        "standard": ".".join(str(part) for part in mpi.Get_version()),
    }
