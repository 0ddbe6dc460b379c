"""Messages of an exchange: sections of many fields packed into one buffer per rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clustermark.apps.climate.layout import Array
from clustermark.devices.memory import Memory

# Sections begin at multiples of the largest element, so that a buffer may be seen as any dtype.
_ALIGNMENT = 8


class Messages:
    """Outgoing and incoming messages, one of each per rank; what a rank sends itself is not sent but read in place.

    Attributes
    ----------
    buffers : per field, the memory of all messages in the field's dtype
    starts_out, starts_in : per field, rank → index in `buffers` where its section begins
    bytes_sent : to other ranks, at each exchange
    """

    def __init__(
        self,
        rank: int,
        comm: Any,
        tag: int,
        dtypes: Sequence[Any],
        sizes: Sequence[Sequence[dict[int, int]]],
        memory: Memory,
    ) -> None:
        """Lay out the messages.

        Parameters
        ----------
        dtypes : of the fields
        sizes : per field, elements sent to and received from each rank
        memory : of the kernels that fill and read them
        """
        self.comm, self.tag = comm, tag
        self.starts_out: list[dict[int, int]] = [{} for _ in dtypes]
        self.starts_in: list[dict[int, int]] = [{} for _ in dtypes]
        self._requests: list[Any] = []
        self._sends: list[Any] = []
        end = 0
        extents: list[dict[int, tuple[int, int]]] = []
        for side, starts in enumerate((self.starts_out, self.starts_in)):
            extents.append({})
            for other in sorted({other for size in sizes for other in size[side]}):
                if side == 1 and other == rank:
                    self._read_in_place(rank)
                    continue
                begin = end
                for field, size in enumerate(sizes):
                    width = np.dtype(dtypes[field]).itemsize
                    starts[field][other] = end // width
                    end += -(-size[side].get(other, 0) * width // _ALIGNMENT) * _ALIGNMENT
                if other != rank:
                    extents[side][other] = (begin, end)
        whole = memory.buffer(max(end, _ALIGNMENT), np.uint8)
        self.buffers: list[Array] = [whole.array.view(dtype) for dtype in dtypes]
        self._outgoing, self._incoming = ({r: whole.part(b, e) for r, (b, e) in extent.items()} for extent in extents)

    @property
    def bytes_sent(self) -> int:
        """Bytes that go to other ranks."""
        return sum(part.wire.nbytes for part in self._outgoing.values())

    def _read_in_place(self, rank: int) -> None:
        for field, starts in enumerate(self.starts_out):
            self.starts_in[field][rank] = starts[rank]

    def receive(self) -> None:
        """Post every receive."""
        self._requests = [self.comm.Irecv(part.to_fill(), rank, self.tag) for rank, part in self._incoming.items()]

    def send(self) -> None:
        """Send every message."""
        self._sends = [self.comm.Isend(part.to_wire(), rank, self.tag) for rank, part in self._outgoing.items()]

    def wait_received(self) -> None:
        """Wait for the messages of the others."""
        for request, part in zip(self._requests, self._incoming.values(), strict=bool(self._requests)):
            request.Wait()
            part.from_wire()
        self._requests = []

    def wait_sent(self) -> None:
        """Wait until the memory may be used again."""
        for request in self._sends:
            request.Wait()
        self._sends = []
