"""Why a launch ended, from recorded words of both launchers and from the notes of ranks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clustermark.runners.diagnose import cannot_write, diagnose, seen_in_notes

OPENMPI_KILLED = """
--------------------------------------------------------------------------
prterun noticed that process rank 1 with PID 18480 on node vm exited on
signal 9 (Killed).
--------------------------------------------------------------------------
"""
OPENMPI_EARLY = """
--------------------------------------------------------------------------
prterun has exited due to process rank 1 with PID 18309 on node vm exiting
improperly. There are three reasons this could occur:
"""
MPICH_KILLED = """
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   EXIT CODE: 9
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
"""
STACK = """Timeout (0:00:03)!
Thread 0x00007f6f55c48b80 (most recent call first):
  File "/home/user/app/driver.py", line 24 in exchange
  File "/home/user/app/worker.py", line 53 in step
"""


@pytest.mark.parametrize(
    ("file", "text", "status", "expected"),
    [
        ("mpirun.stderr", OPENMPI_KILLED, 137, "rank 1 was killed by signal 9 (SIGKILL)"),
        ("mpirun.stderr", OPENMPI_EARLY, 1, "rank 1 ended early, without MPI_Finalize"),
        ("mpirun.stdout", MPICH_KILLED, 9, "a rank was killed by signal 9 (SIGKILL)"),
        ("mpirun.stderr", "", 0, "a rank ended early with exit status 0"),
        ("mpirun.stderr", "", 143, "the launch was ended by signal 15 (SIGTERM)"),
        ("mpirun.stderr", "no such node\n", 3, "the launch ended with exit status 3; mpirun said: no such node"),
        ("rank0.stderr", "MPI_ERR_TRUNCATE: message truncated\n", 1, "rank 0 said: MPI_ERR_TRUNCATE"),
        ("rank1.stderr", "Fatal Python error: Segmentation fault\n", 139, "rank 1 crashed: Segmentation fault"),
        ("rank1.trace", STACK, None, "hung: nothing moved for 3 s, rank 1 in driver.py:24 in exchange"),
    ],
)
def test_recorded_ends_are_told_in_one_sentence(
    tmp_path: Path, file: str, text: str, status: int | None, expected: str
) -> None:
    (tmp_path / file).write_text(text)
    sentence = diagnose(tmp_path, status, timed_out=status is None, timeout=3)
    assert expected in sentence
    assert "\n" not in sentence


def test_silence_without_any_note_is_a_time_out(tmp_path: Path) -> None:
    assert "no rank gave a sign of life for 5 s" in diagnose(tmp_path, None, timed_out=True, timeout=5)


def test_the_first_raising_rank_speaks_and_the_others_are_counted(tmp_path: Path) -> None:
    for rank in range(3):
        note = {"rank": rank, "type": "ValueError", "message": "bad size", "where": "gemm.py:7", "own": False}
        (tmp_path / f"rank{rank}.error.json").write_text(json.dumps(note))
    assert seen_in_notes(tmp_path, 3) == "rank 0 raised ValueError in gemm.py:7: bad size (and 2 more rank(s))"


def test_a_full_disk_is_known_by_note_or_status(tmp_path: Path) -> None:
    assert cannot_write(tmp_path, 74)
    assert not cannot_write(tmp_path, 1)
    (tmp_path / "rank0.error.json").write_text(json.dumps({"rank": 0, "type": "StoreError", "message": "full"}))
    assert cannot_write(tmp_path, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["rank0.error.json", "rank0.stderr", "rank0.trace", "mpirun.stderr"]), st.binary(max_size=300))
def test_foreign_bytes_in_logs_never_raise(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    sentence = diagnose(tmp_path, 1, timed_out=False, timeout=3)
    (tmp_path / name).unlink()
    assert sentence
