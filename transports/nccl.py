"""NCCL through cupy.cuda.nccl: collectives and messages on the GPU's default stream; control goes through MPI.

A call returns when its work was given to the stream; `Device.synchronize` waits for it. NCCL matches calls by their
order, which every rank must keep. Source: NCCL user guide (collectives, group calls, point to point); argument order
as cupy_backends.cuda.libs.nccl 14 has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from mpi4py import MPI

from clustermark.core.errors import DeviceError
from clustermark.transports.mpi import Array, Call, Message, MpiTransport
from clustermark.transports.parts import part_counts, part_of, part_starts
from clustermark.transports.staging import flat

# Types by the names that cupy.cuda.nccl has for their codes; uint16 holds the bits of bfloat16 (core/precision.py).
DTYPES = {
    "float64": "NCCL_FLOAT64",
    "float32": "NCCL_FLOAT32",
    "float16": "NCCL_FLOAT16",
    "uint16": "NCCL_BFLOAT16",
    "uint8": "NCCL_UINT8",
    "uint64": "NCCL_UINT64",
}
# CuPy before 13 does not name it.
_BFLOAT16 = 9
# The legacy default stream, on which the device's other work is (devices/cuda.py).
DEFAULT_STREAM = 0


# One for each set of ranks and GPU of this process: making one takes up to seconds.
COMMUNICATORS: dict[tuple[int, tuple[int, ...]], Any] = {}


def communicator(device: Any, comm: MPI.Intracomm) -> Any:
    """An NCCL communicator of the ranks of `comm`; collective.

    Raises
    ------
    DeviceError : NCCL cannot be loaded, or refuses
    """
    key = (device.index, world_ranks(comm))
    if key not in COMMUNICATORS:
        COMMUNICATORS[key] = _new_communicator(device, comm)
    return COMMUNICATORS[key]


def world_ranks(comm: MPI.Intracomm) -> tuple[int, ...]:
    """Ranks of a communicator's members in the world."""
    members, world = comm.Get_group(), MPI.COMM_WORLD.Get_group()
    return tuple(MPI.Group.Translate_ranks(members, list(range(members.size)), world))


def _new_communicator(device: Any, comm: MPI.Intracomm) -> Any:
    nccl: Any = import_module("cupy.cuda.nccl")
    if not getattr(nccl, "available", True):
        raise DeviceError("transport 'nccl': CuPy finds no NCCL; pip install nvidia-nccl-cu13 (or -cu12), or use 'mpi'")
    # bytes in CuPy 14, a tuple of numbers before: an object either way.
    identity = comm.bcast(nccl.get_unique_id() if comm.rank == 0 else None, 0)
    try:
        return nccl.NcclCommunicator(comm.size, identity, comm.rank)
    except nccl.NcclError as error:
        raise DeviceError(
            f"transport 'nccl': no communicator of {comm.size} rank(s) on GPU {device.index} ({error}); NCCL wants a "
            f"GPU of its own for each rank, and NCCL_DEBUG=INFO makes it say more in the rank's log"
        ) from error


