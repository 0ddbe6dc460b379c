"""The harness on two ranks, acted by two threads with a clock each: they decide alike."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from scripted_clock import FLOOR, Clock, lasting, noisy, trial_of

from clustermark.core.measurement import Measurement
from clustermark.core.suite import Sampling
from clustermark.runners import measure as harness
from clustermark.transports.local import LocalTransport


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The scripted clock in place of the harness's."""
    scripted = Clock()
    monkeypatch.setattr(harness, "perf_counter", scripted)
    return scripted


class Meeting:
    """What two threads share to act as the two ranks of a world."""

    def __init__(self, patience: float = 20.0) -> None:
        """A rank that waits longer than `patience` for the other breaks the meeting."""
        self.barrier = threading.Barrier(2, timeout=patience)
        self.values: list[Any] = [None, None]

    def exchange(self, rank: int, value: Any) -> list[Any]:
        """Both values, on both ranks."""
        self.values[rank] = value
        self.barrier.wait()
        both = list(self.values)
        self.barrier.wait()
        return both


class ThreadTransport(LocalTransport):
    """One of two ranks in one process."""

    size = 2

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting = meeting
        self.rank = rank

    def barrier(self) -> object:
        return self.meeting.barrier.wait()

    def max_to_root(self, values: Any) -> Any:
        both = self.meeting.exchange(self.rank, values)
        return np.maximum(*both) if self.rank == 0 else None

    def broadcast(self, value: Any) -> Any:
        return self.meeting.exchange(self.rank, value)[0]

    def gather(self, value: Any) -> list[Any] | None:
        both = self.meeting.exchange(self.rank, value)
        return both if self.rank == 0 else None

    def maximum(self, value: float) -> float:
        return max(self.meeting.exchange(self.rank, value))


class DeafTransport(ThreadTransport):
    """A rank that goes by its own decisions."""

    def broadcast(self, value: Any) -> Any:
        self.meeting.exchange(self.rank, value)
        return value


def on_two_ranks(
    clock: Clock,
    durations: tuple[Iterable[float], Iterable[float]],
    sampling: Sampling,
    kind: type[ThreadTransport],
    patience: float = 20.0,
) -> tuple[list[Measurement | None], list[int]]:
    """What each rank's `measure` returns, and how many steps each did."""
    meeting, done = Meeting(patience), [0, 0]

    def rank_main(rank: int) -> Measurement | None:
        step = lasting(clock, durations[rank])

        def counted() -> None:
            done[rank] += 1
            step()

        return harness.measure(trial_of(counted), kind(meeting, rank), sampling, FLOOR)

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(rank_main, rank) for rank in (0, 1)]
        return [future.result(60) for future in futures], done


@pytest.mark.parametrize(
    ("sampling", "stopped_by"),
    [
        (Sampling(10.0, 10, 1000, 0.5), "interval"),
        (Sampling(10.0, 10, 25, 0.001), "samples"),
        (Sampling(0.2, 10, 1000, 0.001), "time"),
    ],
)
def test_all_ranks_do_the_same_steps_though_their_clocks_differ(
    clock: Clock, sampling: Sampling, stopped_by: str
) -> None:
    durations = (noisy(1e-3, 2e-3), noisy(4e-3, 9e-3))
    (root, other), done = on_two_ranks(clock, durations, sampling, ThreadTransport)
    assert root is not None
    assert other is None
    assert done[0] == done[1]
    assert root.stopped_by == stopped_by
    assert root.seconds.shape[1] == root.warmup_seconds.shape[1] == 2
    assert len(root.seconds) * root.steps_per_sample + len(root.warmup_seconds) == done[0]
    assert root.sync == "barrier"


def test_the_slowest_rank_sizes_and_defines_a_sample(clock: Clock) -> None:
    durations = (itertools.repeat(1e-6), itertools.repeat(4e-6))
    (root, _), _ = on_two_ranks(clock, durations, Sampling(0.01, 10, 20, 0.02), ThreadTransport)
    assert root is not None
    assert root.steps_per_sample in (25, 26)
    assert root.step_seconds == pytest.approx(4e-6, rel=1e-3)
    assert root.seconds[:, 0] == pytest.approx(1e-6 * root.steps_per_sample, rel=1e-3)


def test_ranks_that_decide_by_themselves_are_caught(clock: Clock) -> None:
    durations = (noisy(1e-3, 2e-3), noisy(4e-3, 9e-3))
    # Which of them depends on whose word meets whose samples.
    with pytest.raises((threading.BrokenBarrierError, ValueError, TypeError)):
        on_two_ranks(clock, durations, Sampling(10.0, 10, 25, 0.001), DeafTransport, patience=0.3)
