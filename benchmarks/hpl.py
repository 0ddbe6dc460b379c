"""HPL: Ax = b by LU with partial pivoting on a grid of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.dense.declaring import (
    ON_A_GRID,
    ground_of,
    item_of,
    layout_params,
    refuse_layout,
    solver_bytes,
)
from clustermark.core.workload import Amount, Param, Trial, Workload, one_of

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

MATRICES = ("uniform", "scaled", "singular")


def memory(case: Case) -> float:
    """[B] of one rank: A, and what its panels need."""
    return solver_bytes(case, (item_of(case),))


def prepare(case: Case, context: Context) -> Trial:
    """A step factors and solves; A is made anew before each, outside the timed window."""
    from clustermark.benchmarks.dense.matrix import scaled_matrix, singular_matrix, uniform_matrix
    from clustermark.benchmarks.dense.solvers import DirectSolver, flops
    from clustermark.core.accuracy import native

    ground = ground_of(case, context, memory(case))
    make = {"uniform": uniform_matrix, "scaled": scaled_matrix, "singular": singular_matrix}
    matrix = make[str(case.params["matrix"])](ground.n, case.seed)
    solver = DirectSolver(matrix, ground.block, ground.grid, ground.dtype, ground.blas, ground.home)
    solver.reset()
    work = {"flop_rate": Amount(flops(ground.n), "flop")}
    said = str(native(case.precision))
    # Cold: a sample must be one step, since a step leaves nothing to factor. A CPU has no flush.
    return Trial(
        solver.step, solver.check, work, reset=solver.reset, counters=ground.counters, cold=True, arithmetic=said
    )


HPL = Workload(
    name="hpl",
    summary="Ax = b by LU with partial pivoting over all ranks, look-ahead, HPL's residual below 16",
    source="HPL 2.3 (Petitet, Whaley, Dongarra, Cleary); Golub & Van Loan, Matrix Computations, 4th ed., 3.4",
    precisions=("fp64", "fp32"),
    prepare=prepare,
    params=(
        *layout_params(2048, 128, "rows and columns of a block"),
        Param(
            "matrix",
            "uniform",
            "uniform on (-½, ½), scaled: rows and columns by powers of two, or singular: must fail",
            check=one_of(MATRICES),
        ),
    ),
    refuse=refuse_layout,
    memory=memory,
    **ON_A_GRID,
)
