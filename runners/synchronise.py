"""Windows that all ranks begin at the same time of a common clock, instead of when a barrier lets them go.

The offset of a rank's clock from rank 0's is taken from the ping-pong with the shortest round trip (Cristian,
Distributed Computing 3 (1989)), anew before every batch, so that clocks that drift apart by parts in a million stay a
microsecond together. Rank 0 names the time of the first window and their distance; a rank that is not ready in time
begins at once and is counted as late (Hunold & Carpen-Amarie, IEEE TPDS 27 (2016)). A window ends with the rank's last
step and counts from its planned beginning.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import repeat
from time import perf_counter

import numpy as np

from clustermark.core.context import Transport

Step = Callable[[], object]
WindowsAt = Callable[[int, int, float, float], "tuple[array[float], int]"]
ROUND_TRIPS = 30
# [s] From the word of rank 0 to the first window, and between the end expected of a window and the next beginning.
AHEAD, BETWEEN = 2e-3, 100e-6
# A window may take so many times what is expected before the next beginning is missed.
ROOM = 1.5
# More late starts than this in a batch: windows of the next batch lie twice as far apart.
MOST_LATE = 0.05


class SynchronisedWindows:
    """`windows` of runners/measure.py on synchronised clocks, taken by Python or compiled code; collective.

    Attributes
    ----------
    begun, late : windows of this rank so far, and those that it began late
    offset : [s] rank 0's clock minus this rank's, at the last batch
    """

    def __init__(
        self,
        transport: Transport,
        expected: float,
        clock: Callable[[], float] = perf_counter,
        compiled: WindowsAt | None = None,
    ) -> None:
        """`expected` : [s] of a window, equal on all ranks; `clock` : of this rank; `compiled` : `Trial.windows_at`."""
        self.transport, self.clock, self.compiled = transport, clock, compiled
        self.distance = ROOM * expected + BETWEEN
        self.begun = self.late = 0
        self.offset = 0.0
        self._word = np.zeros(1)
        self._answer = np.zeros(1)

    def __call__(self, step: Step, barrier: Step, steps: int, count: int, reset: Step | None = None) -> array[float]:
        """As `windows`; [s] of a window from its planned beginning to this rank's end."""
        self.offset = self._measured_offset()
        first, distance = self.transport.broadcast((self.clock() + AHEAD, self.distance))
        begin = first - self.offset
        if self.compiled is None:
            seconds, late = self._by_python(step, steps, count, begin, distance, reset)
        else:
            seconds, late = self.compiled(steps, count, begin, distance)
        self.begun += count
        self.late += late
        if self.transport.maximum(float(late)) > MOST_LATE * count:
            self.distance *= 2
        return seconds

    def _by_python(
        self, step: Step, steps: int, count: int, first: float, distance: float, reset: Step | None
    ) -> tuple[array[float], int]:
        """[s] of windows begun at `first` and every `distance` later by this rank's clock, and how many were late."""
        clock = self.clock
        seconds = array("d", bytes(8 * count))
        late = 0
        for index in range(count):
            begin = first + index * distance
            if reset is not None:
                reset()
            times = repeat(None, steps)
            if clock() > begin:
                late += 1
            while clock() < begin:
                pass
            for _ in times:
                step()
            seconds[index] = clock() - begin
        return seconds, late

    def of_all_ranks(self) -> str:
        """For people: ``"window, 0.4 % of starts late"``; collective."""
        return shown(round(self.transport.sum(float(self.late))), round(self.transport.sum(float(self.begun))))

    def _measured_offset(self) -> float:
        """[s] rank 0's clock minus this rank's; ranks take turns, collective."""
        mine = 0.0
        for rank in range(1, self.transport.size):
            self.transport.barrier()
            if self.transport.rank == 0:
                self._answer_to(rank)
            elif self.transport.rank == rank:
                mine = self._asked()
        return mine

    def _answer_to(self, rank: int) -> None:
        take = self.transport.prepare_receive(self._word, rank)
        give = self.transport.prepare_send(self._answer, rank)
        for _ in range(ROUND_TRIPS):
            take()
            self._answer[0] = self.clock()
            give()

    def _asked(self) -> float:
        ask = self.transport.prepare_send(self._word, 0)
        hear = self.transport.prepare_receive(self._answer, 0)
        shortest, offset = float("inf"), 0.0
        for _ in range(ROUND_TRIPS):
            sent = self.clock()
            ask()
            hear()
            heard = self.clock()
            if heard - sent < shortest:
                shortest, offset = heard - sent, float(self._answer[0]) - (sent + heard) / 2
        return offset


def shown(late: int, begun: int) -> str:
    """``"window, 0.4 % of starts late"``."""
    return f"window, {late / max(begun, 1):.1%} of starts late".replace("%", " %")
