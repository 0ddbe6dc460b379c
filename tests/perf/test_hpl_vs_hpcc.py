"""HPL in fp64 keeps up with HPCC's, and the mixed solver is faster than our own in fp64."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
from conditions import Figure, Judge, Target
from hpl_vs_hpcc import LEAST, compare, missing, show
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.runners.launcher import usable_cores


@pytest.mark.mpi
def test_hpl_keeps_up_with_hpcc_and_the_mixed_solver_is_faster(
    benchmark: BenchmarkFixture, judge: Judge, say: Callable[[str], None]
) -> None:
    if missing():
        pytest.skip(missing())
    if usable_cores() < 2:
        pytest.skip("two ranks on one core measure the scheduler")
    comparison = benchmark.pedantic(compare, args=(5000, 192, 3), rounds=1)
    say(show(comparison))
    figures = []
    for name, least in LEAST.items():
        ratios = comparison.ratios(name)
        target = Target(math.inf, least, load_only_adds=False)
        figures.append(Figure(name, statistics.median(ratios), target, (min(ratios), max(ratios))))
    judge(comparison.load, *figures)
