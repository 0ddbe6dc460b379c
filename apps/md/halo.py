"""The halo between two lists: positions forward, forces back, stage by stage, packed into one message each."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.md.staging import Stage


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


class _Message:
    """Buffers, places and requests of one stage."""

    def __init__(self, stage: Stage, slots: np.ndarray, lanes: int, dtype: Any) -> None:
        self.stage = stage
        self.sent_slots = slots[stage.sent]
        self.received_slots = slots[stage.received[0] : stage.received[1]]
        self.sent = _offsets(self.sent_slots, lanes)
        self.received = _offsets(self.received_slots, lanes)
        self.shift = stage.shift.astype(dtype)
        self.outgoing = np.empty(3 * len(self.sent), dtype)
        self.incoming = np.empty(3 * len(self.received), dtype)
        self.requests: list[Any] = []


def _offsets(slots: np.ndarray, lanes: int) -> np.ndarray:
    return (slots // lanes * (3 * lanes) + slots % lanes).astype(np.int32)


class Halo:
    """Exchanges with the neighbours for as long as one list lives.

    `start_*` and `finish_*` of a stage may have work between them; stages go in order 0, 1, … forward and in
    the opposite order back, because a later stage forwards what an earlier one brought.
    """

    def __init__(self, stages: list[Stage], slots: np.ndarray, lanes: int, dtype: Any, comm: Any) -> None:
        """`slots` gives the place of every row of Staging in the cluster layout; `dtype` is that of the kernels."""
        self.lanes = lanes
        self.comm = comm
        self.messages = [_Message(stage, slots, lanes, dtype) for stage in stages]

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def bytes_sent(self) -> int:
        """Bytes that this rank sends forward in one step."""
        return sum(message.outgoing.nbytes for message in self.messages)

    def start_positions(self, number: int, positions: np.ndarray) -> None:
        """Send the positions that stage `number` gives away and post the receive of its ghosts."""
        message = self.messages[number]
        pack(positions, message.sent, self.lanes, message.shift, message.outgoing)
        self._post(number, message.outgoing, message.stage.target, message.incoming, message.stage.source)

    def finish_positions(self, number: int, positions: np.ndarray) -> None:
        """Wait, and put the ghosts in their slots."""
        message = self.messages[number]
        self._wait(message)
        unpack(message.incoming, message.received, self.lanes, positions)

    def start_forces(self, number: int, forces: np.ndarray) -> None:
        """Send the forces on this stage's ghosts home."""
        message = self.messages[number]
        pack(forces, message.received, self.lanes, np.zeros(3, forces.dtype), message.incoming)
        self._post(number, message.incoming, message.stage.source, message.outgoing, message.stage.target)

    def finish_forces(self, number: int, forces: np.ndarray) -> None:
        """Wait, and add what came to the slots that were sent away."""
        message = self.messages[number]
        self._wait(message)
        unpack_add(message.outgoing, message.sent, self.lanes, forces)

    def forward_scalars(self, values: np.ndarray) -> None:
        """One number per slot, from the owners to the ghosts."""
        for number, message in enumerate(self.messages):
            outgoing, incoming = values[message.sent_slots], np.empty(len(message.received), values.dtype)
            self._post(number, outgoing, message.stage.target, incoming, message.stage.source)
            self._wait(message)
            values[message.received_slots] = incoming

    def add_scalars_back(self, values: np.ndarray) -> None:
        """One number per slot, from the ghosts added to the owners."""
        for number, message in reversed(list(enumerate(self.messages))):
            outgoing, incoming = values[message.received_slots], np.empty(len(message.sent), values.dtype)
            self._post(number, outgoing, message.stage.source, incoming, message.stage.target)
            self._wait(message)
            values[message.sent_slots] += incoming

    def _post(self, number: int, outgoing: np.ndarray, to: int, incoming: np.ndarray, origin: int) -> None:
        receive = self.comm.Irecv(incoming, origin, number)
        self.messages[number].requests = [receive, self.comm.Isend(outgoing, to, number)]

    def _wait(self, message: _Message) -> None:
        for request in message.requests:
            request.Wait()
        message.requests = []
