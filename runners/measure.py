"""The only holder of the clock: warm-up, calibration, windows, adaptive stop."""

from __future__ import annotations

import gc
import math
from array import array
from collections.abc import Callable
from functools import partial
from itertools import repeat
from time import perf_counter
from typing import cast

import numpy as np

from clustermark.core.context import AsynchronousDevice, Device, Transport
from clustermark.core.measurement import Measurement, Seconds
from clustermark.core.stats import precise_enough
from clustermark.core.suite import Sampling
from clustermark.core.workload import Trial
from clustermark.runners.synchronise import SynchronisedWindows

CLOCK = "time.perf_counter (CLOCK_MONOTONIC)"
COMPILED_CLOCK = "clock_gettime (CLOCK_MONOTONIC), read by compiled code"
# A window is at least this many times the empty window …
FLOORS_PER_SAMPLE = 100
# … and long enough that ranks leaving a barrier a microsecond apart change it by 1 % at most.
SHORTEST_SAMPLE = 100e-6
MOST_STEPS = 1_000_000
# Windows of many steps in one call are lengthened so often.
CALIBRATIONS = 2
WARMUP_SECONDS = 0.05
WARMUP_LEAST, WARMUP_MOST = 3, 500
# Below this a step is dominated by jitter of the clock and the barrier, so a wider interval is accepted.
SHORT_STEP, SHORT_STEP_FACTOR = 10e-6, 2.5
# Signs of life within the silence after which a launch is taken for hung, if a step is not longer than their distance.
SIGNS_PER_TIMEOUT = 10
# A window of a device holds a launch and a wait, some 10 µs: fewer empty ones tell its floor.
DEVICE_FLOOR_WINDOWS = 200

Step = Callable[[], object]
Windows = Callable[[Step, Step, int, int, Step | None], "array[float]"]


def windows(step: Step, barrier: Step, steps: int, count: int, reset: Step | None = None) -> array[float]:
    """Seconds of `count` windows of `steps` steps on this rank, each after a barrier (and `reset`).

    Returns
    -------
    array('d') of length count, [s] per window
    """
    seconds = array("d", bytes(8 * count))
    if reset is None and steps == 1:
        for index in range(count):
            barrier()
            start = perf_counter()
            step()
            seconds[index] = perf_counter() - start
        return seconds
    for index in range(count):
        if reset is not None:
            reset()
        times = repeat(None, steps)
        barrier()
        start = perf_counter()
        for _ in times:
            step()
        seconds[index] = perf_counter() - start
    return seconds


class DeviceWindows:
    """`windows` for a device that works on after a call returned: it is waited for inside every window.

    Attributes
    ----------
    device_seconds : [s] per window, by the device's own clock
    """

    def __init__(self, device: AsynchronousDevice, cold: bool) -> None:
        """`cold` flushes the device's cache before each window."""
        self.device, self.cold = device, cold
        self.timer = device.timer()
        self.device_seconds = array("d")

    def __call__(self, step: Step, barrier: Step, steps: int, count: int, reset: Step | None = None) -> array[float]:
        """As `windows`."""
        seconds = array("d", bytes(8 * count))
        synchronize, timer = self.device.synchronize, self.timer
        for index in range(count):
            if reset is not None:
                reset()
            if self.cold:
                self.device.flush_l2()
            times = repeat(None, steps)
            synchronize()  # what was given before the window is no part of it
            barrier()
            timer.start()
            start = perf_counter()
            for _ in times:
                step()
            timer.stop()
            synchronize()
            seconds[index] = perf_counter() - start
            self.device_seconds.append(timer.seconds())
        return seconds

    @property
    def sync(self) -> str:
        """For people: what happened to the device around the steps."""
        return "; device waited for in the window" + (", its cache flushed before" if self.cold else "")

    def floor(self) -> float:
        """[s] of an empty window on this rank."""
        found = float(np.median(self(_nothing, _nothing, 1, DEVICE_FLOOR_WINDOWS)))
        del self.device_seconds[:]
        return found


def by_its_caller(timed: Windows, trial: Trial) -> Windows:
    """The same windows, in which one call from Python runs all steps where the trial has that (`Trial.many`)."""
    many = trial.many
    if many is None:
        return timed

    def taken(step: Step, barrier: Step, steps: int, count: int, reset: Step | None = None) -> array[float]:
        return timed(partial(many, steps), barrier, 1, count, reset)

    return taken


def host_windows(trial: Trial) -> Windows:
    """Windows on a device that has done its work when a call returns, taken by whoever calls the trial's steps.

    Between Python's clock and the first call, and back, lie microseconds where messages have emptied the caches.
    """
    compiled = trial.windows
    if compiled is None:
        return by_its_caller(windows, trial)
    return lambda step, barrier, steps, count, reset=None: compiled(steps, count)


def _steps_of_window(shortest: float, typical: float) -> int:
    """So many steps of `typical` [s] that a window is no shorter than `shortest` [s]."""
    return min(MOST_STEPS, max(1, math.ceil(shortest / max(typical, 1e-9))))


def _nothing() -> None:
    pass


def harness_floor() -> float:
    """[s] of an empty window on this rank: the median of 2,000."""
    return float(np.median(windows(_nothing, _nothing, 1, 2000)))


