"""Windows on synchronised clocks under a real mpirun: stored as such, with the share of late starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import Run

from clustermark.core.runfile import read_samples

pytestmark = pytest.mark.mpi

SUITE = """
[sampling]
seconds = 0.05
min_samples = 5
synchronisation = "window"
[[matrix]]
workload = "allreduce"
ranks = [1, 2]
params = { bytes = "8B" }
"""


def test_what_lined_the_ranks_up_is_stored(clustermark: Run, mpi_python: str, tmp_path: Path) -> None:
    (tmp_path / "windows.toml").write_text(SUITE)
    done = clustermark(
        *("run", tmp_path / "windows.toml", "--launches", 1, "--out", tmp_path, "--json", "--no-report"),
        python=mpi_python,
    )
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*/run.h5")
    found = [result.measurement.sync for result in read_samples(file) if result.measurement is not None]
    assert len(found) == 2
    assert "none" in found
    assert any(re.fullmatch(r"window, [\d.]+ % of starts late", text) for text in found)
