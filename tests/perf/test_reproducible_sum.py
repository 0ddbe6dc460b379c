"""The reproducible sum takes at most twice the plain all-reduce from 1 MiB on."""

from __future__ import annotations

import statistics
import sys
from typing import Any

import pytest
from c_side import HERE, Side, launch, mpirun_of
from conditions import Figure, Judge, Target, Watch
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.core.errors import LaunchError
from clustermark.core.stats import order_statistic_interval
from clustermark.core.units import format_bytes
from clustermark.transports.fabrics import fabric_aliases

PAIRS = 60


@pytest.mark.mpi
@pytest.mark.parametrize("wire", ["shm", "tcp"])
def test_a_reproducible_sum_costs_at_most_twice_the_plain_one(
    benchmark: BenchmarkFixture, judge: Judge, wire: str
) -> None:
    try:
        mpi, mpirun = mpirun_of(sys.executable)
    except LaunchError as error:
        pytest.skip(str(error))
    side = Side(mpi, sys.executable, "", "", mpirun, "")
    fabric = fabric_aliases(mpi)[wire]
    with Watch(pressure_counts=False) as watch:
        lines: list[dict[str, Any]] = benchmark.pedantic(
            launch, args=(side, fabric, [sys.executable, str(HERE / "sum_ranks.py"), fabric, str(PAIRS)]), rounds=1
        )
    figures = []
    for row in (line for line in lines if "bytes" in line):
        ratios = [b / a for a, b in zip(row["plain"], row["reproducible"], strict=True)]
        within = order_statistic_interval(ratios)
        what = f"reproducible ÷ plain all-reduce of {format_bytes(row['bytes'])} over {fabric}"
        value = statistics.median(ratios)
        figures.append(Figure(what, value, Target(2.0, load_only_adds=False), interval=(within.low, within.high)))
    judge(watch.load, *figures)
