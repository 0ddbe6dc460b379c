"""MPI on host buffers through mpi4py. Buffer specs are built once, so that a call costs one C function.

Import this module only after MPI was initialised (runners/launch_world.py does): importing mpi4py.MPI
otherwise initialises it with mpi4py's own thread level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from clustermark.core.context import CompiledStep, StepPart
from clustermark.core.errors import DeviceError
from clustermark.transports.mpi_symbols import NoSymbolsError, Symbols, find_symbols, large_counts_missing
from clustermark.transports.parts import part_counts

Array = npt.NDArray[Any]
Message = tuple[Array, int]
BufferSpec = list[Any]
Call = Callable[[], object]


def buffer_spec(array: Array) -> BufferSpec:
    """[buffer, count, MPI datatype] of a C-contiguous array; raises ValueError for any other.

    The buffer is taken once: given an array, mpi4py would ask NumPy for it in every call, which costs 40 ns or more.
    It keeps the array alive.
    """
    if not array.flags.c_contiguous:
        raise ValueError("MPI buffers must be C-contiguous")
    return [MPI.buffer(array), array.size, MPI.Datatype.fromcode(array.dtype.char)]


@cache
def symbols() -> Symbols | str:
    """The C functions of this process's MPI library, or why compiled code cannot call them; MPI was initialised."""
    import importlib.util

    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    try:
        return find_symbols(MPI)
    except NoSymbolsError as error:
        return str(error)


class MpiTransport:
    """The protocol of core.context.Transport on a communicator (default: the world), for buffers in host memory."""

    name = "mpi"

    def __init__(self, comm: MPI.Intracomm = MPI.COMM_WORLD) -> None:
        """Wrap `comm`; nothing is duplicated."""
        self.comm = comm
        self.rank = comm.rank
        self.size = comm.size
        self.barrier = comm.Barrier

    def spec(self, array: Array, count: int | None = None) -> BufferSpec:
        """Buffer spec of an array; `count` for one of several ranks' parts, of which MPI is told the length of one."""
        buffer, size, datatype = buffer_spec(array)
        return [buffer, size if count is None else count, datatype]

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Call:
        """MPI_Allreduce with MPI_SUM; send=None uses MPI_IN_PLACE."""
        source: Any = MPI.IN_PLACE if send is None else self.spec(send)
        return partial(self.comm.Allreduce, source, self.spec(receive), MPI.SUM)

    def prepare_reduce_scatter(self, send: Array | None, receive: Array) -> Call:
        """MPI_Reduce_scatter_block, or MPI_Reduce_scatter where the vector does not divide."""
        whole = receive if send is None else send
        return self.reduce_scatter_of(send, receive, part_counts(whole.size, self.size))

    def reduce_scatter_of(self, send: Array | None, receive: Array, counts: Sequence[int]) -> Call:
        """The same for parts of any lengths."""
        if min(counts) == max(counts):
            source: Any = MPI.IN_PLACE if send is None else self.spec(send, counts[0])
            return partial(self.comm.Reduce_scatter_block, source, self.spec(receive, counts[0]), MPI.SUM)
        source = MPI.IN_PLACE if send is None else self.spec(send)
        return partial(self.comm.Reduce_scatter, source, self.spec(receive), counts, MPI.SUM)

    def reduced_in_place(self, count: int) -> slice:
        """MPI leaves the sums at the front."""
        return slice(0, part_counts(count, self.size)[self.rank])

    def prepare_allgather(self, send: Array | None, receive: Array) -> Call:
        """MPI_Allgather, or MPI_Allgatherv where the vector does not divide; send=None uses MPI_IN_PLACE."""
        return self.allgather_of(send, receive, part_counts(receive.size, self.size))

    def allgather_of(self, send: Array | None, receive: Array, counts: Sequence[int]) -> Call:
        """The same for parts of any lengths."""
        source: Any = MPI.IN_PLACE if send is None else self.spec(send)
        if min(counts) == max(counts):
            return partial(self.comm.Allgather, source, self.spec(receive, counts[0]))
        return partial(self.comm.Allgatherv, source, self._vector(receive, counts))

    def prepare_alltoall(self, send: Array, receive: Array) -> Call:
        """MPI_Alltoall, or MPI_Alltoallv where the vector does not divide."""
        return self.alltoall_of(send, receive, part_counts(send.size, self.size))

    def alltoall_of(self, send: Array, receive: Array, counts: Sequence[int]) -> Call:
        """The same for parts of any lengths, the same ones on every rank."""
        if min(counts) == max(counts):
            return partial(self.comm.Alltoall, self.spec(send, counts[0]), self.spec(receive, counts[0]))
        own = [counts[self.rank]] * self.size
        return partial(self.comm.Alltoallv, self._vector(send, counts), self._vector(receive, own))

    def _vector(self, array: Array, counts: Sequence[int]) -> BufferSpec:
        """[buffer, counts, displacements, MPI datatype] of parts that stand one behind the other."""
        buffer, _, datatype = self.spec(array)
        starts = [sum(counts[:rank]) for rank in range(len(counts))]
        return [buffer, list(counts), starts, datatype]

    def prepare_broadcast(self, buffer: Array, root: int) -> Call:
        """MPI_Bcast."""
        return partial(self.comm.Bcast, self.spec(buffer), root)

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Call:
        """MPI_Sendrecv with tag 0."""
        return partial(self.comm.Sendrecv, self.spec(send), destination, 0, self.spec(receive), source, 0)

    def prepare_send(self, buffer: Array, destination: int) -> Call:
        """MPI_Send with tag 0."""
        return partial(self.comm.Send, self.spec(buffer), destination, 0)

    def prepare_receive(self, buffer: Array, source: int) -> Call:
        """MPI_Recv with tag 0."""
        return partial(self.comm.Recv, self.spec(buffer), source, 0)

    def prepare_exchange(self, sends: Sequence[Message], receives: Sequence[Message]) -> Call:
        """MPI_Irecv of all, MPI_Isend of all, MPI_Waitall; tag 0, so that order alone pairs messages."""
        starts = [partial(self.comm.Irecv, self.spec(buffer), peer, 0) for buffer, peer in receives]
        starts += [partial(self.comm.Isend, self.spec(buffer), peer, 0) for buffer, peer in sends]
        wait = MPI.Request.Waitall

        def exchange() -> None:
            wait([start() for start in starts])

        return exchange

    def why_not_compiled(self) -> str:
        """ "" or why the library's functions cannot be called past mpi4py."""
        found = symbols()
        return found if isinstance(found, str) else ""

    def why_no_large_counts(self) -> str:
        """ "" or why the library has no MPI-4 calls for counts beyond 2^31."""
        return large_counts_missing(MPI)

    def compile_step(self, parts: Sequence[StepPart], before: Sequence[StepPart] = ()) -> CompiledStep:
        """Messages and collectives by MPI's C functions; see mpi_calls.py."""
        found, reason = symbols(), self.why_not_compiled()
        if isinstance(found, str) or reason:
            raise DeviceError(f"transport '{self.name}' cannot be called from compiled code: {reason}")
        from clustermark.transports.mpi_calls import MpiStep

        return MpiStep(self.comm, found, parts, before)

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
