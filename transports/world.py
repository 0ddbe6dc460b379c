"""The MPI launch that a process stands in, as its variables tell before MPI begins, and MPI itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class World:
    """What the variables of an MPI launch say to one of its ranks.

    Attributes
    ----------
    mpi, rank, size : whose launch it is, this rank, all ranks
    local_size : ranks on this node, 0 where the launch does not tell
    """

    mpi: str
    rank: int
    size: int
    local_size: int = 0

    @property
    def nodes(self) -> int:
        """How many nodes the ranks lie on, as far as this rank can tell: its own node may hold fewer than others."""
        return -(-self.size // self.local_size) if self.local_size else 1


def inside_launch(variables: Mapping[str, str]) -> World | None:
    """The launch that started this process, or None; a scheduler's variables do not count: a batch script has them."""
    for mpi, rank, size, local in (
        ("openmpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
        ("mpich", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"),
        ("openmpi", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "PMIX_LOCAL_SIZE"),  # srun --mpi=pmix
    ):
        try:
            return World(mpi, int(variables[rank]), int(variables[size]), int(variables.get(local, "0")))
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
