"""Two ranks under a real mpirun take a GPU each, before MPI begins, or say that they share one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_gpu.stubs import compile_stub, gpu_environment

from clustermark.runners.children import ask
from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment, usable_cores

pytestmark = pytest.mark.mpi
PROGRAM = Path(__file__).parent / "programs" / "gpu_binding.py"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a stand-in for the driver."""
    return compile_stub("libcuda.so.1", tmp_path_factory.mktemp("driver")).parent


def bound(python: str, libraries: Path, **settings: str) -> dict[str, Any]:
    """What two ranks found."""
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    tokens = launch_arguments(launcher, 2, 1, usable_cores(), os.geteuid() == 0)
    environment = launch_environment(gpu_environment(libraries, **settings), "self", 1)
    ended = ask([*tokens, python, str(PROGRAM)], environment, 100.0)
    assert ended.status == 0, ended.stderr
    return ended.documents()[-1]


def test_each_rank_touches_its_own_gpu_only(mpi_python: str, libraries: Path) -> None:
    found = bound(mpi_python, libraries, FAKE_GPU_COUNT="2")
    assert found == {"gpus": [0, 1], "touched": [[0], [1]], "label": []}


def test_two_ranks_on_one_gpu_are_labelled(mpi_python: str, libraries: Path) -> None:
    found = bound(mpi_python, libraries, FAKE_GPU_COUNT="4", CUDA_VISIBLE_DEVICES="2")
    assert found == {"gpus": [0, 0], "touched": [[0], [0]], "label": ["GPU shared: 2 ranks on one"]}
