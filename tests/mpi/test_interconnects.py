"""The benchmarks of communication on 2, 3 and 4 ranks of a real mpirun: right, and wrong where the transport is."""

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
min_samples = 5
[[matrix]]
workload = "pingpong"
ranks = [1, 2]
fabric = ["shm", "tcp"]
params = { bytes = ["0B", "1B", "64KiB"] }
[[matrix]]
workload = "multi_pair"
ranks = 2
params = { bytes = "4KiB", bidirectional = [true, false] }
[[matrix]]
workload = "alltoall"
ranks = 2
params = { bytes = "10001B" }
[[matrix]]
workload = "reduce_scatter"
precision = ["fp64", "fp16"]
ranks = 2
params = { bytes = "8008B", in_place = [true, false] }
[[matrix]]
workload = "halo_exchange"
ranks = 2
params = { n = 9, dimensions = [2, 3] }
[[matrix]]
workload = "reproducible_sum"
ranks = [1, 2]
fabric = ["shm", "tcp"]
params = { bytes = "400008B", contributions = 5 }
[[matrix]]
workload = "low_precision_sum"
precision = ["fp16", "bf16"]
ranks = 2
params = { bytes = "10002B", part = ["whole", "wire", "reduction"] }
"""


@pytest.mark.parametrize(("mpi", "ranks"), [("openmpi", 2), ("openmpi", 3), ("openmpi", 4), ("mpich", 2)])
def test_every_element_is_checked(pythons: dict[str, str], mpi: str, ranks: int) -> None:
    if mpi not in pythons:
        pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
    answer: dict[str, Any] = start(pythons[mpi], ranks, "shm", "benchmark_faults.py", str(ranks))
    assert answer["cases"] > 40
    assert answer["wrong"] == []
    assert answer["missed"]["Never"] == []
    assert answer["missed"]["Once"] == []
    # Between more ranks, most messages are told apart by their sender.
    assert ranks > 2 or answer["missed"]["Swapped"] == []


def test_a_suite_of_interconnects_runs_and_says_what_it_leaves_out(
    clustermark: Run, mpi_python: str, tmp_path: Path
) -> None:
    (tmp_path / "wires.toml").write_text(SUITE)
    done = clustermark(
        *("run", tmp_path / "wires.toml", "--launches", 1, "--out", tmp_path, "--json", "--no-report"),
        python=mpi_python,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["runs"][0]["rows"]
    skipped = {row["reason"] for row in rows if row["status"] == "skipped"}
    assert any("nobody to send to" in reason for reason in skipped)
    assert any("has no fp16 sum; use 'nccl' or precision 'fp32'" in reason for reason in skipped)
    ran = [row for row in rows if row["status"] != "skipped"]
    assert {row["status"] for row in ran} == {"ok"}
    assert {row["case"]["workload"] for row in ran} == {
        *("pingpong", "multi_pair", "alltoall", "reduce_scatter", "halo_exchange"),
        *("reproducible_sum", "low_precision_sum"),
    }
    sums = [row["counters"]["checksum of the sum"] for row in ran if row["case"]["workload"] == "reproducible_sum"]
    assert len(sums) == 3
    assert len(set(sums)) == 1, "one rank, two over memory and two over TCP hold the same bits"
    assert all(row["fabric"]["proven"] for row in ran)
