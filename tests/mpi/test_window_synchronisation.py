"""Windows on synchronised clocks under a real mpirun: stored as such, with the share of late starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import Run

from clustermark.core.runfile import read_samples
from clustermark.runners.measure import CLOCK, COMPILED_CLOCK

pytestmark = pytest.mark.mpi

SUITE = """
[sampling]
seconds = 0.05
min_samples = 5
synchronisation = "window"
[[matrix]]
workload = "allreduce"
ranks = [1, 2]
params = { bytes = "8B", caller = ["auto", "python"] }
"""


def test_what_lined_the_ranks_up_is_stored(clustermark: Run, mpi_python: str, tmp_path: Path) -> None:
    (tmp_path / "windows.toml").write_text(SUITE)
    done = clustermark(
        *("run", tmp_path / "windows.toml", "--launches", 1, "--out", tmp_path, "--json", "--no-report"),
        python=mpi_python,
    )
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*/run.h5")
    found = [result.measurement for result in read_samples(file) if result.measurement is not None]
    assert sorted(each.sync for each in found)[:2] == ["none", "none"]
    together = [each for each in found if each.sync != "none"]
    assert all(re.fullmatch(r"window, [\d.]+ % of starts late", each.sync) for each in together)
    # Compiled code and Python each by its own clock.
    assert {each.clock for each in together} == {CLOCK, COMPILED_CLOCK}
    assert len(found) == 4
