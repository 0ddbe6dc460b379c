"""The rows of transports for device memory: what they refuse, in one sentence with a way out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clustermark.transports import TRANSPORTS, cuda_aware
from clustermark.transports.cuda_aware import RIGHT, outside_launch, verdict
from clustermark.transports.nccl_library import why_missing


def test_the_table_does_not_load_mpi_or_cuda() -> None:
    script = (
        "import sys, clustermark.transports as t; [r.refuse(2, 'fp64', 'cpu') for r in t.TRANSPORTS.values()]; "
        "print(sorted({'mpi4py', 'cupy', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["mpi_device", "nccl", "nccl_mpi"])
def test_memory_of_the_host_is_left_to_mpi(name: str) -> None:
    assert "use transport 'mpi'" in TRANSPORTS[name].refuse(2, "fp64", "cpu")


def test_mpi_takes_memory_of_every_device() -> None:
    assert TRANSPORTS["mpi"].refuse(2, "fp64", "cuda") == TRANSPORTS["mpi"].refuse(2, "fp64", "cpu") == ""


def test_a_variable_overrules_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_aware, "_tried", lambda: "is never asked")
    monkeypatch.setenv(cuda_aware.FORCED, "1")
    assert TRANSPORTS["mpi_device"].refuse(2, "fp64", "cuda") == ""
    monkeypatch.setenv(cuda_aware.FORCED, "0")
    assert "CLUSTERMARK_CUDA_AWARE=0" in TRANSPORTS["mpi_device"].refuse(2, "fp64", "cuda")
    monkeypatch.delenv(cuda_aware.FORCED)
    assert TRANSPORTS["mpi_device"].refuse(2, "fp64", "cuda") == "is never asked"


def test_without_a_gpu_the_probe_says_why_it_could_not_try() -> None:
    words = [sys.executable, "-m", "clustermark.transports.cuda_aware"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        assert RIGHT in done.stdout  # a machine with a GPU and a CUDA-aware MPI
        return
    reason = verdict(done.returncode, done.stdout, done.stderr)
    assert "use 'mpi', which goes through host memory" in reason
    assert "Traceback" not in done.stderr or done.returncode < 0


def test_a_crash_and_wrong_bytes_mean_no() -> None:
    assert verdict(0, f"{RIGHT}\n", "") == ""
    assert "died by signal 11" in verdict(-11, "", "")
    assert "it said nothing" in verdict(1, "", "")
    assert "brought wrong bytes" in verdict(1, "", "noise\nmessages of [8] B brought wrong bytes\n")
    assert verdict(0, "", "") != ""  # an end without the line proves nothing
    assert verdict(-11, RIGHT, "") != ""


def test_the_probe_is_a_world_of_its_own() -> None:
    variables = {"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1", "PMI_SIZE": "2", "PATH": "/bin", "OMPI_MCA_pml": "ucx"}
    assert outside_launch(variables) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("loads", "wheel", "cupy", "part"),
    [
        (True, False, [], ""),
        (False, True, [], ""),
        (False, False, ["cupy-cuda12x"], "pip install nvidia-nccl-cu12, or use 'mpi'"),
        (False, False, ["cupy-cuda13x"], "pip install nvidia-nccl-cu13, or use 'mpi'"),
    ],
)
def test_a_missing_nccl_is_named_with_the_command_that_mends_it(
    loads: bool, wheel: bool, cupy: list[str], part: str
) -> None:
    reason = why_missing(lambda name: loads, lambda: wheel, cupy)
    assert part in reason
    assert bool(reason) == bool(part)
