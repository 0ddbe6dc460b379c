"""The parts of the distributed solvers on one process: layout, row moves, BLAS, matrices, GMRES, residuals."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.benchmarks.dense import matrix as matrices
from clustermark.benchmarks.dense.factorisation import deal
from clustermark.benchmarks.dense.gmres import gmres
from clustermark.benchmarks.dense.layout import Cyclic
from clustermark.benchmarks.dense.lines import Line, make_grid
from clustermark.benchmarks.dense.panel import winning_rank
from clustermark.benchmarks.dense.reference import reference_solve
from clustermark.benchmarks.dense.residual import residual
from clustermark.benchmarks.dense.row_moves import permutation, plan_moves
from clustermark.benchmarks.dense.summa import slabs
from clustermark.devices.blas import BY_MATMUL, Blas, _is_right, open_blas
from clustermark.transports.parts import part_of

BLAS = {"library": open_blas(), "matmul": BY_MATMUL}


# --- layout -------------------------------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 5))
def test_every_index_belongs_to_one_process_which_keeps_it_where_it_says(size: int, block: int, processes: int) -> None:
    lines = [Cyclic(size, block, processes, place) for place in range(processes)]
    assert sorted(int(i) for line in lines for i in line.mine) == list(range(size))
    for line in lines:
        for index in range(size + 1):
            assert line.below(index) == (line.mine < index).sum()
            assert line.below(index, line.place) == line.below(index)
        for place, index in enumerate(line.mine.tolist()):
            assert (line.owner(index), line.local(index)) == (line.place, place)


# --- row moves ----------------------------------------------------------------------------------------------


@st.composite
def pivoted(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    n = draw(st.integers(1, 40))
    start = draw(st.integers(0, n - 1))
    width = draw(st.integers(1, min(8, n - start)))
    return n, start, [draw(st.integers(start + j, n - 1)) for j in range(width)]


class GivenLine(Line):
    """A line on which the rows that all ranks give are known beforehand."""

    def __init__(self, rank: int, size: int, everyone: np.ndarray) -> None:
        super().__init__()
        self.rank, self.size, self.everyone = rank, size, everyone

    def allgather_rows(self, mine: np.ndarray, counts: Sequence[int], into: np.ndarray) -> np.ndarray:
        begin = sum(counts[: self.rank])
        assert (mine == self.everyone[begin : begin + counts[self.rank]]).all()
        return self.everyone


@given(pivoted(), st.integers(1, 4), st.integers(1, 5))
def test_all_interchanges_at_once_are_what_they_are_one_by_one(
    drawn: tuple[int, int, list[int]], processes: int, block: int
) -> None:
    n, start, positions = drawn
    whole = np.arange(3.0 * n).reshape(n, 3)
    one_by_one = whole.copy()
    for j, place in enumerate(positions):
        one_by_one[[start + j, place]] = one_by_one[[place, start + j]]
    end = start + len(positions)
    rows = [Cyclic(n, block, processes, place) for place in range(processes)]
    plans = [plan_moves(start, positions, line) for line in rows]
    given = np.concatenate([whole[line.mine][plan.packed] for line, plan in zip(rows, plans, strict=True)])
    for line, plan in zip(rows, plans, strict=True):
        local = whole[line.mine].copy()
        buffers = np.zeros(100), np.zeros(100)
        upper = plan.apply(local, 1, 3, GivenLine(line.place, processes, given[:, 1:]), *buffers)
        assert (upper == one_by_one[start:end, 1:]).all()
        beyond = (line.mine < start) | (line.mine >= end)
        assert (local[beyond, 1:] == one_by_one[line.mine][beyond, 1:]).all()
        assert (local[:, 0] == whole[line.mine, 0]).all()


def test_a_pivot_row_may_come_from_a_row_that_moved_before() -> None:
    assert permutation(2, [5, 5, 4]) == ([5, 2, 4], {5: 3})


def test_of_equal_magnitudes_the_row_that_stands_first_wins() -> None:
    assert winning_rank(np.array([[2.0, 9], [3.0, 8], [3.0, 4]])) == 2
    assert winning_rank(np.array([[-1.0, 0], [0.0, 8]])) == 1
    assert winning_rank(np.full((3, 2), np.nan)) == 0


# --- BLAS ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BLAS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (7, 1, 2), (7, 5, 1), (40, 33, 37), (0, 3, 3)])
def test_products_and_triangular_solves_of_parts_of_matrices(
    kind: str, dtype: str, shape: tuple[int, int, int]
) -> None:
    m, n, k = shape
    blas, rng = BLAS[kind], np.random.default_rng(1)
    whole = rng.uniform(-1, 1, (60, 60)).astype(dtype)
    c, a, b = whole[:m, 2 : 2 + n].copy(), whole[1 : 1 + m, 3 : 3 + k], whole[4 : 4 + k, 5 : 5 + n]
    upright, turned = (c.copy() for _ in range(2))
    blas.add_product(upright, a, b, -1.0)
    blas.add_product(turned, np.ascontiguousarray(a.T).T, b, 1.0)
    u = float(np.finfo(dtype).eps) * k
    assert np.abs(upright - (c.astype(float) - a.astype(float) @ b)).max(initial=0) <= u * 2
    assert np.abs(turned - (c.astype(float) + a.astype(float) @ b)).max(initial=0) <= u * 2
    lower = np.tril(whole[:k, :k], -1) / k + np.eye(k, dtype=dtype)
    noise = np.triu(whole[:k, :k], 1)
    x, y = b.copy(), np.array(b.T, order="C")
    blas.solve_unit_lower(lower + noise + np.diag(noise.sum(axis=0)), x)
    blas.solve_upper_right(np.ascontiguousarray(lower.T * 2 + noise.T), y)
    assert np.abs(lower.astype(float) @ x - b).max(initial=0) <= u * 8
    assert np.abs(2 * lower.astype(float) @ y.T - b).max(initial=0) <= u * 8


def test_the_library_of_numpy_is_found() -> None:
    if "openblas" not in str(np.show_config("dicts")["Build Dependencies"]["blas"]["name"]):  # type: ignore[index]
        pytest.skip("NumPy has another BLAS than OpenBLAS")
    assert open_blas().direct
    assert not BY_MATMUL.direct


def test_a_library_that_computes_something_else_is_not_believed() -> None:
    good = open_blas()
    if not good.direct:
        pytest.skip("NumPy's BLAS cannot be called")

    def forgetful(routine: Any) -> Any:
        return lambda *arguments: routine(*arguments[:6], abs(arguments[6]), *arguments[7:])

    assert _is_right(good)
    assert not _is_right(replace(good, gemm={letter: forgetful(g) for letter, g in good.gemm.items()}))
    assert not _is_right(Blas(good.gemm, dict.fromkeys(good.trsm, lambda *arguments: None)))
    assert ctypes.sizeof(ctypes.c_int) == 4


# --- matrices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [matrices.uniform_matrix, matrices.scaled_matrix, matrices.definite_matrix])
def test_a_part_of_a_matrix_is_the_same_whoever_makes_it(make: Any) -> None:
    matrix = make(30, 7)
    whole = matrix.part(np.arange(30), np.arange(31))
    rows, columns = np.array([3, 4, 29]), np.array([30, 2, 7, 5])
    assert (matrix.part(rows, columns) == whole[np.ix_(rows, columns)]).all()
    assert np.unique(whole).size > 900
    assert (make(30, 8).part(rows, columns) != whole[np.ix_(rows, columns)]).all()


def test_the_matrix_of_the_mixed_solver_is_neither_symmetric_nor_dominated_by_its_diagonal() -> None:
    matrix = matrices.definite_matrix(100, 1).part(np.arange(100), np.arange(100))
    assert np.abs(matrix - matrix.T).max() > 0.5
    assert (2 * np.abs(np.diagonal(matrix)) < np.abs(matrix).sum(axis=1)).all()
    assert np.linalg.eigvalsh(matrix + matrix.T).min() > np.sqrt(100)
    dominant = matrices.dominant_matrix(100, 1).part(np.arange(100), np.arange(100))
    assert (2 * np.abs(np.diagonal(dominant)) > np.abs(dominant).sum(axis=1)).all()


# --- residual -----------------------------------------------------------------------------------------------


def test_the_residual_is_that_of_the_whole_matrix_and_a_wrong_digit_fails_it() -> None:
    n = 40
    parts, matrix = deal(n, 1, 7, make_grid(None, 1, 1)), matrices.uniform_matrix(n, 3)
    whole = matrix.part(np.arange(n), np.arange(n + 1))
    x = np.linalg.solve(whole[:, :n], whole[:, n])
    rest = residual(parts, matrix, "float64", x)
    assert np.allclose(rest.matrix, np.abs(whole[:, :n]).sum(axis=1).max(), rtol=1e-13)
    assert rest.right == np.abs(whole[:, n]).max()
    assert rest.normwise(2.0**-53) <= rest.componentwise(2.0**-53) < 16
    x[np.abs(x).argmax()] *= 1 + 1e-11
    assert residual(parts, matrix, "float64", x).normwise(2.0**-53) > 16
    x[3] = np.nan
    spoiled = residual(parts, matrix, "float64", x)
    assert (spoiled.normwise(2.0**-53), spoiled.componentwise(2.0**-53)) == (np.inf, np.inf)


def test_a_wrong_row_of_small_numbers_hides_from_norms_but_not_from_its_own_row() -> None:
    n = 40
    parts, matrix = deal(n, 1, 7, make_grid(None, 1, 1)), matrices.scaled_matrix(n, 3)
    whole = matrix.part(np.arange(n), np.arange(n + 1))
    whole[np.abs(whole[:, :n]).sum(axis=1).argmin(), n] *= 1 + 1e-6
    rest = residual(parts, matrix, "float64", reference_solve(whole))
    assert rest.normwise(2.0**-53) < 1e-6
    assert rest.componentwise(2.0**-53) > 16


# --- GMRES --------------------------------------------------------------------------------------------------


def test_gmres_reaches_what_is_wanted_with_a_poor_preconditioner_and_owns_up_where_it_cannot() -> None:
    rng = np.random.default_rng(2)
    a = rng.uniform(-0.5, 0.5, (50, 50)) + 10 * np.eye(50)
    b = rng.uniform(-1, 1, 50)
    found = gmres(lambda v: a @ v, lambda v: v / 10, b, 1e-13)
    assert found.converged
    assert np.abs(b - a @ found.x).max() <= 1e-13
    assert 3 < found.iterations < 40
    exact = np.linalg.inv(a)
    assert gmres(lambda v: a @ v, lambda v: exact @ v, b, 1e-13).iterations <= 1
    assert not gmres(lambda v: a @ v, lambda v: v, b, 0.0).converged
    assert not gmres(lambda v: a @ v, lambda v: v * np.nan, b, 1e-13).converged


# --- SUMMA --------------------------------------------------------------------------------------------------


@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 4), st.integers(1, 4))
def test_slabs_cover_the_inner_indices_and_cross_no_border(n: int, width: int, rows: int, columns: int) -> None:
    grid = replace(make_grid(None, 1, 1), rows=rows, columns=columns)
    found = slabs(n, width, grid)
    assert [index for slab in found for index in range(slab.begin, slab.end)] == list(range(n))
    for slab in found:
        assert slab.end - slab.begin <= width
        for count, owner in ((rows, slab.row), (columns, slab.column)):
            part = part_of(n, count, owner)
            assert part.start <= slab.begin
            assert slab.end <= part.stop
