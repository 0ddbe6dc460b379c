"""One rank: what its collectives are, what it refuses, and that a call which does nothing is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comm_helpers.collective_checks import METHODS, wrong_calls
from hypothesis import given
from hypothesis import strategies as st

from clustermark.devices.cpu import CpuDevice
from clustermark.transports.local import DeviceLocalTransport, LocalTransport
from clustermark.transports.parts import part_counts, part_of, part_starts

PREPARING = [name for name in vars(LocalTransport) if name.startswith("prepare_")]


@pytest.mark.parametrize("kind", [LocalTransport, DeviceLocalTransport])
def test_every_collective_of_one_rank_is_a_copy(kind: type[LocalTransport]) -> None:
    assert wrong_calls(kind(), CpuDevice()) == []


def _idle(*arguments: object) -> Callable[[], object]:
    return lambda: None


@pytest.mark.parametrize("name", ["allreduce", "reduce_scatter", "allgather", "alltoall", "exchange"])
def test_a_call_that_does_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(LocalTransport, f"prepare_{name}", staticmethod(_idle))
    wrong = wrong_calls(LocalTransport(), CpuDevice(), (3,), ("float32",))
    assert f"{name} float32 3" in wrong
    assert {item.split(" ")[0] for item in wrong} <= {name, "sendrecv"}


def test_every_method_of_the_protocol_is_called_by_the_checks() -> None:
    called: set[str] = set()

    class Noting(LocalTransport):
        def __getattribute__(self, name: str) -> Any:
            called.add(name)
            return super().__getattribute__(name)

    wrong_calls(Noting(), CpuDevice(), (3,), ("float32",))
    # One rank has nobody to send to or to receive from.
    assert set(PREPARING) - called == {"prepare_send", "prepare_receive"}
    assert len(METHODS) >= len(PREPARING)


def test_another_rank_does_not_exist() -> None:
    local, buffer = LocalTransport(), np.zeros(1)
    for call in (
        lambda: local.prepare_sendrecv(buffer, 1, buffer, 0),
        lambda: local.prepare_exchange([(buffer, 0)], [(buffer, 2)]),
        lambda: local.prepare_broadcast(buffer, 3),
    ):
        with pytest.raises(ValueError, match="does not exist in a world of one"):
            call()
    for call in (lambda: local.prepare_send(buffer, 0), lambda: local.prepare_receive(buffer, 0)):
        with pytest.raises(ValueError, match="prepare an exchange"):
            call()


@given(st.integers(0, 10_000), st.integers(1, 70))
def test_parts_tile_the_vector_and_differ_by_one_at_most(count: int, ranks: int) -> None:
    counts, starts = part_counts(count, ranks), part_starts(count, ranks)
    assert sum(counts) == count
    assert max(counts) - min(counts) <= 1
    assert starts == [sum(counts[:rank]) for rank in range(ranks)]
    assert [part_of(count, ranks, rank).stop for rank in range(ranks)] == [*starts[1:], count]
