"""The CPU's stream kernels: stores past the caches where they are asked for, pieces for threads that miss nothing."""

from __future__ import annotations

import time

import numba
import numpy as np
import pytest

from clustermark.benchmarks.kernels import stream_cpu
from clustermark.benchmarks.kernels.stream_host_cpu import LINE, aligned, in_threads, pieces, stream_step
from clustermark.benchmarks.membw import SCALAR, WORDS, compare
from clustermark.devices import fma
from clustermark.devices.cpu import CpuDevice
from clustermark.devices.simd import Width, native_width


@pytest.mark.parametrize("kernel", WORDS)
@pytest.mark.parametrize("variant", ["plain", "nontemporal"])
def test_three_threads_do_every_element(kernel: str, variant: str) -> None:
    generator = np.random.default_rng(2)
    host = {name: generator.uniform(0.5, 1, 32 * 101).astype(np.float32) for name in "abc"}
    step = stream_step(kernel, variant, 3, SCALAR, host, CpuDevice())
    error, bound, _ = compare(kernel, host, step.result(), 2.0**-24, step.terms)
    assert error > bound  # nothing is done yet
    step.step()
    found = np.array(step.result())
    error, bound, detail = compare(kernel, host, found, 2.0**-24, step.terms)
    assert error <= bound, detail
    found[-1] *= np.float32(1.001)
    assert compare(kernel, host, found, 2.0**-24, step.terms)[0] > bound


def test_passes_inside_a_call_all_happen_and_leave_the_same_answer() -> None:
    """Their machine code is one loop more: a compiler that saw through it would do one pass."""
    generator = np.random.default_rng(2)
    host = {name: generator.uniform(0.5, 1, 1024) for name in "abc"}
    for kernel in WORDS:
        once, often = (stream_step(kernel, "plain", 1, SCALAR, host, CpuDevice(), passes=p) for p in (1, 40_000))
        seconds = []
        for step in (once, often):
            step.step()
            start = time.thread_time()
            step.step()
            seconds.append(time.thread_time() - start)
            error, bound, detail = compare(kernel, host, np.array(step.result()), 2.0**-53, step.terms)
            assert error <= bound, detail
        assert seconds[1] > 40_000 * 32e-9  # 1024 elements of 8 B cannot be read in 32 ns


def test_pieces_are_whole_grains_that_follow_each_other() -> None:
    assert pieces(100, 3, 10) == [(0, 30), (30, 60), (60, 100)]
    assert pieces(10, 3, 10) == [(0, 0), (0, 0), (0, 10)]


def test_calls_in_threads_come_back_in_order() -> None:
    assert in_threads([lambda k=k: k for k in range(5)])() == [0, 1, 2, 3, 4]


def test_copies_begin_at_a_line() -> None:
    for count in (1, 16, 1000):
        copy = aligned(np.arange(count, dtype=np.float32), CpuDevice())
        assert copy.ctypes.data % LINE == 0
        assert copy.tolist() == list(range(count))


def test_nontemporal_stores_are_in_the_machine_code() -> None:
    if fma.vector_bytes() < 32:
        pytest.skip("this CPU has no wide vectors of x86")
    compiled = numba.njit(stream_cpu.stream_triad.py_func)  # code from the cache cannot be inspected
    width, values = Width(native_width("float64")), np.zeros(64)
    compiled(1, 0, 0, width, True, 0.4, values, values, values)
    (text,) = compiled.inspect_asm().values()
    assert "vmovntp" in text
    assert "fence" in text or "lock" in text  # either drains what was written past the caches
    assert "memcpy" not in text
