"""Every collective of a transport against its definition, element by element, at sizes that divide and that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clustermark.core.context import Device, Transport
from clustermark.transports.parts import part_of

COUNTS = (0, 1, 3, 1000, 100_003)
SCRIBBLE = 77
Outcome = tuple[Any, np.ndarray]


def vector(count: int, rank: int, dtype: str) -> np.ndarray:
    """What a rank brings: small integers that differ from rank to rank and from place to place."""
    return ((np.arange(count) * 7 + 3 * rank) % 11).astype(dtype)


class Calls:
    """The calls of a transport on arrays of a device; each method gives (what was found, what it should be)."""

    def __init__(self, transport: Transport, device: Device, count: int, dtype: str) -> None:
        self.transport, self.device, self.count, self.dtype = transport, device, count, dtype
        self.rank, self.size = transport.rank, transport.size
        self.after, self.before = (self.rank + 1) % self.size, (self.rank - 1) % self.size
        self.part = part_of(count, self.size, self.rank)
        self.own = self.part.stop - self.part.start

    def sent(self, *messages: np.ndarray) -> list[Any]:
        """Buffers to send; on an asynchronous device, work that fills them is still under way."""
        ready = [self.device.from_host(values) for values in messages]
        if not self.device.asynchronous:
            return ready
        buffers = [self.scribbled(values.size) for values in messages]
        for buffer, values in zip(buffers, ready, strict=True):
            buffer[...] = values
        return buffers

    def mine(self) -> Any:
        """This rank's vector on the device."""
        return self.sent(self.of(self.rank))[0]

    def scribbled(self, count: int) -> Any:
        """A buffer to receive into that holds what no rank sends."""
        return self.device.from_host(np.full(count, SCRIBBLE, self.dtype))

    def of(self, rank: int) -> np.ndarray:
        """What that rank brings."""
        return vector(self.count, rank, self.dtype)

    def total(self) -> np.ndarray:
        """The sum over ranks."""
        return np.sum([self.of(rank) for rank in range(self.size)], axis=0).astype(self.dtype)

    def allreduce(self) -> Outcome:
        """Out of place."""
        receive = self.scribbled(self.count)
        self.transport.prepare_allreduce(self.mine(), receive)()
        return receive, self.total()

    def allreduce_in_place(self) -> Outcome:
        """send=None."""
        receive = self.mine()
        self.transport.prepare_allreduce(None, receive)()
        return receive, self.total()

    def reduce_scatter(self) -> Outcome:
        """Out of place."""
        receive = self.scribbled(self.own)
        self.transport.prepare_reduce_scatter(self.mine(), receive)()
        return receive, self.total()[self.part]

    def reduce_scatter_in_place(self) -> Outcome:
        """send=None."""
        receive = self.mine()
        self.transport.prepare_reduce_scatter(None, receive)()
        return receive[self.transport.reduced_in_place(self.count)], self.total()[self.part]

    def allgather(self) -> Outcome:
        """Out of place."""
        receive = self.scribbled(self.count)
        [mine] = self.sent(self.of(self.rank)[self.part])
        self.transport.prepare_allgather(mine, receive)()
        return receive, self._gathered()

    def allgather_in_place(self) -> Outcome:
        """send=None."""
        host = np.full(self.count, SCRIBBLE, self.dtype)
        host[self.part] = self.of(self.rank)[self.part]
        [receive] = self.sent(host)
        self.transport.prepare_allgather(None, receive)()
        return receive, self._gathered()

    def _gathered(self) -> np.ndarray:
        parts = [self.of(rank)[part_of(self.count, self.size, rank)] for rank in range(self.size)]
        return np.concatenate(parts)

    def alltoall(self) -> Outcome:
        """Part k to rank k."""
        receive = self.scribbled(self.own * self.size)
        self.transport.prepare_alltoall(self.mine(), receive)()
        return receive, np.concatenate([self.of(rank)[self.part] for rank in range(self.size)])

    def broadcast_buffer(self) -> Outcome:
        """From the last rank."""
        root = self.size - 1
        buffer = self.mine() if self.rank == root else self.scribbled(self.count)
        self.transport.prepare_broadcast(buffer, root)()
        return buffer, self.of(root)

    def sendrecv(self) -> Outcome:
        """Around the ring."""
        receive = self.scribbled(self.count)
        self.transport.prepare_sendrecv(self.mine(), self.after, receive, self.before)()
        return receive, self.of(self.before)

    def send_and_receive(self) -> Outcome:
        """From rank 0 to the last and back, doubled there."""
        last, buffer = self.size - 1, self.scribbled(self.count)
        if self.size > 1 and self.rank == 0:
            self.transport.prepare_send(self.mine(), last)()
            self.transport.prepare_receive(buffer, last)()
        elif self.size > 1 and self.rank == last:
            self.transport.prepare_receive(buffer, 0)()
            self.transport.prepare_send(buffer, 0)()
        else:
            return buffer, np.full(self.count, SCRIBBLE, self.dtype)
        return buffer, self.of(0)

    def exchange(self) -> Outcome:
        """Three messages to each neighbour at once: order alone tells them apart, where both are one rank too."""
        into = [self.scribbled(self.count) for _ in range(6)]
        out = self.sent(*(self.of(self.rank) + self.of(0).dtype.type(number) for number in range(6)))
        sends = [*((buffer, self.before) for buffer in out[:3]), *((buffer, self.after) for buffer in out[3:])]
        receives = [*((buffer, self.after) for buffer in into[:3]), *((buffer, self.before) for buffer in into[3:])]
        self.transport.prepare_exchange(sends, receives)()
        self.device.synchronize()
        found = np.array([self.device.to_host(buffer) for buffer in into])
        sources = [self.of(self.after)] * 3 + [self.of(self.before)] * 3
        return found, np.array([values + values.dtype.type(number) for number, values in enumerate(sources)])


METHODS: dict[str, Callable[[Calls], Outcome]] = {
    "allreduce": Calls.allreduce,
    "allreduce in place": Calls.allreduce_in_place,
    "reduce_scatter": Calls.reduce_scatter,
    "reduce_scatter in place": Calls.reduce_scatter_in_place,
    "allgather": Calls.allgather,
    "allgather in place": Calls.allgather_in_place,
    "alltoall": Calls.alltoall,
    "broadcast of a buffer": Calls.broadcast_buffer,
    "sendrecv": Calls.sendrecv,
    "send and receive": Calls.send_and_receive,
    "exchange": Calls.exchange,
}


def each(counts: tuple[int, ...], dtypes: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    """Methods by counts by types."""
    for dtype in dtypes:
        for count in counts:
            for name in METHODS:
                yield name, count, dtype


def wrong_calls(
    transport: Transport,
    device: Device,
    counts: tuple[int, ...] = COUNTS,
    dtypes: tuple[str, ...] = ("float64", "float32", "uint8"),
) -> list[str]:
    """``"allgather float32 1000"`` for each call that left a wrong element on this rank; collective."""
    wrong = []
    for name, count, dtype in each(counts, dtypes):
        found, expected = METHODS[name](Calls(transport, device, count, dtype))
        device.synchronize()
        if not np.array_equal(device.to_host(found), expected):
            wrong.append(f"{name} {dtype} {count}")
    return wrong
