"""`clustermark run --device cuda` in processes whose driver, NVML and CuPy are the fakes: refusals, faults, records."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_gpu.stubs import LIBRARIES, compile_stub, gpu_environment
from running import Run

from clustermark.core.runfile import read_run, read_samples

SUITE = """
launches = 1
[sampling]
seconds = 0.02
[[matrix]]
workload = "noop"
transport = "local"
device = ["cpu", "cuda"]
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the stand-ins of NVIDIA's libraries."""
    folder = tmp_path_factory.mktemp("libraries")
    for name in LIBRARIES:
        compile_stub(name, folder)
    return folder


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.toml"
    path.write_text(SUITE)
    return path


def rows_of(results: Path) -> dict[str, Any]:
    """Device → row of the only run in a folder."""
    (run,) = results.iterdir()
    return {row.case.device: row for row in read_run(run).rows}


def test_a_gpu_case_runs_and_keeps_what_the_gpu_was_and_did(
    clustermark: Run, libraries: Path, suite: Path, tmp_path: Path
) -> None:
    script = tmp_path / "nvml.txt"
    script.write_text("reasons 4\npcie_replays 0 1\n")  # throttled, and an error counter that rises
    environment = gpu_environment(libraries, FAKE_NVML=str(script), FAKE_GPU_COUNT="2")
    done = clustermark("run", suite, "--out", tmp_path / "results", "--no-report", env=environment)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "results")
    assert {device: row.status for device, row in rows.items()} == {"cpu": "ok", "cuda": "ok"}
    if "pynvml" in sys.modules or _has("pynvml"):
        assert {"GPU throttled: power cap", "GPU error counter changed: PCIe replays"} <= set(rows["cuda"].conditions)
    assert not any("GPU" in label for label in rows["cpu"].conditions)
    (run,) = (tmp_path / "results").iterdir()
    launches = {result.case.device: result.measurement for result in read_samples(run)}
    cpu, cuda = launches["cpu"], launches["cuda"]
    assert cpu is not None
    assert cuda is not None
    assert cpu.device_seconds is None
    assert cuda.device_seconds is not None
    assert cuda.device_seconds.shape == cuda.seconds.shape
    (environment_facts,) = read_run(run).environments.values()
    assert environment_facts["facts"]["gpus"][0]["name"] == "Fake H100"
    assert environment_facts["ranks"][0]["gpu"]["index"] == 0


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def test_a_gpu_lost_in_the_middle_fails_its_case_and_the_others_go_on(
    clustermark: Run, libraries: Path, suite: Path, tmp_path: Path
) -> None:
    environment = gpu_environment(libraries, FAKE_GPU_LOST_AFTER="500")
    done = clustermark("run", suite, "--out", tmp_path / "results", "--no-report", env=environment)
    assert done.returncode == 4
    rows = rows_of(tmp_path / "results")
    assert rows["cpu"].status == "ok"
    assert rows["cuda"].status == "failed"
    assert rows["cuda"].reason.startswith("device 'cuda': the GPU was lost or a kernel crashed: `dmesg | grep Xid`")


REFUSALS: Mapping[str, tuple[dict[str, str], str]] = {
    "no GPU": ({"CUDA_VISIBLE_DEVICES": ""}, "sees no GPU, as CUDA_VISIBLE_DEVICES is ''"),
    "a driver too old": ({"FAKE_CUDA": "12040"}, "has a driver that serves CUDA 12.4, and cupy-cuda13x needs 13.0"),
    "a driver that fails": ({"FAKE_CUINIT": "803"}, "has an NVIDIA driver that does not work: cuInit says CUDA_ERROR_"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_cannot_run_is_refused_in_one_sentence(
    clustermark: Run, libraries: Path, suite: Path, tmp_path: Path, kind: str
) -> None:
    settings, sentence = REFUSALS[kind]
    environment = gpu_environment(libraries, **settings)
    done = clustermark("run", suite, "--device", "cuda", "--out", tmp_path / "results", env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_without_a_driver_every_case_on_cuda_has_the_same_one_reason(clustermark: Run, plugin_environment: Any) -> None:
    environment = {**plugin_environment, "LD_LIBRARY_PATH": "", "CUDA_VISIBLE_DEVICES": ""}
    done = clustermark("plan", "smoke", "--device", "cuda", "--json", env=environment)
    assert done.returncode == 2
    assert len({case["reason"] for case in json.loads(done.stdout)["refused"]}) == 1
    assert "device 'cuda'" in done.stderr
    assert done.stderr.count("\n") == 1
