"""MPI on memory of a GPU, for an MPI that takes its addresses (CUDA-aware).

An MPI that does not take them crashes the process: `transports/__init__.py` refuses this transport unless a probe in a
process of its own came back with the right bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpi4py import MPI

from clustermark.transports.mpi import Array, BufferSpec, Call, Message, MpiTransport


class DeviceMpiTransport(MpiTransport):
    """The protocol of core.context.Transport; MPI is given addresses in the device's memory.

    MPI knows nothing of streams: before each call the device is synchronised, so that what it sends is there and what
    it overwrites is no longer needed.
    """

    name = "mpi_device"

    def __init__(self, device: Any, comm: MPI.Intracomm = MPI.COMM_WORLD) -> None:
        """`device` has `pointer` and `synchronize` (devices/cuda.py)."""
        super().__init__(comm)
        self.device = device

    def spec(self, array: Array, count: int | None = None) -> BufferSpec:
        """[address in device memory, count, MPI datatype]; the array must be kept alive."""
        if not array.flags.c_contiguous:
            raise ValueError("MPI buffers must be C-contiguous")
        buffer = MPI.buffer.fromaddress(self.device.pointer(array), array.nbytes)
        datatype = MPI.Datatype.fromcode(array.dtype.char)
        return [buffer, array.size if count is None else count, datatype]

    def _after_synchronising(self, call: Call, *buffers: Array | None) -> Call:
        synchronize, kept = self.device.synchronize, buffers

        def run(kept: tuple[Array | None, ...] = kept) -> None:
            synchronize()
            call()

        return run

    def why_not_compiled(self) -> str:
        """The device is waited for before each call, from Python."""
        return "the GPU is waited for before each call, from Python"

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Call:
        """MPI_Allreduce with MPI_SUM."""
        return self._after_synchronising(super().prepare_allreduce(send, receive), send, receive)

    def prepare_reduce_scatter(self, send: Array | None, receive: Array) -> Call:
        """MPI_Reduce_scatter."""
        return self._after_synchronising(super().prepare_reduce_scatter(send, receive), send, receive)

    def prepare_allgather(self, send: Array | None, receive: Array) -> Call:
        """MPI_Allgather."""
        return self._after_synchronising(super().prepare_allgather(send, receive), send, receive)

    def prepare_alltoall(self, send: Array, receive: Array) -> Call:
        """MPI_Alltoall."""
        return self._after_synchronising(super().prepare_alltoall(send, receive), send, receive)

    def prepare_broadcast(self, buffer: Array, root: int) -> Call:
        """MPI_Bcast."""
        return self._after_synchronising(super().prepare_broadcast(buffer, root), buffer)

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Call:
        """MPI_Sendrecv."""
        return self._after_synchronising(super().prepare_sendrecv(send, destination, receive, source), send, receive)

    def prepare_send(self, buffer: Array, destination: int) -> Call:
        """MPI_Send."""
        return self._after_synchronising(super().prepare_send(buffer, destination), buffer)

    def prepare_receive(self, buffer: Array, source: int) -> Call:
        """MPI_Recv."""
        return self._after_synchronising(super().prepare_receive(buffer, source), buffer)

    def prepare_exchange(self, sends: Sequence[Message], receives: Sequence[Message]) -> Call:
        """MPI_Irecv of all, MPI_Isend of all, MPI_Waitall."""
        buffers = [buffer for buffer, _ in (*sends, *receives)]
        return self._after_synchronising(super().prepare_exchange(sends, receives), *buffers)
