"""Windows on synchronised clocks: skewed clocks are brought together, and a start that is late is counted."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from time import perf_counter, sleep
from typing import Any

import pytest

from clustermark.core.case import Case
from clustermark.core.errors import UsageError
from clustermark.core.machine import Machine, refusal
from clustermark.core.suite import Sampling, parse_suite
from clustermark.runners.synchronise import SynchronisedWindows, shown

PATIENCE = 60.0


class ThreadTransport:
    """As much of a transport as synchronised windows need, between ranks that are threads."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.line = threading.Barrier(size, timeout=PATIENCE)
        self.slots: list[Any] = [None] * size
        self.mail: dict[tuple[int, int], Queue[Any]] = {(a, b): Queue() for a in range(size) for b in range(size)}

    def of(self, rank: int) -> Any:
        """The transport of one rank."""
        shared = self

        class Mine:
            def __init__(self) -> None:
                self.rank, self.size = rank, shared.size

            def barrier(self) -> object:
                return shared.line.wait()

            def all(self, value: Any) -> list[Any]:
                shared.slots[rank] = value
                shared.line.wait()
                values = list(shared.slots)
                shared.line.wait()
                return values

            def broadcast(self, value: Any) -> Any:
                return self.all(value)[0]

            def sum(self, value: float) -> float:
                return float(sum(self.all(value)))

            def maximum(self, value: float) -> float:
                return float(max(self.all(value)))

            def prepare_send(self, buffer: Any, to: int) -> Callable[[], object]:
                return lambda: shared.mail[rank, to].put(buffer.copy())

            def prepare_receive(self, buffer: Any, source: int) -> Callable[[], object]:
                def receive() -> None:
                    buffer[...] = shared.mail[source, rank].get(timeout=PATIENCE)

                return receive

        return Mine()


def on_ranks(main: Callable[[SynchronisedWindows, int], Any], skews: list[float], expected: float = 1e-4) -> list[Any]:
    """`main(windows, rank)` on ranks whose clocks are off by `skews`."""
    shared = ThreadTransport(len(skews))

    def started(rank: int) -> Any:
        clock = lambda: perf_counter() + skews[rank]  # noqa: E731
        return main(SynchronisedWindows(shared.of(rank), expected, clock), rank)

    with ThreadPoolExecutor(len(skews)) as pool:
        return list(pool.map(started, range(len(skews))))


def nothing() -> None:
    """A step of no length."""


def test_clocks_that_are_minutes_apart_are_brought_together() -> None:
    skews = [0.0, 100.0, -250.0]

    def main(windows: SynchronisedWindows, rank: int) -> float:
        windows(nothing, nothing, 1, 3)
        return windows.offset

    for offset, skew in zip(on_ranks(main, skews), skews, strict=True):
        assert offset == pytest.approx(-skew, abs=0.2)


def test_no_window_begins_before_its_time_and_each_counts_from_there() -> None:
    began: list[list[float]] = [[], []]

    def main(windows: SynchronisedWindows, rank: int) -> tuple[float, list[float]]:
        called = perf_counter()
        return called, list(windows(lambda: began[rank].append(perf_counter()), nothing, 1, 4))

    for rank, (called, seconds) in enumerate(on_ranks(main, [0.0, 7.0], expected=2e-2)):
        assert min(seconds) >= 0
        # However busy the machine, window number k cannot begin before k distances of 1.5 · 20 ms.
        assert all(start - called >= number * 3e-2 for number, start in enumerate(began[rank]))


def test_compiled_code_is_told_the_plan_by_each_ranks_own_clock() -> None:
    skews = [0.0, 40.0]
    told: list[list[tuple[int, int, float, float]]] = [[], []]
    shared = ThreadTransport(2)

    def started(rank: int) -> str:
        def compiled(steps: int, count: int, first: float, distance: float) -> tuple[array[float], int]:
            told[rank].append((steps, count, first, distance))
            return array("d", bytes(8 * count)), rank

        clock = lambda: perf_counter() + skews[rank]  # noqa: E731
        windows = SynchronisedWindows(shared.of(rank), 1e-4, clock, compiled)
        windows(lambda: pytest.fail("Python called a step"), nothing, 7, 10)
        return windows.of_all_ranks()

    with ThreadPoolExecutor(2) as pool:
        shares = list(pool.map(started, range(2)))
    assert shares == ["window, 5.0 % of starts late"] * 2
    ((root,), (other,)) = told
    assert root[:2] == other[:2] == (7, 10)
    assert other[2] - root[2] == pytest.approx(40.0, abs=0.2)
    assert other[3] == root[3]


def test_starts_that_are_late_are_counted_and_the_windows_drawn_apart() -> None:
    def main(windows: SynchronisedWindows, rank: int) -> tuple[str, float]:
        before = windows.distance
        windows(nothing, nothing, 1, 10, (lambda: sleep(0.01)) if rank == 1 else None)
        return windows.of_all_ranks(), windows.distance / before

    told, wider = on_ranks(main, [0.0, 0.0])[0]
    assert wider == 2
    assert told.startswith("window, ")
    assert float(told.split()[1]) >= 40, "nine of ten on one of two ranks"


def test_a_clock_that_was_not_synchronised_is_late_every_time() -> None:
    class Unsynchronised(SynchronisedWindows):
        def _measured_offset(self) -> float:
            super()._measured_offset()
            return 0.0

    shared = ThreadTransport(2)

    def started(rank: int) -> str:
        windows = Unsynchronised(shared.of(rank), 1e-4, lambda: perf_counter() + 30.0 * rank)
        windows(nothing, nothing, 1, 10)
        return windows.of_all_ranks()

    with ThreadPoolExecutor(2) as pool:
        told = next(iter(pool.map(started, range(2))))
    assert float(told.split()[1]) >= 50


def test_the_share_is_told_for_people() -> None:
    assert shown(1, 250) == "window, 0.4 % of starts late"
    assert shown(0, 0) == "window, 0.0 % of starts late"


def test_a_suite_chooses_it_and_is_told_what_it_may_choose() -> None:
    text = '[sampling]\nsynchronisation = "{}"\n[[matrix]]\nworkload = "noop"\n'
    assert parse_suite(text.format("window"), "suite").sampling.synchronisation == "window"
    with pytest.raises(UsageError, match="expected 'barrier' or 'window'"):
        parse_suite(text.format("clock"), "suite")


def test_devices_that_are_waited_for_are_lined_up_by_barriers_only() -> None:
    from clustermark.benchmarks import BENCHMARKS

    machine = Machine({"cuda": ""}, {"ompi-tcp": ""}, {}, {"mpi": lambda *_: ""})
    case = Case("pingpong", 2, {"bytes": 8, "caller": "auto"}, "fp64", "cuda", "mpi", "ompi-tcp", 2, 2)
    told = refusal(case, BENCHMARKS["pingpong"], machine, Sampling(synchronisation="window"))
    assert told == "device 'cuda' is lined up by barriers only; leave sampling.synchronisation = 'window' out"
    assert refusal(case, BENCHMARKS["pingpong"], machine, Sampling()) == ""
