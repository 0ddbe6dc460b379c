"""The messages of a halo: a rank that is ahead goes on, and no buffer is filled again before it has been taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clustermark.apps.md.halo import Halo
from clustermark.apps.md.staging import Stage

LANES = 4


class Request:
    """Notes in a log that it is waited for; what a receive waits for is written into its buffer."""

    def __init__(self, log: list[str], name: str, into: Any = None, value: float = 0.0) -> None:
        self.log, self.name, self.into, self.value = log, name, into, value

    def Wait(self) -> None:
        self.log.append(self.name)
        if self.into is not None:
            self.into[:] = self.value


class Wire:
    """A communicator whose sends keep the buffer, as MPI may until they are waited for."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.buffers: list[Any] = []

    def Isend(self, buffer: Any, target: int, tag: int) -> Request:
        self.buffers.append(buffer)
        return Request(self.log, f"send {tag}")

    def Irecv(self, buffer: Any, source: int, tag: int) -> Request:
        return Request(self.log, f"receive {tag}", buffer, 5.0)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def halo(wire: Wire) -> Halo:
    """One stage: slot 0 is sent, slot 4 is a ghost."""
    stage = Stage(1, 1, np.zeros(3), np.array([0], np.int32), (1, 2))
    return Halo([stage], np.array([0, 4], np.int32), LANES, np.float64, wire)


def step(halo: Halo, positions: Any, forces: Any) -> None:
    halo.start_positions(0, positions)
    halo.finish_positions(0, positions)
    halo.start_forces(0, forces)
    halo.finish_forces(0, forces)


def test_a_send_is_waited_for_when_its_buffer_is_wanted_again(halo: Halo, wire: Wire) -> None:
    positions, forces = np.zeros(24), np.zeros(24)
    step(halo, positions, forces)
    assert wire.log == ["receive 0", "receive 0"], "the rank went on without the other taking anything"
    assert positions[[12, 16, 20]].tolist() == [5.0] * 3
    assert forces[[0, 4, 8]].tolist() == [5.0] * 3
    step(halo, positions, forces)
    assert wire.log[2:] == ["send 0", "receive 0", "send 0", "receive 0"]


def test_nothing_is_under_way_after_settling(halo: Halo, wire: Wire) -> None:
    step(halo, np.zeros(24), np.zeros(24))
    halo.settle()
    assert wire.log.count("send 0") == 2
    halo.settle()
    assert wire.log.count("send 0") == 2, "once is enough"


def test_positions_and_forces_under_way_share_no_memory(halo: Halo, wire: Wire) -> None:
    positions, forces = np.zeros(24), np.zeros(24)
    positions[[0, 4, 8]], forces[[12, 16, 20]] = 1.0, 2.0
    step(halo, positions, forces)
    assert [buffer.tolist() for buffer in wire.buffers] == [[1.0] * 3, [2.0] * 3]
