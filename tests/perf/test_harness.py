"""The harness adds at most a microsecond to a sample."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from c_side import mpirun_of, pythons
from conditions import Figure, Judge, Target
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.core.errors import LaunchError
from clustermark.runners.launcher import launch_environment, usable_cores
from clustermark.transports.fabrics import fabric_aliases

PROGRAM = Path(__file__).with_name("harness_cost.py")


def harness_cost(python: str) -> dict[str, Any]:
    """One launch of harness_cost.py over shared memory, on the MPI beside `python`."""
    try:
        mpi, command = mpirun_of(python)
    except LaunchError as error:
        pytest.skip(str(error))
    fabric = fabric_aliases(mpi)["shm"]
    environment = launch_environment(os.environ, fabric, 1)
    done = subprocess.run(
        [*command, python, str(PROGRAM), fabric],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.mpi
@pytest.mark.parametrize("environment", [0, 1], ids=["this-python", "other-python"])
def test_a_sample_costs_at_most_a_microsecond_more_than_a_bare_mpi4py_loop(
    benchmark: BenchmarkFixture, judge: Judge, environment: int
) -> None:
    if environment >= len(pythons()):
        pytest.skip("CLUSTERMARK_OTHER_PYTHON names no second environment")
    if usable_cores() < 2:
        pytest.skip("two ranks on one core measure the scheduler")
    found = benchmark.pedantic(harness_cost, args=(pythons()[environment],), rounds=1)
    figures = []
    for name in ("single_window", "single_whole_sample", "calibrated_window", "calibrated_whole_sample"):
        row = found[name]
        steps = f" of {found['steps']} steps" if name.startswith("calibrated") else ""
        what = f"8 B all-reduce over {found['fabric']}, {name.replace('_', ' ')}{steps}"
        shown = f"{what}: {row['clustermark']:.3f} µs against {row['bare']:.3f} bare, added"
        figures.append(Figure(shown, row["added"], Target(1.0, unit="µs"), (row["low"], row["high"])))
    judge(found["load"], *figures)
