"""Faults in transports for device memory, each to be noticed by the checks on the fake GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from comm_helpers.collective_checks import Calls
from fake_gpu.gpu import FakeGpu
from fake_gpu.memory import GpuFaultError

from clustermark.core.errors import DeviceError

COUNT = 1000
PIPELINED = ("allreduce", "reduce_scatter", "allgather", "alltoall")
EXCHANGED = ("exchange", "sendrecv")
EVERYTHING = (*PIPELINED, *EXCHANGED)


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which transport, the patch that makes it so, and the calls that must notice."""

    what: str
    transport: str
    patch: Any
    calls: tuple[str, ...]


def _nothing(*arguments: Any) -> None:
    """Instead of what should have been done."""


def faults(gpu: FakeGpu, device: Any) -> Iterator[Fault]:
    """All of them."""
    yield from _staging_faults(gpu)
    yield from _nccl_faults(gpu, device)
    from clustermark.transports.mpi_device import DeviceMpiTransport

    at_once = mock.patch.object(DeviceMpiTransport, "_after_synchronising", lambda self, call, *buffers: call)
    yield Fault("no wait before MPI", "mpi_device", at_once, EVERYTHING)


def _staging_faults(gpu: FakeGpu) -> Iterator[Fault]:
    from clustermark.transports import staged, staging

    cuda, of = gpu.modules["cupy.cuda"], mock.patch.object
    spec, packed = staged.StagedTransport.spec, staging.packed

    def shorter(self: Any, array: Any, count: int | None = None) -> Any:
        buffer, size, datatype = spec(self, array, count)
        return [buffer, max(size - 1, 0), datatype]

    waits = of(cuda.Stream, "synchronize", _nothing)
    yield Fault("no wait for the copy of a chunk", "staged, 2 slots", waits, PIPELINED)
    events = of(cuda.Event, "synchronize", _nothing)
    yield Fault("a chunk sent before its copy ended", "staged, 2 slots", events, EXCHANGED)
    follows = of(staging.Slots, "follow_default_stream", _nothing)
    yield Fault("copies that do not wait for the default stream", "staged, 3 slots", follows, EVERYTHING)
    yield Fault("a count too few", "staged, 3 slots", of(staged.StagedTransport, "spec", shorter), ("allreduce",))
    backwards = of(staged, "packed", lambda lengths: packed(lengths)[::-1])
    yield Fault("parts in the wrong order", "staged, 3 slots", backwards, ("alltoall", "allgather", "reduce_scatter"))
    copies = staging.Slots.copies

    def no_way_up(self: Any, slot: int, pairs: Any) -> Any:
        return copies(self, slot, [pair for pair in pairs if isinstance(pair[0], np.ndarray)])

    yield Fault("no copy to the device", "staged, 4 slots", of(staging.Slots, "copies", no_way_up), EVERYTHING)


def _nccl_faults(gpu: FakeGpu, device: Any) -> Iterator[Fault]:
    from clustermark.transports import nccl

    of, module = mock.patch.object, gpu.modules["cupy.cuda.nccl"]
    communicator = module.NcclCommunicator
    host, other = np.zeros(8 * COUNT), device.stream()

    def changed(call: Any, place: int, by: int) -> Any:
        return lambda self, *a: call(self, *a[:place], a[place] + by, *a[place + 1 :])

    def exchanged(call: Any) -> Any:
        return lambda self, first, second, *others: call(self, second, first, *others)

    def divergent(self: Any, send: int, receive: int, count: int, *others: int) -> None:
        all_reduce(self, send, receive, count - self.rank_id(), *others)

    all_reduce = communicator.allReduce
    for name, calls in {"allReduce": "allreduce", "allGather": "allgather", "reduceScatter": "reduce_scatter"}.items():
        real = getattr(communicator, name)
        yield Fault(f"a count too few in {name}", "nccl", of(communicator, name, changed(real, 2, -1)), (calls,))
        yield Fault(f"buffers of {name} exchanged", "nccl", of(communicator, name, exchanged(real)), (calls,))
        if name != "allGather":
            yield Fault(
                f"type and operation of {name} exchanged", "nccl", of(communicator, name, _codes(real)), (calls,)
            )
    types = mock.patch.dict
    yield Fault("the code of float32", "nccl", types(nccl.DTYPES, float64="NCCL_FLOAT32"), EVERYTHING)
    yield Fault("the code of bytes", "nccl", types(nccl.DTYPES, float64="NCCL_INT8"), EVERYTHING)
    yield Fault("a maximum for a sum", "nccl", of(module, "NCCL_SUM", 2), ("allreduce", "reduce_scatter"))
    addresses = of(nccl.NcclTransport, "_pointer", lambda self, array: host.ctypes.data)
    yield Fault("addresses of host memory", "nccl", addresses, EVERYTHING)
    yield Fault("a stream that waits for nobody", "nccl", of(nccl, "DEFAULT_STREAM", other.ptr), EVERYTHING)
    yield Fault("another count on each rank", "nccl", of(communicator, "allReduce", divergent), ("allreduce",))
    last = of(nccl.NcclTransport, "_grouped", lambda self, calls: calls[-1])
    yield Fault("only the last call of a group", "nccl", last, ("alltoall", "exchange", "sendrecv"))
    yield Fault(
        "a group that never ends", "nccl", of(module, "groupEnd", _nothing), ("alltoall", "exchange", "sendrecv")
    )


def _codes(call: Any) -> Any:
    return lambda self, send, receive, count, code, op, stream: call(self, send, receive, count, op, code, stream)


def notices(transport: Any, device: Any, call: str) -> bool:
    """Whether a call with a fault in it raises or leaves a wrong element on this rank."""
    synchronize = type(device).synchronize
    calls = Calls(transport, device, COUNT, "float64")
    try:
        found, expected = getattr(calls, call)()
        synchronize(device)
        return not np.array_equal(found if isinstance(found, np.ndarray) else device.to_host(found), expected)
    except (GpuFaultError, DeviceError, ValueError, TypeError, RuntimeError):
        return True
