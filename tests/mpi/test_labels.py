"""Conditions that a reader must see stand on the figure: planted load, too many ranks, a forced BLAS kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Run

from clustermark.core.runfile import Run as RunFile
from clustermark.core.runfile import read_run
from clustermark.runners.launcher import usable_cores

pytestmark = pytest.mark.mpi


@pytest.fixture
def burners() -> Iterator[None]:
    """A program that computes on every core."""
    loop = "while True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run_one(clustermark: Run, folder: Path, *words: object, **options: object) -> RunFile:
    """A run of one suite, read back."""
    done = clustermark("run", "smoke", "--launches", 1, "--out", folder, "--no-report", *words, **options)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("*/run.h5")
    return read_run(path)


def test_a_planted_load_is_labelled_and_counted(clustermark: Run, burners: None, tmp_path: Path) -> None:
    words = ("--only", "peak", "--ranks", 1, "--precision", "fp64", "--set", "iterations=3000000", "--seconds", 1)
    [row] = run_one(clustermark, tmp_path, *words).rows
    assert "noisy machine: other programs ran" in row.conditions
    assert row.counters["foreign CPU share"] > 0.2


def test_more_ranks_than_cores_are_labelled(clustermark: Run, tmp_path: Path) -> None:
    ranks = usable_cores() + 1
    [row] = run_one(clustermark, tmp_path, "--only", "noop", "--ranks", ranks, "--fabric", "shm").rows
    assert any(label.startswith(f"oversubscribed: {ranks} threads on ") for label in row.conditions)


def test_a_forced_blas_kernel_is_recorded_and_tells_environments_apart(
    clustermark: Run, plugin_environment: dict[str, str], tmp_path: Path
) -> None:
    free = {key: value for key, value in plugin_environment.items() if not key.startswith("OPENBLAS_")}
    words = ("--only", "noop", "--ranks", 1)
    forced = run_one(clustermark, tmp_path / "forced", *words, env={**free, "OPENBLAS_CORETYPE": "Haswell"})
    plain = run_one(clustermark, tmp_path / "plain", *words, env=free)
    [environment] = forced.environments.values()
    assert environment["facts"]["variables"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert set(forced.environments) != set(plain.environments)
    assert set(plain.environments) == set(run_one(clustermark, tmp_path / "again", *words, env=free).environments)