def measure(
    trial: Trial,
    transport: Transport,
    sampling: Sampling,
    floor: float,
    alive: Callable[[], None] = _nothing,
    device: Device | None = None,
) -> Measurement | None:
    """Sample a trial until its median is known well enough or its time is up; collective.

    Parameters
    ----------
    trial : made ready; `step` and `reset`, `many` or `windows`, where it has these, are called, nothing else
    transport : its barrier lines the ranks up before every window
    sampling : caps, counts, wanted interval
    floor : [s] empty window, equal on all ranks; for an asynchronous device it is measured anew, with its wait
    alive : called between batches, and within those that last long; outside every window
    device : what the steps run on; None is a device that has done its work when a call returns

    Returns
    -------
    Measurement on rank 0, None elsewhere
    """
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        timed = host_windows(trial)
        watched: DeviceWindows | None = None
        cold = trial.cold or sampling.cold
        if device is not None and device.asynchronous:
            watched = DeviceWindows(cast(AsynchronousDevice, device), cold)
            floor = transport.maximum(watched.floor())
            timed = by_its_caller(watched, trial)
        warmup, typical = _warm_up(trial, transport, sampling, alive, timed)
        shortest = max(FLOORS_PER_SAMPLE * floor, SHORTEST_SAMPLE)
        steps = 1 if cold else _steps_of_window(shortest, typical)
        for _ in range(CALIBRATIONS if trial.many is not None and steps > 1 else 0):
            # A single step was mostly the call from Python and the way out of the barrier.
            again = timed(trial.step, transport.barrier, steps, WARMUP_LEAST, trial.reset)
            typical = transport.maximum(float(np.median(np.frombuffer(again)))) / steps
            steps = _steps_of_window(shortest, typical)
        if watched is not None:
            del watched.device_seconds[:]
        at_once = max(1, int(sampling.timeout / SIGNS_PER_TIMEOUT / max(steps * typical, 1e-9)))
        together: SynchronisedWindows | None = None
        if sampling.synchronisation == "window" and watched is None and transport.size > 1:
            together = SynchronisedWindows(transport, steps * typical, compiled=trial.windows_at)
            timed = by_its_caller(together, trial) if trial.windows_at is None else together
        seconds, stopped_by = _sample(trial, transport, sampling, steps, at_once, alive, timed)
    finally:
        if collecting:
            gc.enable()
    lined_up = "none" if transport.size == 1 else together.of_all_ranks() if together else "barrier"
    per_rank = transport.gather((seconds, warmup, watched.device_seconds if watched else None))
    if per_rank is None:
        return None
    return Measurement(
        seconds=_columns([row[0] for row in per_rank]),
        warmup_seconds=_columns([row[1] for row in per_rank]),
        steps_per_sample=steps,
        clock=COMPILED_CLOCK if watched is None and (trial.windows_at if together else trial.windows) else CLOCK,
        sync=lined_up + (watched.sync if watched else ""),
        floor=floor,
        stopped_by=stopped_by,
        device_seconds=_columns([row[2] for row in per_rank]) if watched else None,
    )


def _columns(per_rank: list[array[float]]) -> Seconds:
    return np.ascontiguousarray(np.array([np.frombuffer(row) for row in per_rank]).T)


def _warm_up(
    trial: Trial, transport: Transport, sampling: Sampling, alive: Callable[[], None], timed: Windows
) -> tuple[array[float], float]:
    """Single steps until caches, connections and compilers have settled; every rank decides alike.

    Returns
    -------
    seconds of each step on this rank, and [s] of a typical step, equal on all ranks
    """
    seconds = array("d")
    budget = min(WARMUP_SECONDS, sampling.seconds)
    begun = perf_counter()
    batch = WARMUP_LEAST
    while True:
        seconds.extend(timed(trial.step, transport.barrier, 1, batch, trial.reset))
        alive()
        elapsed = transport.maximum(perf_counter() - begun)
        if elapsed >= budget or len(seconds) >= WARMUP_MOST:
            break
        batch = min(len(seconds), WARMUP_MOST - len(seconds))
    settled = seconds[len(seconds) // 2 :]
    return seconds, transport.maximum(float(np.median(np.frombuffer(settled))))


def _sample(
    trial: Trial,
    transport: Transport,
    sampling: Sampling,
    steps: int,
    at_once: int,
    alive: Callable[[], None],
    timed: Windows,
) -> tuple[array[float], str]:
    """Batches of windows; after each, rank 0 looks at the slowest rank's times and says go on or stop.

    `at_once` is how many windows are taken between two signs of life.
    """
    seconds = array("d")
    slowest: list[Seconds] = []
    begun = perf_counter()
    batch = sampling.min_samples
    while True:
        new = array("d")
        for begin in range(0, batch, at_once):
            new.extend(timed(trial.step, transport.barrier, steps, min(at_once, batch - begin), trial.reset))
            alive()
        seconds.extend(new)
        over_ranks = transport.max_to_root(np.frombuffer(new))
        verdict, batch = "", 0
        if over_ranks is not None:
            slowest.append(over_ranks)
            verdict, batch = _decide(np.concatenate(slowest), perf_counter() - begun, steps, sampling)
        verdict, batch = transport.broadcast((verdict, batch))
        if verdict:
            return seconds, verdict


def _decide(slowest: Seconds, elapsed: float, steps: int, sampling: Sampling) -> tuple[str, int]:
    """("interval", "samples", "time") to stop, or ("", size of the next batch)."""
    step_seconds = float(np.median(slowest)) / steps
    target = sampling.interval * (SHORT_STEP_FACTOR if step_seconds < SHORT_STEP else 1.0)
    if precise_enough(slowest, target):
        return "interval", 0
    if slowest.size >= sampling.max_samples:
        return "samples", 0
    left = sampling.seconds - elapsed
    if left <= 0:
        return "time", 0
    affordable = int(left / max(elapsed / slowest.size, 1e-9))
    batch = min(max(1, slowest.size // 2), affordable, sampling.max_samples - slowest.size)
    return ("", batch) if batch > 0 else ("time", 0)
