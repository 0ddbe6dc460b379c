"""Shared fixtures: the launcher, the plug-in that goes wrong on purpose, running the command line."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from running import Run

pytest_plugins = ("cuda_helpers.counts", "cuda_helpers.kept")
TESTS = Path(__file__).resolve().parent
PLUGINS = TESTS / "plugins"

# The same examples on every machine and in every run, and no time limit for one of them on a busy machine.
hypothesis_settings.register_profile("house", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis_settings.load_profile("house")


if "PYTEST_XDIST_WORKER" in os.environ:
    # Two tests at a time share the cores: no launch binds to the first of them, and ranks that only wait yield.
    # `make perf` has no workers.
    os.environ.setdefault("CLUSTERMARK_BIND", "none")
    os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")

NEEDS_GPU = "needs a GPU: "
# Where the files lie that take longest: begun at the end, the last of them would run alone. The first one mostly waits,
# so that what runs beside it has the machine to itself. Neighbours run at the same time: test_gemm_cpu.py is kept away
# from test_gemm_accuracy.py, which needs the same kernels, lest both compile them.
LONGEST = (
    "slurm/test_slurm_failures.py",
    "mpi/",
    "benchmarks/test_gemm_cpu.py",
    "ptx/",
    "apps/",
    "benchmarks/",
    "slurm/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order in which pytest-xdist hands out the files (with --no-loadscope-reorder)."""

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(TESTS).as_posix()
        return next((number for number, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `gpu` run on a real GPU; without one they are skipped, or fail where a GPU is required."""
    if item.get_closest_marker("gpu") is None:
        return
    from clustermark.devices import DEVICES

    reason = DEVICES["cuda"].missing()
    if reason and os.environ.get("CLUSTERMARK_REQUIRE_GPU") == "1":
        pytest.fail(f"CLUSTERMARK_REQUIRE_GPU=1, and device 'cuda' {reason}", pytrace=False)
    if reason:
        pytest.skip(f"{NEEDS_GPU}device 'cuda' {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every skip with its reason, then count them: a skipped case is not a passed one."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    for report in skipped:
        terminalreporter.write_line(f"skipped: {report.nodeid}: {report.longrepr[2]}")
    gpu = sum(NEEDS_GPU in report.longrepr[2] for report in skipped)
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} skipped, {gpu} of them for want of a GPU")


@pytest.fixture(scope="module", autouse=True)
def _what_earlier_files_left_is_not_searched_again() -> None:
    """Everything alive is taken out of later garbage collections.

    A process that has compiled kernels holds millions of objects; to walk them takes a second, and every measurement
    begins with a collection.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def plugin_environment() -> dict[str, str]:
    """The environment of this process, with the faulty workloads installed."""
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


@pytest.fixture
def clustermark(plugin_environment: dict[str, str]) -> Run:
    """Run the command line in a process of its own; keyword `python` chooses another interpreter."""

    def run(*arguments: object, python: str = sys.executable, **options: Any) -> subprocess.CompletedProcess[str]:
        settings: dict[str, Any] = {"timeout": 120, "env": plugin_environment} | options
        return subprocess.run(
            [python, "-m", "clustermark", *map(str, arguments)], check=False, capture_output=True, text=True, **settings
        )

    return run


@pytest.fixture(scope="session")
def pythons() -> dict[str, str]:
    """ "openmpi" and "mpich" → an interpreter whose environment has that MPI; what is absent is left out."""
    from clustermark.core.errors import LaunchError
    from clustermark.runners.launcher import find_launcher

    found: dict[str, str] = {}
    for python in (sys.executable, os.environ.get("CLUSTERMARK_OTHER_PYTHON", "")):
        launcher = Path(python).parent / "mpirun"
        if python and launcher.exists():
            try:
                found[find_launcher(str(launcher)).mpi] = python
            except LaunchError:
                continue
    return found


@pytest.fixture(params=["openmpi", "mpich"])
def mpi_python(request: pytest.FixtureRequest, pythons: dict[str, str]) -> str:
    """The interpreter of each MPI in turn."""
    if request.param not in pythons:
        pytest.skip(f"no environment with {request.param} (name its python in CLUSTERMARK_OTHER_PYTHON)")
    return pythons[request.param]
