"""A rank that raises, hangs, is killed or leaves early: its case is failed and says why, the others go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Run

pytestmark = pytest.mark.mpi

SUITE = """
[sampling]
seconds = 0.05
timeout = 3
[[matrix]]
workload = "faulty"
ranks = 2
[matrix.params]
mode = ["none", "wrong", "raise", "raise-in-prepare", "memory", "hang", "kill", "exit", "os-exit", "crash"]
[[matrix]]
workload = "allreduce"
ranks = [1, 2]
params = { caller = "python" }
"""

EXPECTED = {
    "none": ("ok", ""),
    "wrong": ("wrong", "wrong elements: 1, allowed 0; element 3 is 2.0, should be 2"),
    "raise": ("failed", "rank 1 raised ArithmeticError in clustermark_faulty.py"),
    "raise-in-prepare": ("failed", "rank 1 raised ValueError in clustermark_faulty.py"),
    "memory": ("failed", "rank 1 raised MemoryError"),
    "hang": ("failed", "hung: nothing moved for 3 s, rank 0 in clustermark_faulty.py"),
    "kill": ("failed", "killed by signal 9 (SIGKILL)"),
    "exit": ("failed", "rank 1 raised SystemExit"),
    "os-exit": ("failed", "ended early"),
    "crash": ("failed", "rank 1 crashed in clustermark_faulty.py"),
}


def test_each_fault_fails_its_own_case_and_no_other(clustermark: Run, mpi_python: str, tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text(SUITE)
    done = clustermark("run", tmp_path / "faults.toml", "--out", tmp_path, "--json", "--no-report", python=mpi_python)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    rows = json.loads(done.stdout)["runs"][0]["rows"]
    by_mode = {row["case"]["params"].get("mode", row["label"]): row for row in rows}
    for mode, (status, reason) in EXPECTED.items():
        assert by_mode[mode]["status"] == status, by_mode[mode]
        assert reason in by_mode[mode]["reason"], by_mode[mode]
    assert {row["status"] for row in rows if row["case"]["workload"] == "allreduce"} == {"ok"}
    assert "rank 1 in clustermark_faulty.py" in by_mode["hang"]["reason"]


def test_a_wrong_result_has_no_speed(clustermark: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(
        '[sampling]\nseconds = 0.01\n[[matrix]]\nworkload = "faulty"\nranks = 2\n'
        'params = { mode = ["wrong", "none"] }\n'
    )
    done = clustermark("run", tmp_path / "wrong.toml", "--out", tmp_path, "--json", "--no-report")
    assert done.returncode == 4
    rows = {row["case"]["params"]["mode"]: row for row in json.loads(done.stdout)["runs"][0]["rows"]}
    assert rows["wrong"]["metrics"] == []
    assert rows["none"]["metrics"] != []


def test_worlds_of_size_one_are_an_error(clustermark: Run, pythons: dict[str, str], tmp_path: Path) -> None:
    if len(pythons) < 2:
        pytest.skip("needs both MPIs (name the other python in CLUSTERMARK_OTHER_PYTHON)")
    other = Path(pythons["mpich"]).parent / "mpirun"
    done = clustermark(
        *("run", "smoke", "--only", "noop", "--ranks", 2, "--launches", 1, "--no-report", "--json"),
        *("--out", tmp_path, "--mpirun", other),
        python=pythons["openmpi"],
    )
    assert done.returncode == 4, done.stderr
    [row] = json.loads(done.stdout)["runs"][0]["rows"]
    assert row["status"] == "failed"
    assert "1 rank(s) where 2 were asked" in row["reason"]