class NcclTransport(MpiTransport):
    """The protocol of core.context.Transport for arrays of GPUs; barriers and control go through MPI."""

    name = "nccl"

    def __init__(self, device: Any, comm: MPI.Intracomm = MPI.COMM_WORLD) -> None:
        """Collective: makes the communicator, which takes up to seconds the first time."""
        super().__init__(comm)
        self.device = device
        self.nccl: Any = import_module("cupy.cuda.nccl")
        self.communicator = communicator(device, comm)
        self.barrier = self._barrier

    def _barrier(self) -> None:
        """Also where errors that NCCL met meanwhile are raised."""
        self._guarded("earlier call", self.communicator.check_async_error)()
        self.comm.Barrier()

    def _code(self, array: Array) -> int:
        """NCCL's code of a type; raises ValueError for one that it has not."""
        name = DTYPES.get(array.dtype.name)
        if name is None:
            raise ValueError(f"NCCL moves {', '.join(DTYPES)}, not {array.dtype.name}")
        return int(getattr(self.nccl, name, _BFLOAT16))

    def _guarded(self, what: str, call: Callable[..., object], *arguments: int, kept: Sequence[Any] = ()) -> Call:
        """The call with a sentence for its error; `kept` are the arrays whose addresses it was given."""
        refusal = self.nccl.NcclError

        def run(kept: Sequence[Any] = kept) -> None:
            try:
                call(*arguments)
            except refusal as error:
                raise DeviceError(
                    f"transport 'nccl': {what} of rank {self.rank} failed ({error}); NCCL_DEBUG=INFO makes it say more "
                    f"in the rank's log"
                ) from error

        return run

    def _grouped(self, calls: Sequence[Call]) -> Call:
        """Several calls as one: NCCL starts them together at the end of the group."""
        start, end = self.nccl.groupStart, self._guarded("group", self.nccl.groupEnd)

        def run() -> None:
            start()
            for call in calls:
                call()
            end()

        return run

    def _pointer(self, array: Array) -> int:
        return self.device.pointer(array)

    def why_not_compiled(self) -> str:
        """NCCL's calls are CuPy's."""
        return "NCCL is called by CuPy, from Python"

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Call:
        """ncclAllReduce with ncclSum; in place where both pointers agree."""
        source = receive if send is None else send
        where = self._pointer(flat(source)), self._pointer(flat(receive))
        how = receive.size, self._code(receive), self.nccl.NCCL_SUM, DEFAULT_STREAM
        return self._guarded("all-reduce", self.communicator.allReduce, *where, *how, kept=(source, receive))

    def prepare_reduce_scatter(self, send: Array | None, receive: Array) -> Call:
        """ncclReduceScatter, or a group of ncclReduce where the vector does not divide."""
        source = flat(receive if send is None else send)
        parts, kept = self._parts(source), (source, receive)
        own = parts[self.rank][0] if send is None else self._pointer(flat(receive))
        code, total = self._code(source), self.nccl.NCCL_SUM
        if parts[0][1] == parts[-1][1]:
            arguments = parts[0][0], own, parts[0][1], code, total, DEFAULT_STREAM
            return self._guarded("reduce-scatter", self.communicator.reduceScatter, *arguments, kept=kept)
        reduce = self.communicator.reduce
        return self._grouped(
            [
                self._guarded("reduce", reduce, part, own, count, code, total, root, DEFAULT_STREAM, kept=kept)
                for root, (part, count) in enumerate(parts)
                if count
            ]
        )

    def reduced_in_place(self, count: int) -> slice:
        """NCCL leaves the sums where this rank's part stands."""
        return part_of(count, self.size, self.rank)

    def prepare_allgather(self, send: Array | None, receive: Array) -> Call:
        """ncclAllGather, or a group of ncclBroadcast where the vector does not divide."""
        target = flat(receive)
        parts, kept = self._parts(target), (send, receive)
        own = parts[self.rank][0] if send is None else self._pointer(flat(send))
        code = self._code(target)
        if parts[0][1] == parts[-1][1]:
            arguments = own, parts[0][0], parts[0][1], code, DEFAULT_STREAM
            return self._guarded("all-gather", self.communicator.allGather, *arguments, kept=kept)
        calls = []
        for root, (part, count) in enumerate(parts):
            if count:
                arguments = own if root == self.rank else part, part, count, code, root, DEFAULT_STREAM
                calls.append(self._guarded("broadcast", self.communicator.broadcast, *arguments, kept=kept))
        return self._grouped(calls)

    def _parts(self, whole: Array) -> list[tuple[int, int]]:
        """(address, elements) of every rank's part."""
        counts, starts = part_counts(whole.size, self.size), part_starts(whole.size, self.size)
        base = self._pointer(whole)
        return [(base + start * whole.itemsize, count) for start, count in zip(starts, counts, strict=True)]

    def prepare_alltoall(self, send: Array, receive: Array) -> Call:
        """A group of ncclSend and ncclRecv, one of each for every rank, itself among them."""
        source, target = flat(send), flat(receive)
        parts = [part_of(source.size, self.size, rank) for rank in range(self.size)]
        own = parts[self.rank].stop - parts[self.rank].start
        sends = [(source[part], rank) for rank, part in enumerate(parts)]
        receives = [(target[rank * own : (rank + 1) * own], rank) for rank in range(self.size)]
        return self.prepare_exchange(sends, receives)

    def prepare_broadcast(self, buffer: Array, root: int) -> Call:
        """ncclBroadcast in place."""
        where = self._pointer(flat(buffer))
        arguments = where, where, buffer.size, self._code(buffer), root, DEFAULT_STREAM
        return self._guarded("broadcast", self.communicator.broadcast, *arguments, kept=(buffer,))

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Call:
        """A group of one ncclSend and one ncclRecv."""
        return self.prepare_exchange([(send, destination)], [(receive, source)])

    def prepare_send(self, buffer: Array, destination: int) -> Call:
        """ncclSend."""
        return self.prepare_exchange([(buffer, destination)], [])

    def prepare_receive(self, buffer: Array, source: int) -> Call:
        """ncclRecv."""
        return self.prepare_exchange([], [(buffer, source)])

    def prepare_exchange(self, sends: Sequence[Message], receives: Sequence[Message]) -> Call:
        """A group of ncclSend and ncclRecv; messages of no bytes are left out on both sides."""
        calls = []
        ways = (("receive", self.communicator.recv, receives), ("send", self.communicator.send, sends))
        for what, call, messages in ways:
            for buffer, peer in messages:
                if buffer.size:
                    arguments = self._pointer(flat(buffer)), buffer.size, self._code(buffer), peer, DEFAULT_STREAM
                    calls.append(self._guarded(what, call, *arguments, kept=(buffer,)))
        return calls[0] if len(calls) == 1 else self._grouped(calls)
