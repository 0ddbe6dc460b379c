"""The harness with a device that works on after a call returned: it is waited for inside every window."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_gpu.gpu import FakeGpu
from scripted_clock import FLOOR, Clock, trial_of

from clustermark.core.measurement import Measurement
from clustermark.core.suite import Sampling
from clustermark.core.workload import Trial
from clustermark.devices import DEVICES
from clustermark.runners import measure as harness
from clustermark.transports.local import LocalTransport

KERNEL, LAUNCH = 1e-3, 1e-6  # [s] that the device takes for a step, and the host to give it


class Bench:
    """A fake GPU whose kernels take time when they are done, on the clock that the harness looks at."""

    def __init__(self, gpu: FakeGpu, clock: Clock) -> None:
        self.gpu, self.clock = gpu, clock
        self.device: Any = DEVICES["cuda"].open(0)
        self.array = self.device.empty((4,), "float64")
        gpu.queue(0).seconds_of["add"] = KERNEL
        gpu.on_done = lambda name: clock.pass_(KERNEL) if name == "add" else None

    def step(self) -> None:
        """Give a kernel and come back at once."""
        self.clock.pass_(LAUNCH)
        self.array += 1

    def measured(self, trial: Trial | None = None, sampling: Sampling | None = None) -> Measurement:
        found = harness.measure(
            trial or trial_of(self.step),
            LocalTransport(),
            sampling or Sampling(1.0, 5, 20, 0.01),
            FLOOR,
            device=self.device,
        )
        assert found is not None
        return found


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    clock = Clock()
    monkeypatch.setattr(harness, "perf_counter", clock)
    with FakeGpu().installed() as gpu:
        yield Bench(gpu, clock)


def test_a_sample_lasts_until_the_device_has_done_its_work(bench: Bench) -> None:
    found = bench.measured()
    assert found.step_seconds == pytest.approx(KERNEL + LAUNCH)
    assert bench.gpu.pending() == []


def test_a_harness_that_does_not_wait_would_time_the_launches_alone(bench: Bench) -> None:
    seconds = harness.windows(bench.step, lambda: None, 3, 5)
    assert np.frombuffer(seconds) == pytest.approx(3 * LAUNCH)
    assert len([name for name in bench.gpu.pending() if name == "add"]) == 15


def test_work_given_before_the_window_is_no_part_of_it(bench: Bench) -> None:
    def reset() -> None:
        for _ in range(50):
            bench.array += 1

    found = bench.measured(trial_of(bench.step, reset))
    assert found.seconds == pytest.approx((KERNEL + LAUNCH) * found.steps_per_sample)


def test_the_devices_own_clock_is_kept_beside_the_hosts(bench: Bench) -> None:
    found = bench.measured()
    assert found.device_seconds is not None
    assert found.device_seconds.shape == found.seconds.shape
    assert found.device_seconds == pytest.approx(KERNEL * found.steps_per_sample)
    assert "device waited for in the window" in found.sync


def test_a_device_that_is_done_when_a_call_returns_is_timed_as_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "DeviceWindows", None)
    cpu = DEVICES["cpu"].open(0)
    found = harness.measure(
        trial_of(lambda: bench.clock.pass_(KERNEL)), LocalTransport(), Sampling(1.0, 5, 20, 0.01), FLOOR, device=cpu
    )
    assert found is not None
    assert (found.sync, found.floor, found.device_seconds) == ("none", FLOOR, None)


@pytest.mark.parametrize("asked_by", ["workload", "suite"])
def test_cold_samples_are_one_step_each_behind_a_flush(bench: Bench, asked_by: str) -> None:
    trial = Trial(bench.step, trial_of(bench.step).check, {}, cold=asked_by == "workload")
    found = bench.measured(trial, Sampling(1.0, 5, 20, 0.01, cold=asked_by == "suite"))
    flushes = [call.name for call in bench.gpu.calls].count("memsetAsync")
    empty = harness.DEVICE_FLOOR_WINDOWS
    assert found.steps_per_sample == 1
    assert flushes == empty + len(found.seconds) + len(found.warmup_seconds)
    assert found.sync.endswith("its cache flushed before")


def order_of(bench: Bench, windows: Any) -> list[str]:
    """What happened to the device between the looks at the clock of three windows."""
    seen: list[str] = []
    look = harness.perf_counter

    def looked() -> float:
        seen.append("clock")
        return look()

    record = bench.gpu.record

    def recorded(name: str, *arguments: Any) -> None:
        seen.append(name)
        record(name, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "perf_counter", looked)
        patch.setattr(bench.gpu, "record", recorded)
        windows(bench.step, lambda: seen.append("barrier"), 2, 3)
    return seen


def complaints(order: list[str]) -> list[str]:
    """What is wrong with the order of a window: no wait before it, or none at its end."""
    looks = [0, *(place for place, name in enumerate(order) if name == "clock")]
    found = []
    for end_of_last, start, stop in zip(looks[::2], looks[1::2], looks[2::2], strict=False):
        if "deviceSynchronize" not in order[end_of_last:start]:
            found.append("no wait before")
        if order[stop - 1] != "deviceSynchronize":
            found.append("no wait inside")
    return found


def test_each_window_ends_with_the_wait(bench: Bench) -> None:
    assert complaints(order_of(bench, harness.DeviceWindows(bench.device, False))) == []


def test_a_window_without_the_wait_is_caught(bench: Bench) -> None:
    def careless(step: Any, barrier: Any, steps: int, count: int) -> array[float]:
        return harness.windows(step, barrier, steps, count)

    assert complaints(order_of(bench, careless)) == ["no wait before", "no wait inside"] * 3
