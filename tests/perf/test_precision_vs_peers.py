"""Our matrix products reach their share of the measured peak, and the triad that of C."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from conditions import Figure, Judge, Target
from precision_vs_peers import GEMM_HEADER, TARGET, TRIAD_HEADER, compare_products, compare_triads
from pytest_benchmark.fixture import BenchmarkFixture
from tabulate import tabulate

from clustermark.runners.launcher import usable_cores


def share(text: str) -> float:
    """``"89%"`` → 0.89."""
    return float(text.rstrip("%")) / 100


@pytest.mark.timeout(900)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [2048, 4096])
@pytest.mark.parametrize("precision", ["fp64", "fp32", "int8", "bf16"])
def test_a_product_reaches_its_share_of_the_peak_whatever_its_strides(
    benchmark: BenchmarkFixture, judge: Judge, say: Callable[[str], None], precision: str, n: int, threads: int
) -> None:
    if threads > usable_cores():
        pytest.skip("two threads on one core measure the scheduler")
    try:
        rows, load = benchmark.pedantic(compare_products, args=(precision, n, threads, 5), rounds=1)
    except ValueError as error:
        pytest.skip(str(error))
    say(tabulate(rows, GEMM_HEADER, disable_numparse=True))
    figures = []
    for row in (row for row in rows if row[3].startswith("ours")):
        low, high = (share(end) for end in row[6].split(" … "))
        least = TARGET**2 if row[3].endswith(("transposed", "strided")) else TARGET
        figures.append(Figure(" ".join(row[:4]), share(row[5]), Target(math.inf, least), (low, high)))
    judge(load, *figures)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_triad_keeps_up_with_c(
    benchmark: BenchmarkFixture, judge: Judge, say: Callable[[str], None], threads: int
) -> None:
    if threads > usable_cores():
        pytest.skip("two threads on one core measure the scheduler")
    try:
        rows, load = benchmark.pedantic(compare_triads, args=(threads, 15), rounds=1)
    except OSError as error:
        pytest.skip(str(error))
    say(tabulate(rows, TRIAD_HEADER, disable_numparse=True))
    judge(load, *(Figure(f"triad, {row[0]} stores, ÷ C", float(row[4]), Target(math.inf, 0.95)) for row in rows))
