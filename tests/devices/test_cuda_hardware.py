"""What only a GPU can prove, on a real one: skipped by name without it, never counted as passed.

test_hardware_tests.py runs this file on the fake GPU too, so that it is no dead code until somebody has a GPU.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import Run

from clustermark.core.runfile import read_run, read_samples
from clustermark.core.suite import Sampling
from clustermark.core.workload import Amount, Check, Trial
from clustermark.devices import DEVICES
from clustermark.devices.cuda_driver import driver
from clustermark.runners import measure as harness
from clustermark.transports.local import LocalTransport

pytestmark = pytest.mark.gpu

AXPY = r"""
extern "C" __global__ void axpy(const float* x, float* y, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fmaf(a, x[i], y[i]);
}
"""
ODD = 1003  # fits no block


@pytest.fixture(scope="module")
def device() -> Any:
    return DEVICES["cuda"].open(0)


def test_the_device_is_the_one_that_the_driver_shows(device: Any) -> None:
    assert device.capability == driver().gpus[device.index].capability
    assert device.facts()["name"] == driver().gpus[device.index].name


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int32"])
def test_arrays_go_there_and_back_bit_by_bit(device: Any, dtype: str) -> None:
    values = np.arange(ODD).astype(dtype)
    assert (device.to_host(device.from_host(values)) == values).all()
    assert (device.to_host(device.empty((ODD,), dtype)) == 0).all()


def test_chunks_copied_on_two_streams_arrive_whole(device: Any) -> None:
    source = device.from_host(np.arange(4.0 * ODD))
    target, streams = device.pinned((4 * ODD,), "float64"), [device.stream(), device.stream()]
    for chunk in range(4):
        part = slice(chunk * ODD, (chunk + 1) * ODD)
        device.copy_async(target[part], source[part], streams[chunk % 2])
    for stream in streams:
        stream.synchronize()
    assert (target == np.arange(4.0 * ODD)).all()


def test_a_kernel_gives_the_reference_bit_by_bit(device: Any) -> None:
    cupy = import_module("cupy")
    x, y = np.linspace(-1, 1, ODD, dtype=np.float32), np.full(ODD, 0.1, np.float32)
    on_x, on_y = device.from_host(x), device.from_host(y)
    cupy.RawKernel(AXPY, "axpy")((-(-ODD // 128),), (128,), (on_x, on_y, np.float32(0.3), np.int32(ODD)))
    fused = (np.float64(np.float32(0.3)) * x + y).astype(np.float32)
    assert (device.to_host(on_y) == fused).all()


def test_the_device_was_never_faster_than_its_own_clock_and_never_slower_than_the_hosts(device: Any) -> None:
    array = device.from_host(np.zeros(1 << 16))

    def step() -> None:
        nonlocal array
        array += 1

    trial = Trial(step, lambda: Check("none", 0.0, 0.0, True), {"steps": Amount(1.0, "step")})
    for cold in (False, True):
        found = harness.measure(trial, LocalTransport(), Sampling(0.2, 5, 50, 0.05, cold=cold), 1e-7, device=device)
        assert found is not None
        assert found.device_seconds is not None
        assert (found.device_seconds >= 0).all()
        assert np.median(found.device_seconds) <= np.median(found.seconds)
        assert (found.steps_per_sample == 1) >= cold


def test_nvml_knows_the_gpu(device: Any) -> None:
    assert device.health.missing == ""
    assert "driver" in device.health.facts()
    device.health.read()


def test_a_run_on_the_gpu_ends_well(clustermark: Run, tmp_path: Path) -> None:
    case = 'workload = "noop"\ntransport = "local"\ndevice = "cuda"\n'
    (tmp_path / "suite.toml").write_text(f"launches = 1\n[sampling]\nseconds = 0.05\n[[matrix]]\n{case}")
    done = clustermark("run", tmp_path / "suite.toml", "--out", tmp_path / "results", "--no-report")
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "results").iterdir()
    assert [row.status for row in read_run(run).rows] == ["ok"]
    (result,) = read_samples(run)
    assert result.measurement is not None
    assert result.measurement.device_seconds is not None
