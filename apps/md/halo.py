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


class _Way:
    """One direction of a stage: what this rank sends and receives, and the requests under way.

    A send is waited for when its buffer is wanted again, not with the receive: so that a rank which is ahead goes on
    although the other has not taken the message yet.
    """

    def __init__(self, comm: Any, tag: int, sent: int, received: int, dtype: Any) -> None:
        self.comm, self.tag = comm, tag
        self.outgoing = np.empty(3 * sent, dtype)
        self.incoming = np.empty(3 * received, dtype)
        self._send: Any = None
        self._receive: Any = None

    def free(self) -> np.ndarray:
        """The buffer to fill, when the last message out of it has been taken."""
        if self._send is not None:
            self._send.Wait()
            self._send = None
        return self.outgoing

    def start(self, target: int, source: int) -> None:
        """Send what was filled in, and post the receive."""
        self._receive = self.comm.Irecv(self.incoming, source, self.tag)
        self._send = self.comm.Isend(self.outgoing, target, self.tag)

    def arrived(self) -> np.ndarray:
        """What came, when it is there."""
        self._receive.Wait()
        return self.incoming


class _Message:
    """Places of one stage, and its two ways: positions forward, forces back."""

    def __init__(self, stage: Stage, slots: np.ndarray, lanes: int, dtype: Any, comm: Any, tag: int) -> None:
        self.stage = stage
        self.sent_slots = slots[stage.sent]
        self.received_slots = slots[stage.received[0] : stage.received[1]]
        self.sent = _offsets(self.sent_slots, lanes)
        self.received = _offsets(self.received_slots, lanes)
        self.shift = stage.shift.astype(dtype)
        self.forward = _Way(comm, tag, len(self.sent), len(self.received), dtype)
        self.back = _Way(comm, tag, len(self.received), len(self.sent), dtype)


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
        self.no_shift = np.zeros(3, dtype)
        self.messages = [_Message(stage, slots, lanes, dtype, comm, tag) for tag, stage in enumerate(stages)]

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def bytes_sent(self) -> int:
        """Bytes that this rank sends forward in one step."""
        return sum(message.forward.outgoing.nbytes for message in self.messages)

    def start_positions(self, number: int, positions: np.ndarray) -> None:
        """Send the positions that stage `number` gives away and post the receive of its ghosts."""
        message = self.messages[number]
        pack(positions, message.sent, self.lanes, message.shift, message.forward.free())
        message.forward.start(message.stage.target, message.stage.source)

    def finish_positions(self, number: int, positions: np.ndarray) -> None:
        """Wait, and put the ghosts in their slots."""
        message = self.messages[number]
        unpack(message.forward.arrived(), message.received, self.lanes, positions)

    def start_forces(self, number: int, forces: np.ndarray) -> None:
        """Send the forces on this stage's ghosts home."""
        message = self.messages[number]
        pack(forces, message.received, self.lanes, self.no_shift, message.back.free())
        message.back.start(message.stage.source, message.stage.target)

    def finish_forces(self, number: int, forces: np.ndarray) -> None:
        """Wait, and add what came to the slots that were sent away."""
        message = self.messages[number]
        unpack_add(message.back.arrived(), message.sent, self.lanes, forces)

    def settle(self) -> None:
        """Wait until the others have taken everything; before this halo is given up, and before MPI ends."""
        for message in self.messages:
            message.forward.free()
            message.back.free()

    def forward_scalars(self, values: np.ndarray) -> None:
        """One number per slot, from the owners to the ghosts."""
        for number, message in enumerate(self.messages):
            outgoing, incoming = values[message.sent_slots], np.empty(len(message.received), values.dtype)
            self._exchange(number, outgoing, message.stage.target, incoming, message.stage.source)
            values[message.received_slots] = incoming

    def add_scalars_back(self, values: np.ndarray) -> None:
        """One number per slot, from the ghosts added to the owners."""
        for number, message in reversed(list(enumerate(self.messages))):
            outgoing, incoming = values[message.received_slots], np.empty(len(message.sent), values.dtype)
            self._exchange(number, outgoing, message.stage.source, incoming, message.stage.target)
            values[message.sent_slots] += incoming

    def _exchange(self, number: int, outgoing: np.ndarray, to: int, incoming: np.ndarray, origin: int) -> None:
        receive = self.comm.Irecv(incoming, origin, number)
        send = self.comm.Isend(outgoing, to, number)
        receive.Wait()
        send.Wait()
