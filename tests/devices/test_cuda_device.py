"""devices/cuda.py on the fake GPU: binding, copies, streams, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_gpu.gpu import FakeGpu

from clustermark.core.errors import DeviceError
from clustermark.devices import DEVICES


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    with FakeGpu(count=2).installed() as installed:
        yield installed


def opened(local_rank: int = 0) -> Any:
    return DEVICES["cuda"].open(local_rank)


def test_a_rank_touches_no_gpu_but_its_own(gpu: FakeGpu) -> None:
    device = opened(1)
    device.to_host(device.empty((3,), "float64"))
    assert (device.index, gpu.contexts) == (1, {1})


def test_more_ranks_than_gpus_go_round(gpu: FakeGpu) -> None:
    assert opened(5).index == 1


def test_a_rank_bound_after_the_first_cuda_call_is_refused(gpu: FakeGpu) -> None:
    gpu.modules["cupy"].zeros(3)  # a plug-in that calls CUDA when it is imported
    with pytest.raises(DeviceError, match="used GPU 0 before it was bound to GPU 1"):
        opened(1)


def test_arrays_go_there_and_back(gpu: FakeGpu) -> None:
    device = opened()
    values = np.arange(12.0).reshape(3, 4)[:, ::2]
    on_gpu = device.from_host(values)
    expected = values.copy()
    values[:] = -1  # the copy was finished before
    assert (device.to_host(on_gpu) == expected).all()
    assert device.to_host(device.empty((2, 3), "float32")).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_copy_is_read_only_after_its_stream_was_waited_for(gpu: FakeGpu) -> None:
    device = opened()
    source, target = device.from_host(np.arange(3.0)), device.pinned((3,), "float64")
    stream = device.stream()
    device.copy_async(target, source, stream)
    assert target.tolist() == [0, 0, 0]  # a read without the wait sees the old contents
    stream.synchronize()
    assert target.tolist() == [0, 1, 2]
    assert gpu.pending() == []


def test_copies_that_could_not_run_beside_others_are_refused(gpu: FakeGpu) -> None:
    device = opened()
    array, stream = device.empty((4,), "float64"), device.stream()
    for host, complaint in (
        (np.zeros(4), "pinned"),
        (device.pinned((3,), "float64"), "copies 24 B into 32 B"),
        (device.pinned((8,), "float64")[::2], "C-contiguous"),
    ):
        with pytest.raises(ValueError, match=complaint):
            device.copy_async(array, host, stream)
    with pytest.raises(ValueError, match="host to host"):
        device.copy_async(device.pinned((4,), "float64"), device.pinned((4,), "float64"), stream)


def test_a_slice_of_pinned_memory_is_pinned(gpu: FakeGpu) -> None:
    device = opened()
    chunks, array, stream = device.pinned((8,), "float64"), device.from_host(np.ones(3)), device.stream()
    device.copy_async(chunks[2:5], array, stream)
    stream.synchronize()
    assert chunks.tolist() == [0, 0, 1, 1, 1, 0, 0, 0]


def test_a_captured_step_is_repeated_by_one_call(gpu: FakeGpu) -> None:
    device = opened()
    array = device.empty((3,), "float64")

    def step() -> None:
        nonlocal array
        array += 1
        array *= 2

    again = device.captured(step)
    assert device.to_host(array).tolist() == [0, 0, 0]  # it was written down, not done
    again()
    again()
    assert device.to_host(array).tolist() == [6, 6, 6]


def test_the_flush_writes_over_twice_the_cache(gpu: FakeGpu) -> None:
    device = opened()
    device.flush_l2()
    assert [call.arguments[2] for call in gpu.calls if call.name == "memsetAsync"] == [2 << 16]


def test_capability_and_timing_events(gpu: FakeGpu) -> None:
    device = opened()
    gpu.queue(0).seconds_of["memset"] = 0.5
    start, stop = device.event(timing=True), device.event(timing=True)
    start.record()
    device.flush_l2()
    stop.record()
    device.synchronize()
    assert device.capability == (9, 0)
    assert device.milliseconds(start, stop) == 500
