"""The tests that need a GPU: skipped and counted without one, failing where one is required, sound on the fake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fake_gpu.stubs import LIBRARIES, compile_stub, gpu_environment

TESTED = Path(__file__).with_name("test_cuda_hardware.py")
# Hidden from every driver, so that this file says the same on a machine that has a GPU.
HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}


def run_them(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", str(TESTED), "-p", "no:xdist", *options],
        env={name: value for name, value in environment.items() if not name.startswith("PYTEST_")},
        cwd=TESTED.parent.parent.parent,
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_without_a_gpu_they_are_skipped_and_counted() -> None:
    done = run_them({**os.environ, **HIDDEN, "CLUSTERMARK_REQUIRE_GPU": "0"})
    assert done.returncode == 0, done.stdout
    count = re.search(r"(\d+) skipped, (\d+) of them for want of a GPU", done.stdout)
    assert count is not None
    assert count[1] == count[2]
    assert int(count[1]) >= 10
    assert "passed" not in done.stdout


def test_where_a_gpu_is_required_each_skip_is_a_failure() -> None:
    done = run_them({**os.environ, **HIDDEN, "CLUSTERMARK_REQUIRE_GPU": "1"}, "-k", "arrays")
    assert done.returncode == 1
    assert "CLUSTERMARK_REQUIRE_GPU=1, and device 'cuda' " in done.stdout
    assert "skipped" not in done.stdout


def test_on_the_fake_gpu_they_pass(tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings and NVRTC are not installed: make test CUDA=1")
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed: make test CUDA=1")
    for name in LIBRARIES:
        compile_stub(name, tmp_path)
    done = run_them(gpu_environment(tmp_path, CLUSTERMARK_REQUIRE_GPU="1"))
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
