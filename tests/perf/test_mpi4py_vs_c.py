"""The communication loop holds its targets against a C program of the same protocol."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from c_side import prepare, pythons
from comm_vs_c import compare, describe, show, table
from conditions import MISSED, NOT_JUDGED, UNCLEAR
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.core.errors import LaunchError
from clustermark.runners.launcher import usable_cores


@pytest.mark.mpi
@pytest.mark.parametrize("wire", ["shm", "tcp"])
@pytest.mark.parametrize("environment", [0, 1], ids=["this-python", "other-python"])
def test_the_communication_loop_keeps_up_with_c(
    benchmark: BenchmarkFixture, say: Callable[[str], None], tmp_path: Path, environment: int, wire: str
) -> None:
    if environment >= len(pythons()):
        pytest.skip("CLUSTERMARK_OTHER_PYTHON names no second environment")
    if usable_cores() < 2:
        pytest.skip("two ranks on one core measure the scheduler")
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("commbench.c is written for Linux")
    try:
        side = prepare(pythons()[environment], tmp_path)
    except LaunchError as error:
        pytest.skip(str(error))
    if isinstance(side, str):
        pytest.skip(side)
    comparison = benchmark.pedantic(compare, args=(side, wire), rounds=1)
    rows = table(comparison)
    say(show(describe(comparison, side), rows, comparison.load))
    assert not _with(rows, MISSED), _with(rows, MISSED)
    if comparison.load:
        pytest.skip(f"{NOT_JUDGED} ({comparison.load})")
    if _with(rows, UNCLEAR):
        pytest.skip(f"the interval holds the bound: {_with(rows, UNCLEAR)}")


def _with(rows: list[dict[str, str]], verdict: str) -> str:
    found = [row for row in rows if row["verdict"].startswith(verdict)]
    return "; ".join(f"{row['case']}: {row['ratio']} ({row['interval']}), target {row['target']}" for row in found)
