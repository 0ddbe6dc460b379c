"""The halo between two lists: positions forward, forces back, stage by stage, packed into one message each."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numba
import numpy as np

from clustermark.apps.md.backend import Backend, make_backend
from clustermark.apps.md.staging import Stage
from clustermark.devices.memory import Buffer, Memory


@numba.njit(nogil=True, cache=True, error_model="numpy")
def pack(values, offsets, lanes, shift, buffer):
    """buffer[3k + d] = component d of the slot at offsets[k], plus shift[d]."""
    for k in range(offsets.size):
        for d in range(3):
            buffer[3 * k + d] = values[offsets[k] + d * lanes] + shift[d]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def unpack(buffer, offsets, lanes, values):
    """Component d of the slot at offsets[k] = buffer[3k + d]."""
    for k in range(offsets.size):
        for d in range(3):
            values[offsets[k] + d * lanes] = buffer[3 * k + d]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def unpack_add(buffer, offsets, lanes, values):
    """Component d of the slot at offsets[k] += buffer[3k + d]."""
    for k in range(offsets.size):
        for d in range(3):
            values[offsets[k] + d * lanes] += buffer[3 * k + d]


class _Way:
    """One direction of a stage: what this rank sends and receives, and the requests under way.

    A send is waited for when its buffer is wanted again, not with the receive: so that a rank which is ahead goes on
    although the other has not taken the message yet.
    """

    def __init__(self, comm: Any, tag: int, sent: int, received: int, dtype: Any, memory: Memory) -> None:
        self.comm, self.tag = comm, tag
        self.outgoing: Buffer = memory.buffer(sent, dtype)
        self.incoming: Buffer = memory.buffer(received, dtype)
        self._send: Any = None
        self._receive: Any = None

    def free(self) -> Any:
        """The buffer to fill, when the last message out of it has been taken."""
        if self._send is not None:
            self._send.Wait()
            self._send = None
        return self.outgoing.array

    def start(self, target: int, source: int) -> None:
        """Send what was filled in, and post the receive."""
        outgoing = self.outgoing.to_wire()
        self._receive = self.comm.Irecv(self.incoming.to_fill(), source, self.tag)
        self._send = self.comm.Isend(outgoing, target, self.tag)

    def arrived(self) -> Any:
        """What came, when it is there."""
        self._receive.Wait()
        return self.incoming.from_wire()


class _Message:
    """Places of one stage, and its two ways: positions forward, forces back."""

    def __init__(
        self, stage: Stage, slots: np.ndarray, lanes: int, dtype: Any, comm: Any, tag: int, memory: Memory
    ) -> None:
        self.stage = stage
        sent, received = slots[stage.sent], slots[stage.received[0] : stage.received[1]]
        self.sent_slots, self.received_slots = memory.from_host(sent), memory.from_host(received)
        self.sent, self.received = (memory.from_host(_offsets(rows, lanes)) for rows in (sent, received))
        self.shift = stage.shift.astype(dtype)
        self.forward = _Way(comm, tag, 3 * len(sent), 3 * len(received), dtype, memory)
        self.back = _Way(comm, tag, 3 * len(received), 3 * len(sent), dtype, memory)
        self._numbers = comm, tag, len(sent), len(received), dtype, memory

    @cached_property
    def numbers(self) -> tuple[_Way, _Way]:
        """Ways of one number per slot, forward and back; made when first wanted."""
        comm, tag, sent, received, dtype, memory = self._numbers
        return _Way(comm, tag, sent, received, dtype, memory), _Way(comm, tag, received, sent, dtype, memory)


def _offsets(slots: np.ndarray, lanes: int) -> np.ndarray:
    return (slots // lanes * (3 * lanes) + slots % lanes).astype(np.int32)


class Halo:
    """Exchanges with the neighbours for as long as one list lives.

    `start_*` and `finish_*` of a stage may have work between them; stages go in order 0, 1, … forward and in
    the opposite order back, because a later stage forwards what an earlier one brought.
    """

    def __init__(
        self,
        stages: list[Stage],
        slots: np.ndarray,
        lanes: int,
        dtype: Any,
        comm: Any,
        backend: Backend | None = None,
    ) -> None:
        """Messages of some stages.

        Parameters
        ----------
        slots : place of every row of Staging in the cluster layout, on the host
        dtype : of the kernels
        backend : kernels and memory; None: those of the CPU
        """
        backend = backend or make_backend("cpu")
        self.kernels, self._numbers = backend.halo, backend.numbers
        self.lanes = lanes
        self.no_shift = np.zeros(3, dtype)
        self.messages = [
            _Message(stage, slots, lanes, dtype, comm, tag, backend.memory) for tag, stage in enumerate(stages)
        ]

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def bytes_sent(self) -> int:
        """Bytes that this rank sends forward in one step."""
        return sum(message.forward.outgoing.wire.nbytes for message in self.messages)

    def start_positions(self, number: int, positions: np.ndarray) -> None:
        """Send the positions that stage `number` gives away and post the receive of its ghosts."""
        message = self.messages[number]
        self.kernels.pack(positions, message.sent, self.lanes, message.shift, message.forward.free())
        message.forward.start(message.stage.target, message.stage.source)

    def finish_positions(self, number: int, positions: np.ndarray) -> None:
        """Wait, and put the ghosts in their slots."""
        message = self.messages[number]
        self.kernels.unpack(message.forward.arrived(), message.received, self.lanes, positions)

    def start_forces(self, number: int, forces: np.ndarray) -> None:
        """Send the forces on this stage's ghosts home."""
        message = self.messages[number]
        self.kernels.pack(forces, message.received, self.lanes, self.no_shift, message.back.free())
        message.back.start(message.stage.source, message.stage.target)

    def finish_forces(self, number: int, forces: np.ndarray) -> None:
        """Wait, and add what came to the slots that were sent away."""
        message = self.messages[number]
        self.kernels.unpack_add(message.back.arrived(), message.sent, self.lanes, forces)

    def settle(self) -> None:
        """Wait until the others have taken everything; before this halo is given up, and before MPI ends."""
        for message in self.messages:
            message.forward.free()
            message.back.free()

    def forward_scalars(self, values: Any) -> None:
        """One number per slot, from the owners to the ghosts."""
        for message in self.messages:
            way, _ = message.numbers
            self._numbers.take(values, message.sent_slots, way.free())
            way.start(message.stage.target, message.stage.source)
            self._numbers.put(way.arrived(), message.received_slots, values)
            way.free()

    def add_scalars_back(self, values: Any) -> None:
        """One number per slot, from the ghosts added to the owners."""
        for message in reversed(self.messages):
            _, way = message.numbers
            self._numbers.take(values, message.received_slots, way.free())
            way.start(message.stage.source, message.stage.target)
            self._numbers.add(way.arrived(), message.sent_slots, values)
            way.free()
