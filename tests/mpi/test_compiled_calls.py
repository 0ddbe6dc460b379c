"""MPI's C functions called from compiled code: right, and a fault ends its own case with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Run
from test_transports import start

pytestmark = pytest.mark.mpi

SUITE = """
[sampling]
seconds = 0.05
timeout = 8
[[matrix]]
workload = "faulty_calls"
ranks = 2
params = { mode = %s }
[[matrix]]
workload = "pingpong"
ranks = 2
params = { caller = ["auto", "python"] }
"""


def test_compiled_code_calls_what_mpi4py_loaded_stops_at_an_error_and_is_recorded(mpi_python: str) -> None:
    answer = start(mpi_python, 2, "shm", "compiled_calls.py")
    assert answer["handle"] == ("int32" if "mpich" in mpi_python else "int64")
    assert answer["moved"]
    assert answer["truncated"].startswith("MPI_Recv with rank 0 returned error")
    assert "truncate" in answer["truncated"].lower()
    assert answer["nobody"].startswith("MPI_Send with rank 7 returned error")
    assert answer["planted"].startswith("MPI_Isend with rank 1 returned error 17")
    assert answer["planted sum"].startswith("MPI_Allreduce returned error 17")
    assert answer["calls"] == 2
    assert all("C-contiguous" in sentence for sentence in answer["strided"])
    assert "of one shape" in answer["shapes"]
    assert answer["copied wrong"] == []
    assert "was not found" in answer["absent"]

    assert answer["callers"] == ["calls from compiled code"] * 2 + ["calls from Python, as asked"]
    assert set(answer["workloads"].values()) == {"calls from compiled code"}
    assert len(answer["workloads"]) == 9
    # MPICH 5 counts further, Open MPI 5 does not.
    if "mpich" in mpi_python:
        assert answer["further"][0] == ""
        assert "8 elements are more than the int holds" in answer["further"][1]
        assert "has no calls from compiled code, 8 elements are more" in answer["too far"]
    else:
        assert answer["further"][0].startswith("Open MPI v5")
        assert "counts 8 elements, over the 2^31 of an MPI int, and Open MPI" in answer["too far"]
    assert answer["planned"] == [True, True, True, 4, True]
    recorded, refused = answer["without"]
    assert recorded == "calls from Python: planted: no symbols here"
    assert "has no calls from compiled code, planted: no symbols here; use caller 'auto' or 'python'" in refused


def test_a_fault_amid_compiled_calls_fails_its_own_case_and_no_other(
    clustermark: Run, mpi_python: str, tmp_path: Path
) -> None:
    # Every fault costs a launch, a rank that hangs its time-out: once is enough.
    modes = ["kill"] if "mpich" in mpi_python else ["kill", "hang", "error"]
    (tmp_path / "faults.toml").write_text(SUITE % json.dumps(modes))
    words = ("run", tmp_path / "faults.toml", "--launches", 1, "--out", tmp_path, "--json", "--no-report")
    done = clustermark(*words, python=mpi_python)
    assert done.returncode == 4, done.stderr
    rows = json.loads(done.stdout)["runs"][0]["rows"]
    faults = {row["case"]["params"]["mode"]: row for row in rows if row["case"]["workload"] == "faulty_calls"}
    assert {row["status"] for row in faults.values()} == {"failed"}
    assert "killed by signal 9 (SIGKILL)" in faults["kill"]["reason"]
    assert "hang" not in modes or "hung: nothing moved for 8 s" in faults["hang"]["reason"]
    assert "error" not in modes or "MPI_Send with rank 99 returned error" in faults["error"]["reason"]
    honest = {row["case"]["params"]["caller"]: row for row in rows if row["case"]["workload"] == "pingpong"}
    assert {row["status"] for row in honest.values()} == {"ok"}
    assert honest["auto"]["caller"] == "calls from compiled code"
    assert honest["python"]["caller"] == "calls from Python, as asked"
