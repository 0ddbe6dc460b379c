"""A clock that stands still but for scripted steps, and trials made of such steps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator

from clustermark.core.workload import Amount, Check, Trial

FLOOR = 50e-9


class Clock(threading.local):
    """A clock of its own for every thread, standing still but for `pass_`."""

    now = 1000.0

    def __call__(self) -> float:
        """[s]"""
        return self.now

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds


def trial_of(step: Callable[[], object], reset: Callable[[], object] | None = None) -> Trial:
    """A trial whose check nobody asks for."""
    return Trial(step, lambda: Check("none", 0.0, 0.0, True), {"steps": Amount(1.0, "step")}, reset)


def lasting(clock: Clock, durations: Iterable[float]) -> Callable[[], None]:
    """A step that takes the given times, one after the other."""
    times: Iterator[float] = iter(durations)
    return lambda: clock.pass_(next(times))


def noisy(low: float, high: float) -> Iterator[float]:
    """Half the steps low, half high: the interval of the median never closes."""
    return itertools.cycle((low, high, high, low))
