"""What a person waits for: the command line, a plan, a result on the disk, a report."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conditions import Figure, Judge, Target, Watch
from made_runs import copies, plan_of, recorded_run, result_of
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.core.store import write_case
from clustermark.reports.build import build


def median(benchmark: BenchmarkFixture) -> float:
    """[s] median of the rounds just run."""
    assert benchmark.stats is not None, "timings are switched off: call with --benchmark-only"
    return statistics.median(benchmark.stats.stats.data)


@pytest.mark.parametrize(("words", "limit"), [(("--help",), 0.3), (("list",), 0.3), (("plan", "smoke"), 1.0)])
def test_the_command_line_answers_at_once(
    benchmark: BenchmarkFixture, judge: Judge, words: tuple[str, ...], limit: float
) -> None:
    command = [sys.executable, "-m", "clustermark", *words]
    with Watch() as watch:
        benchmark.pedantic(
            subprocess.run, args=(command,), kwargs={"check": True, "capture_output": True}, rounds=9, warmup_rounds=1
        )
    judge(watch.load, Figure(f"clustermark {' '.join(words)}", median(benchmark), Target(limit, unit="s")))


def test_ten_thousand_cases_are_planned_in_a_second(benchmark: BenchmarkFixture, judge: Judge) -> None:
    with Watch() as watch:
        plan = benchmark.pedantic(plan_of, args=(100, 2), kwargs={"widest": 50}, rounds=5, warmup_rounds=1)
    assert len(plan.cases) == 10_000
    judge(watch.load, Figure("planning 10,000 cases", median(benchmark), Target(1.0, unit="s")))


def test_a_case_file_is_on_the_disk_within_20_ms(
    benchmark: BenchmarkFixture, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = result_of(plan_of(1, 16, ("shm",)).cases[0], 1000)
    in_fsync = []
    fsync = os.fsync

    def timed_fsync(descriptor: int) -> None:
        begun = time.perf_counter()
        fsync(descriptor)
        in_fsync.append(time.perf_counter() - begun)

    monkeypatch.setattr(os, "fsync", timed_fsync)
    begun = time.perf_counter()
    with Watch() as watch:
        benchmark.pedantic(write_case, args=(tmp_path / "case.h5", result), rounds=40)
    share = sum(in_fsync) / (time.perf_counter() - begun)
    size = (tmp_path / "case.h5").stat().st_size >> 10
    what = f"writing a case file of 1000 × 16 samples ({size} KiB, {share:.0%} of it in fsync)"
    judge(watch.load, Figure(what, median(benchmark) * 1e3, Target(20.0, unit="ms")))


def test_a_run_of_a_hundred_cases_is_assembled_in_two_seconds(
    benchmark: BenchmarkFixture, judge: Judge, tmp_path: Path
) -> None:
    run = recorded_run(tmp_path, plan_of(50, 16), 1000)
    with Watch() as watch:
        rows = benchmark.pedantic(run.assemble, rounds=3)
    assert len(rows) == 100
    judge(watch.load, Figure("assembling 100 cases of 1000 × 16 samples", median(benchmark), Target(2.0, unit="s")))


def test_a_report_over_two_hundred_runs_takes_under_ten_seconds(
    benchmark: BenchmarkFixture, judge: Judge, say: Callable[[str], None], tmp_path: Path
) -> None:
    folders = copies(recorded_run(tmp_path, plan_of(4, 2), 20), 200)
    with Watch() as watch:
        written = benchmark.pedantic(build, args=(folders, tmp_path / "report"), rounds=1)
    say("report: " + ", ".join(f"{path.name} {path.stat().st_size >> 10} KiB" for path in written))
    judge(watch.load, Figure("a report over 200 runs of 8 cases", median(benchmark), Target(10.0, unit="s")))
