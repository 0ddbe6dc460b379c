"""The gate on this machine: 10 % in real steps is found, equal versions raise no alarm, and it is quick."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conditions import Figure, Judge, Target, Watch
from gate_noise import MACHINES, interleaved
from gate_study import decision_seconds, family
from made_runs import copies, plan_of, recorded_run
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.core.gate_rules import Rules

PLANTED = Path(__file__).resolve().parents[1] / "planted"
SUITE = """
[sampling]
seconds = 0.1
[[matrix]]
workload = "planted"
params = { kind = ["equal", "slower", "faster"] }
"""
PLANTED_VERDICTS = {"equal": "unchanged", "slower": "regressed", "faster": "improved"}


def checked(folder: Path, *words: str, planted: str = "0.1") -> dict[str, dict[str, Any]]:
    """Kind → case of a real check of two settings."""
    (folder / "planted.toml").write_text(SUITE)
    paths = os.pathsep.join(filter(None, [str(PLANTED), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "clustermark", "check", "planted.toml", "--json", *words]
    command += ["--set-candidate", f"CLUSTERMARK_PLANTED={planted}"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.stdout, done.stderr
    return {case["label"].split("kind=")[1].split()[0]: case for case in json.loads(done.stdout)["cases"]}


@pytest.mark.timeout(1000)
def test_ten_percent_are_found_in_lockstep(benchmark: BenchmarkFixture, judge: Judge, tmp_path: Path) -> None:
    with Watch() as watch:
        found = benchmark.pedantic(checked, args=(tmp_path, "--method", "lockstep"), rounds=1)
    right = sum(found[kind]["verdict"] == verdict for kind, verdict in PLANTED_VERDICTS.items())
    judge(
        watch.load,
        Figure("lockstep: planted +10 % in a step, found", found["slower"]["change"], Target(0.13, 0.07, "")),
        Figure("lockstep: verdicts as planted", right, Target(3, 3, "")),
    )


@pytest.mark.timeout(1000)
def test_launches_in_turns_never_call_ten_percent_nothing(
    benchmark: BenchmarkFixture, judge: Judge, say: Callable[[str], None], tmp_path: Path
) -> None:
    """Where a pair of launches scatters by a tenth, 10 % are not found; what may not be is a wrong word."""
    found = benchmark.pedantic(checked, args=(tmp_path, "--method", "interleaved"), rounds=1)
    say(f"interleaved: {_told(found)}")
    wrong = sum(found[kind]["verdict"] not in (right, "inconclusive") for kind, right in PLANTED_VERDICTS.items())
    judge("", Figure("interleaved: wrong verdicts over a planted 10 %", wrong, Target(0, 0, "")))


@pytest.mark.timeout(1000)
def test_a_machine_that_is_loaded_on_purpose_is_never_called_unchanged(
    benchmark: BenchmarkFixture, judge: Judge, say: Callable[[str], None], tmp_path: Path
) -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        found = benchmark.pedantic(checked, args=(tmp_path,), rounds=1)
    finally:
        for one in busy:
            one.kill()
            one.wait()
    say(f"beside {len(busy)} busy processes: {_told(found)}")
    lucky = sum(case["verdict"] == "unchanged" for case in found.values())
    judge("", Figure("loaded machine: cases called unchanged", lucky, Target(0, 0, "")))


def _told(found: dict[str, dict[str, Any]]) -> str:
    return ", ".join(f"{kind} {case['verdict']} ({case['change']:+.1%})" for kind, case in found.items())


def test_a_thousand_cases_are_judged_within_a_second(benchmark: BenchmarkFixture, judge: Judge) -> None:
    with Watch() as watch:
        seconds = [benchmark.pedantic(decision_seconds, rounds=1), decision_seconds(), decision_seconds()]
    judge(watch.load, Figure("gate decision on 1,000 cases", statistics.median(seconds), Target(1.0, unit="s")))


def test_false_alarms_and_power_hold_on_the_shared_machine_model(benchmark: BenchmarkFixture, judge: Judge) -> None:
    """The whole study is tests/perf/gate_study.py; this is its quick guard."""
    rng = np.random.default_rng(11)
    pairs, rules = interleaved(MACHINES["shared machine"]), Rules()

    def count() -> tuple[int, int]:
        alarms = sum(any(one.verdict == "regressed" for one in family(rng, pairs, rules, 50, 0.0)) for _ in range(200))
        return alarms, sum(family(rng, pairs, rules, 1, 0.1)[0].verdict == "regressed" for _ in range(1000))

    alarms, found = benchmark.pedantic(count, rounds=1)
    judge("", Figure("false alarms in 200 suites of 50 cases", alarms, Target(2)))
    judge("", Figure("planted 10 % found in 1,000 cases", found, Target(1000, 950)))


def test_fifty_runs_are_compared_within_five_seconds(benchmark: BenchmarkFixture, judge: Judge, tmp_path: Path) -> None:
    paths = copies(recorded_run(tmp_path, plan_of(25, 2), 100), 50)
    command = [sys.executable, "-m", "clustermark", "compare", "--json", *map(str, paths)]
    with Watch() as watch:
        benchmark.pedantic(subprocess.run, args=(command,), kwargs={"check": True, "capture_output": True}, rounds=3)
    assert benchmark.stats is not None
    median = statistics.median(benchmark.stats.stats.data)
    judge(watch.load, Figure("clustermark compare of 50 runs of 50 cases", median, Target(5.0, unit="s")))
