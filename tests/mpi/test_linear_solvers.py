"""The distributed solvers under a real mpirun: every grid of up to six ranks, and a suite on 1, 2 and 4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import Run
from test_transports import start

pytestmark = pytest.mark.mpi

SUITE = """
[sampling]
seconds = 0.01
min_samples = 2
[[matrix]]
workload = "hpl"
ranks = [1, 2]
params = { n = 150, nb = 32, matrix = ["uniform", "singular"] }
[[matrix]]
workload = "hpl_mxp"
precision = ["fp32", "bf16", "fp16"]
ranks = 4
params = { n = 150, nb = 32 }
[[matrix]]
workload = "summa"
ranks = 4
params = { n = 150, nb = 32, p = [4, 3], inputs = "integers" }
[[matrix]]
workload = "hpl"
ranks = 1
params = { n = 16000000, nb = 32 }
"""


@pytest.mark.parametrize(("mpi", "ranks", "grids"), [("openmpi", 6, 14), ("mpich", 2, 3)])
def test_every_grid_agrees_with_the_reference_and_every_fault_is_caught(
    pythons: dict[str, str], mpi: str, ranks: int, grids: int
) -> None:
    if mpi not in pythons:
        pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
    answer: dict[str, Any] = start(pythons[mpi], ranks, "shm", "dense_solvers.py", str(ranks))
    assert answer["wrong"] == []
    assert answer["missed"] == []
    assert len(answer["grids"]) == grids


def test_a_suite_of_solvers_runs_and_shows_no_speed_that_is_not_proven(clustermark: Run, tmp_path: Path) -> None:
    (tmp_path / "solvers.toml").write_text(SUITE)
    done = clustermark("run", tmp_path / "solvers.toml", "--out", tmp_path, "--json", "--no-report")
    rows = json.loads(done.stdout)["runs"][0]["rows"]
    told: dict[str, list[str]] = {}
    for row in rows:
        case = row["case"]
        told.setdefault(row["status"], []).append(f"{case['workload']} {case['ranks']} {row['reason']}")
        without_speed = "; emulated" in row["arithmetic"]
        assert (row["status"] == "ok" and not without_speed) == bool(row["metrics"])
    assert len(told["ok"]) == 2 + 2 + 1
    assert len(told["wrong"]) == 2
    assert all("the matrix is singular: column 75 has no pivot" in text for text in told["wrong"])
    assert sorted(text.split()[0] for text in told["skipped"]) == ["hpl", "hpl_mxp", "summa"]
    assert any("would show no speed; use fp32 or bf16" in text for text in told["skipped"])
    assert any("needs 2.05 PB on a node where" in text for text in told["skipped"])
    assert "failed" not in told
