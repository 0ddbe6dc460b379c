"""hpl, hpl_mxp and summa on one rank: the reference's pivots and solution, planted faults, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dense_helpers.faults import FAULTS

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.dense import bf16_update
from clustermark.benchmarks.dense import matrix as matrices
from clustermark.benchmarks.dense.bf16_update import Bf16Update
from clustermark.benchmarks.dense.factorisation import Factorisation, deal
from clustermark.benchmarks.dense.kernels_cpu import round_to_bf16
from clustermark.benchmarks.dense.lines import make_grid
from clustermark.benchmarks.dense.memory import require_memory
from clustermark.benchmarks.dense.reference import reference_lu, reference_solve
from clustermark.benchmarks.dense.solvers import DirectSolver, MixedSolver
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.errors import ClustermarkError
from clustermark.core.machine import Machine, refusal
from clustermark.core.number_formats import bf16_bits
from clustermark.core.precision import PRECISIONS
from clustermark.core.suite import Sampling
from clustermark.core.workload import Trial
from clustermark.devices.blas import BY_MATMUL, open_blas
from clustermark.devices.cpu import CpuDevice
from clustermark.devices.simd_dots import choose_dot, host_features
from clustermark.runners import catalog
from clustermark.transports.local import LocalTransport

ALONE = make_grid(None, 1, 1)
SIZES = [(1, 1), (5, 5), (7, 3), (64, 16), (101, 32), (130, 50)]


def case_of(name: str, precision: str = "fp64", ranks: int = 1, **params: Any) -> Case:
    chosen = {p.name: p.default for p in BENCHMARKS[name].params} | {"n": 65, "nb": 16} | params
    return Case(name, 1, chosen, precision, "cpu", "local" if ranks == 1 else "mpi", "self", ranks, ranks)


def trial_of(case: Case) -> Trial:
    context = Context(CpuDevice(), LocalTransport(), PRECISIONS[case.precision], np.random.default_rng(3))
    return BENCHMARKS[case.workload].prepare(case, context)


def run(trial: Trial) -> Trial:
    if trial.reset is not None:
        trial.reset()
    trial.step()
    return trial


# --- the reference ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blas", [open_blas(), BY_MATMUL], ids=["library", "matmul"])
@pytest.mark.parametrize(("n", "block"), SIZES)
@pytest.mark.parametrize("make", [matrices.uniform_matrix, matrices.scaled_matrix])
def test_pivots_factors_and_solution_are_those_of_the_reference(make: Any, n: int, block: int, blas: Any) -> None:
    matrix = make(n, 3)
    solver = DirectSolver(matrix, block, ALONE, "float64", blas)
    solver.reset()
    solver.step()
    whole = matrix.part(np.arange(n), np.arange(n + 1))
    lu, pivots = reference_lu(whole)
    assert (solver.factorisation.pivots == pivots).all()
    upper = np.triu(solver.factorisation.matrix)
    assert (np.abs(upper - np.triu(lu)) <= 1e-11 * np.abs(lu).max(axis=1, keepdims=True)).all()
    wanted = reference_solve(whole)
    assert np.abs(solver.x / wanted - 1).max() < 1e-6
    assert solver.check().passed


@pytest.mark.parametrize(("n", "block"), SIZES)
def test_without_pivoting_the_factors_give_the_matrix_back(n: int, block: int) -> None:
    matrix = matrices.definite_matrix(n, 5)
    parts = deal(n, 0, block, ALONE)
    whole = matrix.part(np.arange(n), np.arange(n))
    factors = Factorisation(parts, whole.copy(), open_blas(), pivoting=False)
    factors.run()
    lower, upper = np.tril(factors.matrix, -1) + np.eye(n), np.triu(factors.matrix)
    assert np.abs(lower @ upper - whole).max() < 1e-13 * n
    assert np.abs(lower).max() * np.abs(upper).max() < 4 * np.abs(whole).max()


def test_the_reference_solves_and_names_a_column_without_pivot() -> None:
    matrix = matrices.uniform_matrix(20, 1).part(np.arange(20), np.arange(21))
    assert np.allclose(reference_solve(matrix), np.linalg.solve(matrix[:, :20], matrix[:, 20]), rtol=1e-10)
    matrix[:, 6] = 0
    with pytest.raises(ZeroDivisionError, match="column 6"):
        reference_lu(matrix)


# --- the checks, and faults that they must catch ------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp64", "fp32"])
def test_a_badly_scaled_matrix_is_solved(precision: str) -> None:
    check = run(trial_of(case_of("hpl", precision, matrix="scaled"))).check()
    assert check.passed, check


@pytest.mark.parametrize("block", [8, 16, 65])
def test_a_singular_matrix_fails_and_its_column_is_named(block: int) -> None:
    check = run(trial_of(case_of("hpl", matrix="singular", nb=block))).check()
    assert not check.passed
    assert "the matrix is singular: column 32 has no pivot" in check.detail


@pytest.mark.parametrize("name", ["hpl", "hpl_mxp", "summa"])
def test_a_solver_without_its_step_is_wrong(name: str) -> None:
    assert not trial_of(case_of(name)).check().passed


def test_a_second_step_without_a_new_matrix_is_no_step_on_what_the_first_left() -> None:
    trial = run(trial_of(case_of("hpl")))
    trial.step()
    assert trial.check().passed


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant = FAULTS[fault]
    case = case_of(name, "fp32" if name == "hpl_mxp" else "fp64")
    assert run(trial_of(case)).check().passed
    plant(monkeypatch.setattr)
    check = run(trial_of(case)).check()
    # Alone nothing is sent, so that what is sent wrongly harms nobody.
    assert check.passed == (fault == "stale message"), check


def test_the_mixed_solver_needs_its_refinement_and_says_how_long_it_took() -> None:
    trial = run(trial_of(case_of("hpl_mxp", "fp32", n=200)))
    check = trial.check()
    assert check.passed
    assert check.name == "backward error of HPL-MxP, conforming"
    assert 1 <= trial.counters["GMRES iterations"] <= 6
    assert trial.counters["least |diagonal| / sum beside it"] < 0.5
    assert trial.counters["conforms to the rules of HPL-MxP"] == 1


@pytest.mark.parametrize("nb", [16, 64])
def test_factors_in_bf16_are_refined_to_fp64_and_have_a_speed_only_where_the_cpu_has_the_instruction(nb: int) -> None:
    trial = run(trial_of(case_of("hpl_mxp", "bf16", n=201, nb=nb)))
    check = trial.check()
    assert check.passed
    assert check.name == "backward error of HPL-MxP, conforming"
    assert 3 <= trial.counters["GMRES iterations"] <= 20, "factors of 8 bits cannot be as good as those of 24"
    path = choose_dot("uint16", host_features()).path
    assert trial.arithmetic == f"factors bf16 × bf16, sums fp32, result fp32; {path}, refined in fp64"
    assert bool(trial.work) == (path == "native")


def test_factors_in_bf16_give_the_matrix_back_within_its_rounding_and_without_the_instruction_are_emulated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    update = Bf16Update(60, 16, 512, 1, features=())
    assert update.path == "emulated"

    def error() -> float:
        """Largest |LU − A| ÷ (|L||U|), in roundoffs of bf16."""
        whole = matrices.definite_matrix(60, 1).part(np.arange(60), np.arange(60)).astype(np.float32)
        factors = Factorisation(deal(60, 0, 16, ALONE), whole.copy(), open_blas(), False, update.subtract)
        factors.run()
        lower, upper = (
            half.astype(float) for half in (np.tril(factors.matrix, -1) + np.eye(60), np.triu(factors.matrix))
        )
        return float((np.abs(lower @ upper - whole) / (np.abs(lower) @ np.abs(upper))).max()) * 2**8

    assert 0.01 < error() < 2.1, "two factors are rounded, each by one roundoff at most"
    real: Callable[..., None] = bf16_update.multiply
    monkeypatch.setattr(bf16_update, "multiply", lambda a, b, c, room, _, accumulate: real(a, b, c, room, 1.0, True))
    assert error() > 10, "a forgotten sign"


def test_numbers_are_rounded_to_bf16_as_the_formats_say() -> None:
    values = np.random.default_rng(2).normal(size=(37, 21)).astype(np.float32)
    values[0, :5] = 0, np.inf, -np.inf, 1 + 2.0**-8, 1 + 3 * 2.0**-8
    bits = np.zeros(values.T.shape, np.uint16)
    round_to_bf16(values.T, bits)
    assert (bits == bf16_bits(values.T)).all()


@pytest.mark.parametrize(("precision", "matrix"), [("fp64", "definite"), ("fp32", "dominant")])
def test_what_the_rules_do_not_allow_is_labelled(precision: str, matrix: str) -> None:
    trial = run(trial_of(case_of("hpl_mxp", precision, matrix=matrix)))
    check = trial.check()
    assert check.passed
    assert "not conforming: " in check.name
    assert trial.counters["conforms to the rules of HPL-MxP"] == 0


def test_a_matrix_that_needs_pivoting_is_not_solved_without() -> None:
    solver = MixedSolver(matrices.singular_matrix(40, 1), 8, ALONE, "float32", open_blas(), "conforming")
    solver.step()
    check = solver.check()
    assert not check.passed
    assert "column 20 has a pivot of 0" in check.detail


@pytest.mark.parametrize("inputs", ["random", "integers"])
@pytest.mark.parametrize("precision", ["fp64", "fp32"])
def test_every_element_of_a_product_is_looked_at(inputs: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from clustermark.benchmarks.dense import summa

    made: list[summa.Summa] = []
    real: Callable[..., None] = summa.Summa.__init__
    monkeypatch.setattr(summa.Summa, "__init__", lambda self, *args: (real(self, *args), made.append(self))[0])
    trial = run(trial_of(case_of("summa", precision, inputs=inputs, n=50, nb=7)))
    assert trial.check().passed
    made[0].c[31, 7] += 1e-3 if inputs == "random" else 1
    check = trial.check()
    assert not check.passed
    assert "element (31, 7)" in check.detail
    made[0].c[31, 7] = np.nan
    assert not trial.check().passed


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hpl", "hpl_mxp", "summa"])
@pytest.mark.parametrize(
    ("params", "ranks", "part"),
    [
        ({"nb": 66}, 1, "blocks of nb = 66 and a matrix of n = 65; use nb ≤ 65"),
        ({"p": 2, "q": 2}, 6, "grid p×q of 2×2 for 6 ranks; use p·q = 6"),
        ({"p": 4}, 6, "grid p×q of 4×? for 6 ranks"),
        ({"q": 7}, 6, "grid p×q of ?×7 for 6 ranks"),
        ({"p": 3}, 6, ""),
        ({"q": 6}, 6, ""),
        ({}, 5, ""),
    ],
)
def test_impossible_layouts_are_refused_with_a_way_out(name: str, params: Any, ranks: int, part: str) -> None:
    said = BENCHMARKS[name].refuse(case_of(name, ranks=ranks, **params))
    assert part in said
    assert bool(part) == bool(said)


def test_a_format_that_no_cpu_multiplies_is_refused() -> None:
    assert "would show no speed; use fp32 or bf16" in BENCHMARKS["hpl_mxp"].refuse(case_of("hpl_mxp", "fp16"))


@pytest.mark.parametrize("name", ["hpl", "hpl_mxp", "summa"])
def test_a_matrix_that_does_not_fit_is_refused_with_both_figures(name: str) -> None:
    with pytest.raises(ClustermarkError, match=r"needs \d\d\d TB on a node where .*B are available; use a"):
        trial_of(case_of(name, n=4_000_000, nb=128))


def test_all_ranks_of_a_node_share_its_memory() -> None:
    case = replace(case_of("hpl", ranks=4), ranks_per_node=4)
    require_memory(case, LocalTransport(), 2e9, available=1e10)
    with pytest.raises(ClustermarkError, match=r"needs 12\.0 GB on a node where 10\.0 GB are"):
        require_memory(case, LocalTransport(), 3e9, available=1e10)


@pytest.mark.parametrize(
    ("name", "n", "gigabytes"), [("hpl", 11_000, 1.0), ("hpl_mxp", 9_000, 1.0), ("summa", 6_000, 1.7)]
)
def test_the_plan_refuses_a_matrix_that_does_not_fit_before_anything_is_launched(
    name: str, n: int, gigabytes: float
) -> None:
    case = replace(case_of(name, "fp32" if name == "hpl_mxp" else "fp64", n=n, nb=128), ranks_per_node=1)
    workload, here = BENCHMARKS[name], Machine({"cpu": ""}, {}, {}, {"local": lambda *_: ""})
    assert refusal(case, workload, here, Sampling()) == "", "of a node that is not known nothing is refused"
    assert refusal(case, workload, replace(here, memory=2e9), Sampling()) == ""
    told = refusal(case, workload, replace(here, memory=0.5e9), Sampling())
    assert (
        told.startswith("needs ") and "on a node where 500 MB are available; use a smaller size or more nodes" in told
    )
    assert workload.memory(case) == pytest.approx(gigabytes * 1e9, rel=0.1)
    assert workload.refuse(replace(case, params={**case.params, "p": 3})) == refusal(
        replace(case, params={**case.params, "p": 3}), workload, replace(here, memory=1.0), Sampling()
    ), "a grid that does not fit is told first"


def test_the_plan_of_this_machine_knows_its_memory_and_that_of_other_nodes_it_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CLUSTERMARK_HOSTS", raising=False)
    assert 1e6 < catalog.machine(None).memory < math.inf
    assert catalog.machine(None, nodes=None).memory == catalog.machine(None, nodes=2).memory == math.inf
