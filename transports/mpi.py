"""MPI on host buffers through mpi4py. Buffer specs are built once, so that a call costs one C function.

Import this module only after MPI was initialised (runners/launch_world.py does): importing mpi4py.MPI
otherwise initialises it with mpi4py's own thread level.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

Array = npt.NDArray[Any]
BufferSpec = list[Any]


def buffer_spec(array: Array) -> BufferSpec:
    """[buffer, count, MPI datatype] of a C-contiguous array; raises ValueError for any other.

    The buffer is taken once: given an array, mpi4py would ask NumPy for it in every call, which costs 40 ns or more.
    It keeps the array alive.
    """
    if not array.flags.c_contiguous:
        raise ValueError("MPI buffers must be C-contiguous")
    return [MPI.buffer(array), array.size, MPI.Datatype.fromcode(array.dtype.char)]


class MpiTransport:
    """The protocol of core.context.Transport on a communicator (default: the world)."""

    name = "mpi"

    def __init__(self, comm: MPI.Intracomm = MPI.COMM_WORLD) -> None:
        """Wrap `comm`; nothing is duplicated."""
        self.comm = comm
        self.rank = comm.rank
        self.size = comm.size
        self.barrier = comm.Barrier

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """MPI_Allreduce with MPI_SUM; send=None uses MPI_IN_PLACE."""
        source: Any = MPI.IN_PLACE if send is None else buffer_spec(send)
        return partial(self.comm.Allreduce, source, buffer_spec(receive), MPI.SUM)

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Callable[[], object]:
        """MPI_Sendrecv with tag 0."""
        return partial(self.comm.Sendrecv, buffer_spec(send), destination, 0, buffer_spec(receive), source, 0)

    def max_to_root(self, values: Array) -> Array | None:
        """MPI_Reduce with MPI_MAX to rank 0."""
        if self.rank != 0:
            self.comm.Reduce(buffer_spec(values), None, MPI.MAX, 0)
            return None
        result = np.empty_like(values)
        self.comm.Reduce(buffer_spec(values), buffer_spec(result), MPI.MAX, 0)
        return result

    def broadcast(self, value: Any) -> Any:
        """Rank 0's object on every rank."""
        return self.comm.bcast(value, 0)

    def gather(self, value: Any) -> list[Any] | None:
        """Every rank's object on rank 0."""
        return self.comm.gather(value, 0)

    def sum(self, value: float) -> float:
        """MPI_Allreduce of one float64 with MPI_SUM."""
        return float(self.comm.allreduce(value, MPI.SUM))

    def maximum(self, value: float) -> float:
        """MPI_Allreduce of one float64 with MPI_MAX."""
        return float(self.comm.allreduce(value, MPI.MAX))
