"""The MPI launch that a process stands in, as its variables tell before MPI begins, and MPI itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class World:
    """What the variables of an MPI launch say to one of its ranks."""

    mpi: str
    rank: int
    size: int


def inside_launch(variables: Mapping[str, str]) -> World | None:
    """The launch that started this process, or None; a scheduler's variables do not count: a batch script has them."""
    for mpi, rank, size in (
        ("openmpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("mpich", "PMI_RANK", "PMI_SIZE"),
        ("openmpi", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"),  # srun --mpi=pmix
    ):
        try:
            return World(mpi, int(variables[rank]), int(variables[size]))
        except (KeyError, ValueError):
            continue
    return None


def initialised_mpi() -> Any:
    """The module mpi4py.MPI, initialised at thread level FUNNELED; whoever calls this finalises it.

    mpi4py's default level, MULTIPLE, makes every call take locks that a C program with MPI_Init does not take.
    """
    import mpi4py

    mpi4py.rc.initialize = False
    mpi4py.rc.finalize = False
    from mpi4py import MPI

    if not MPI.Is_initialized():
        MPI.Init_thread(MPI.THREAD_FUNNELED)
    return MPI
