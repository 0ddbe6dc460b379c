"""Each benchmark on one rank: its answer is proven, and a planted error is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.allreduce import work
from clustermark.benchmarks.elements import compare, expected_sum, payload, refuse_sum
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import ParamValue, Trial, Workload
from clustermark.devices.cpu import CpuDevice
from clustermark.transports.local import LocalTransport

SMALL: dict[str, dict[str, ParamValue]] = {
    "gemm": {"n": 65},
    "peak": {"iterations": 1000},
    "allreduce": {"bytes": 800},
    "halo_exchange": {"n": 7, "width": 2},
    "membw": {"bytes": 128 * 1001},
    "reduction": {"bytes": 128 * 1001},
    "halo": {"n": 7},
    "hpl": {"n": 65, "nb": 16},
    "hpl_mxp": {"n": 65, "nb": 16},
    "summa": {"n": 65, "nb": 16},
}


def case_of(workload: Workload, precision: str = "fp64", **params: ParamValue) -> Case:
    """A case of one rank with small parameters."""
    chosen = {p.name: p.default for p in workload.params} | SMALL.get(workload.name, {}) | params
    return Case(workload.name, workload.version, chosen, precision, "cpu", "local", "self", 1, 1)


def trial_of(case: Case) -> Trial:
    """The case made ready on the local transport."""
    context = Context(CpuDevice(), LocalTransport(), PRECISIONS[case.precision], np.random.default_rng(3))
    return BENCHMARKS[case.workload].prepare(case, context)


@pytest.mark.parametrize("precision", ["fp64", "fp32"])
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_proves_its_answer(name: str, precision: str) -> None:
    trial = trial_of(case_of(BENCHMARKS[name], precision))
    for _ in range(3):
        if trial.reset is not None:
            trial.reset()
        trial.step()
    check = trial.check()
    assert check.passed, check
    assert check.error <= check.bound
    assert all(amount.value >= 0 for amount in trial.work.values())


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_declaration_says_what_its_users_need(name: str) -> None:
    workload = BENCHMARKS[name]
    assert workload.name == name
    assert workload.summary
    assert workload.source
    assert set(workload.precisions) <= set(PRECISIONS)
    assert all(param.help for param in workload.params)
    assert all(param.check(param.default) == "" for param in workload.params)
    if workload.ceiling:
        other, metric = workload.ceiling.split(".")
        assert metric in trial_of(case_of(BENCHMARKS[other])).work


def test_matrix_units_of_a_gpu_are_not_held_against_its_vector_units() -> None:
    assert BENCHMARKS["gemm"].ceiling_on("cpu") == "peak.flop_rate"
    assert BENCHMARKS["gemm"].ceiling_on("cuda") == ""
    assert BENCHMARKS["reduction"].ceiling_on("cuda") == "membw.bandwidth"


def test_gemm_without_its_step_is_wrong() -> None:
    assert not trial_of(case_of(BENCHMARKS["gemm"])).check().passed


def test_a_gemm_of_lower_precision_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., object] = np.matmul

    def half(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
        out[...] = real(a.astype(np.float16), b.astype(np.float16))

    monkeypatch.setattr(np, "matmul", half)
    trial = trial_of(case_of(BENCHMARKS["gemm"], "fp32"))
    trial.step()
    monkeypatch.undo()
    assert not trial.check().passed


def test_rectangular_matrices_count_their_own_work() -> None:
    trial = trial_of(case_of(BENCHMARKS["gemm"], n=7, m=11, k=13))
    trial.step()
    assert trial.check().passed
    assert trial.work["flop_rate"].value == 2 * 7 * 11 * 13


@given(st.integers(1, 300), st.integers(1, 64), st.sampled_from(["float64", "float32"]))
def test_the_expected_sum_is_the_sum_of_the_payloads(count: int, ranks: int, dtype: str) -> None:
    total = sum(payload(count, rank, dtype).astype(np.int64) for rank in range(ranks))
    assert (expected_sum(count, ranks, dtype) == total).all()


def test_one_wrong_element_is_found_and_named() -> None:
    expected = expected_sum(100, 2, "float32")
    found = expected.copy()
    found[41] += 1
    check = compare(found, expected, lambda mine: mine)
    assert (check.passed, check.error) == (False, 1)
    assert "element 41 is" in check.detail
    assert compare(expected, expected, lambda mine: mine + 2).error == 2


def test_a_nan_is_a_wrong_element() -> None:
    expected = expected_sum(10, 2, "float64")
    found = expected.copy()
    found[0] = np.nan
    assert compare(found, expected, lambda mine: mine).error == 1


def test_bus_bandwidth_counts_what_each_link_carries() -> None:
    assert work(1000, 4)["bus_bandwidth"].value == 1500
    assert work(1000, 1)["bus_bandwidth"].value == 0
    assert work(1000, 4)["algorithm_bandwidth"].value == 1000


def test_sizes_that_do_not_divide_are_refused() -> None:
    allreduce = BENCHMARKS["allreduce"]
    assert "multiple of 8" in refuse_sum(case_of(allreduce, bytes=12))
    assert refuse_sum(case_of(allreduce, "fp32", bytes=12)) == ""
    assert "2^31" in refuse_sum(case_of(allreduce, bytes=2**35))


def test_matrices_that_cannot_fit_are_refused() -> None:
    gemm = BENCHMARKS["gemm"]
    crowded = replace(case_of(gemm, n=200_000), ranks=8, ranks_per_node=8)
    assert "GiB per node" in gemm.refuse(crowded)
    assert gemm.refuse(case_of(gemm)) == ""


def test_in_place_restores_its_payload_before_each_sample() -> None:
    trial = trial_of(case_of(BENCHMARKS["allreduce"], in_place=True))
    assert trial.reset is not None
    assert trial.check().passed
