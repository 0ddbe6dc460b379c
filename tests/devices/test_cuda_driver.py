"""Detection through the driver's library, played by a stub, and the sentence for each thing that can be missing."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_gpu.stubs import compile_stub, gpu_environment

from clustermark.devices.cuda_driver import (
    LEAST_CAPABILITY,
    Driver,
    Gpu,
    numa_node,
    read_driver,
    why_no_precision,
    why_unusable,
)

H100 = Gpu(0, "H100", (9, 0), 80 << 30, "0000:17:00.0", "GPU-0")
T4 = Gpu(0, "T4", (7, 5), 16 << 30, "0000:17:00.0", "GPU-1")
V100 = Gpu(1, "V100", (7, 0), 16 << 30, "0000:18:00.0", "GPU-2")
CUPY_13, CUPY_12 = {"cupy-cuda13x": "14.2.0"}, {"cupy-cuda12x": "14.2.0"}


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a stand-in for libcuda.so.1."""
    return compile_stub("libcuda.so.1", tmp_path_factory.mktemp("driver")).parent


def test_the_driver_tells_its_version_and_its_gpus(stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GPU_COUNT", "2")
    monkeypatch.setenv("FAKE_GPU_CAPABILITY", "89")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = read_driver(ctypes.CDLL(str(stub / "libcuda.so.1")))
    assert (found.installed, found.error, found.cuda) == (True, "", (13, 0))
    assert [(g.index, g.name, g.capability, g.pci) for g in found.gpus] == [
        (0, "Fake H100", (8, 9), "0000:17:00.0"),
        (1, "Fake H100", (8, 9), "0000:18:00.0"),
    ]
    assert found.gpus[0].uuid != found.gpus[1].uuid


def test_only_the_gpus_that_cuda_visible_devices_names_are_shown(stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GPU_COUNT", "4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    found = read_driver(ctypes.CDLL(str(stub / "libcuda.so.1")))
    assert [gpu.pci for gpu in found.gpus] == ["0000:19:00.0", "0000:1a:00.0"]


def test_a_machine_without_a_driver_is_told_so() -> None:
    def refuse(name: str) -> Any:
        raise OSError(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctypes, "CDLL", refuse)
        assert read_driver() == Driver(False)


WORKING = Driver(True, "", (13, 0), (H100,))
SENTENCES = {
    "all is there": (WORKING, CUPY_13, True, {}, ""),
    "no driver": (Driver(False), CUPY_13, True, {}, "needs an NVIDIA GPU with its driver"),
    "a driver that fails": (
        Driver(True, "cuInit says X; mend it"),
        CUPY_13,
        True,
        {},
        "driver that does not work: cuI",
    ),
    "no GPU": (Driver(True, "", (13, 0)), CUPY_13, True, {}, "start the container with --gpus all"),
    "hidden GPUs": (
        Driver(True, "", (13, 0)),
        CUPY_13,
        True,
        {"CUDA_VISIBLE_DEVICES": "7;rm"},
        "sees no GPU, as CUDA_VISIBLE_DEVICES is '7?rm': unset CUDA_VISIBLE_DEVICES",
    ),
    "no CuPy": (WORKING, {}, False, {}, "pip install 'clustermark[cuda13]'"),
    "no CuPy, older driver": (Driver(True, "", (12, 4), (V100,)), {}, False, {}, "pip install 'clustermark[cuda12]'"),
    "two CuPys": (WORKING, CUPY_13 | CUPY_12, True, {}, "installed side by side: pip uninstall cupy-cuda12x"),
    "driver too old": (
        Driver(True, "", (12, 4), (H100,)),
        CUPY_13,
        True,
        {},
        "serves CUDA 12.4, and cupy-cuda13x needs",
    ),
    "GPU too old": (Driver(True, "", (13, 0), (H100, V100)), CUPY_13, True, {}, "V100 (compute capability 7.0), which"),
    "GPU old enough for CUDA 12": (Driver(True, "", (13, 0), (V100,)), CUPY_12, True, {}, ""),
    "a CuPy of one's own build": (WORKING, {"cupy": "14"}, True, {}, ""),
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_the_first_thing_that_is_missing_is_named_with_what_mends_it(kind: str) -> None:
    driver, packages, importable, variables, expected = SENTENCES[kind]
    found = why_unusable(driver, packages, importable, variables)
    assert expected in found
    assert bool(found) == bool(expected)
    assert "\n" not in found


def test_a_precision_without_hardware_is_refused_by_capability() -> None:
    assert why_no_precision("bf16", (H100,)) == ""
    assert "has no bf16 on T4: it needs compute capability 8.0, this GPU has 7.5" in why_no_precision("bf16", (T4,))
    assert "has no fp8 on V100" in why_no_precision("fp8", (H100, V100))
    assert why_no_precision("fp64", (V100,)) == ""
    assert why_no_precision("fp8", ()) == ""
    assert LEAST_CAPABILITY["tf32"] == (8, 0)


def test_a_device_that_no_bus_knows_has_no_numa_node() -> None:
    assert numa_node("ffff:ff:1f.7") == -1


PROBE = """
import json, sys
from clustermark.devices import DEVICES
from clustermark.runners.catalog import machine, workloads
workloads()
reason = DEVICES["cuda"].missing()
for number in range(2):
    machine(None, "none")
print(json.dumps({"reason": reason, "modules": sorted(sys.modules)}))
"""


@pytest.mark.parametrize("with_gpu", [False, True])
def test_planning_imports_nothing_of_cuda(stub: Path, with_gpu: bool) -> None:
    environment = gpu_environment(stub)
    if not with_gpu:
        environment["LD_LIBRARY_PATH"] = ""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    answer = json.loads(done.stdout)
    heavy = {"cupy", "cupyx", "numba", "pynvml", "cuda", "numpy", "mpi4py"}
    assert heavy.isdisjoint(name.split(".")[0] for name in answer["modules"])
    if with_gpu:
        assert answer["reason"] == ""
