"""numba's simulator with its threads taking turns, in an order that is asked for.

The simulator starts all threads of a block at once and polls them: slow, and in the order that the operating system
likes. Here each thread runs until it ends or waits at a barrier, one after the other, first to last or last to first:
a result that depends on the order of the threads shows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np


@contextmanager
def threads_taking_turns(backwards: bool = False) -> Iterator[None]:
    """Within, the simulator's threads run one at a time; backwards: the last thread of the last block first."""
    from numba.cuda.simulator import kernel as simulator

    class Turn(simulator.BlockThread):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.waiting = threading.Event()
            self.at_barrier = False

        def run(self) -> None:
            super().run()
            self.at_barrier = False
            self.waiting.set()

        def syncthreads(self) -> None:
            self.at_barrier = True
            self.waiting.set()
            self.syncthreads_event.wait()
            self.syncthreads_event.clear()

        def go_on(self, started: bool) -> None:
            self.waiting.clear()
            if started:
                self.syncthreads_event.set()
            else:
                self.start()
            self.waiting.wait()
            if self.exception:
                raise self.exception[0].with_traceback(self.exception[1])

    def run(manager: Any, place: tuple[int, ...], *arguments: Any) -> None:
        if backwards:
            place = tuple(int(n) - 1 - k for n, k in zip(manager._grid_dim, place, strict=True))
        points = list(np.ndindex(*manager._block_dim))
        if "shared" not in manager._f.__code__.co_names:
            _run_here(manager, place, reversed(points) if backwards else points, arguments)
            return
        threads = [
            Turn(lambda: manager._f(*arguments), manager, place, point, False)
            for point in (reversed(points) if backwards else points)
        ]
        started = False
        while threads:
            for thread in threads:
                thread.go_on(started)
            waiting = [thread for thread in threads if thread.at_barrier]
            assert len(waiting) in (0, len(threads)), "some threads of a block ended while others wait for them"
            threads, started = waiting, True

    with mock.patch.object(simulator.BlockManager, "run", run):
        yield


def _run_here(manager: Any, block: tuple[int, ...], points: Iterable[tuple[int, ...]], arguments: Any) -> None:
    """Threads of a kernel without shared memory, and so without a barrier: plain calls, many times faster."""
    from numba.cuda.simulator.kernelapi import Dim3

    here: Any = threading.current_thread()
    here.blockIdx, here.blockDim = Dim3(*block), Dim3(*manager._block_dim)
    for point in points:
        here.threadIdx = Dim3(*point)
        manager._f(*arguments)
