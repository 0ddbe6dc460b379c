"""A user's own ``mpirun -n N python -m clustermark run``: no second launch, the cases that fit, the rest explained."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from clustermark.core.runfile import read_run
from clustermark.runners.launcher import find_launcher, launch_arguments

pytestmark = pytest.mark.mpi


def mpirun(python: str, ranks: int, *words: object, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start ranks by hand, as a user would."""
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    arguments = [*launch_arguments(launcher, ranks, 1, 2, os.geteuid() == 0), python, "-m", "clustermark"]
    return subprocess.run(
        [*arguments, *map(str, words)], check=False, capture_output=True, text=True, timeout=120, env=environment
    )


def test_two_ranks_run_the_two_rank_cases_of_one_fabric(
    mpi_python: str, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    # Small ones: what is proven here is which of them run.
    small = ("--set", "bytes=8B,64KiB", "--set", "n=64", "--seconds", 0.02)
    words = ("run", "smoke", *small, "--out", tmp_path, "--json", "--no-report")
    done = mpirun(mpi_python, 2, *words, environment=plugin_environment)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["runs"][0]["rows"]
    ran = [row for row in rows if row["status"] == "ok"]
    skipped = [row for row in rows if row["status"] == "skipped"]
    assert len(ran) + len(skipped) == len(rows) > 20
    assert {row["case"]["ranks"] for row in ran} == {2}
    assert len({row["fabric"]["requested"] for row in ran}) == 1
    assert all(row["fabric"]["proven"] for row in ran)
    reasons = " ".join(row["reason"] for row in skipped)
    assert "this MPI launch has 2" in reasons
    assert "start another with --fabric" in reasons


def test_tcp_can_be_chosen_and_is_proven(mpi_python: str, tmp_path: Path, plugin_environment: dict[str, str]) -> None:
    words = ("run", "smoke", "--only", "noop", "--fabric", "tcp", "--out", tmp_path, "--no-report")
    done = mpirun(mpi_python, 2, *words, environment=plugin_environment)
    assert done.returncode == 0, done.stderr
    [run] = tmp_path.glob("*/run.h5")
    [row] = [row for row in read_run(run).rows if row.status == "ok"]
    assert row.fabric.proven
    assert row.fabric.observed == "tcp over lo"
    assert 0.98 < row.fabric.detail["tcp"] < 1.1


def test_a_mistake_is_said_once_by_one_rank(mpi_python: str, plugin_environment: dict[str, str]) -> None:
    done = mpirun(mpi_python, 2, "run", "smok", environment=plugin_environment)
    assert done.returncode == 2
    assert done.stderr.count("did you mean 'smoke'?") == 1
    assert "Traceback" not in done.stderr


def test_a_raising_rank_ends_the_launch_and_keeps_what_was_finished(
    mpi_python: str, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    suite = tmp_path / "two.toml"
    suite.write_text(
        '[sampling]\nseconds = 0.02\n[[matrix]]\nworkload = "faulty"\nranks = 2\n'
        'params = { mode = ["none", "raise"] }\n'
    )
    words = ("run", suite, "--out", tmp_path, "--no-report")
    done = mpirun(mpi_python, 2, *words, environment=plugin_environment)
    assert done.returncode not in (0, 2)
    [plan] = tmp_path.glob("*/plan.json")
    again = mpirun(mpi_python, 2, "run", "--resume", plan.parent, "--no-report", environment=plugin_environment)
    assert again.returncode == 4, again.stderr
    rows = {row.case.params["mode"]: row for row in read_run(plan.parent).rows}
    assert rows["none"].status == "ok"
    assert rows["raise"].status == "failed"
    assert "rank 1 raised ArithmeticError" in rows["raise"].reason
