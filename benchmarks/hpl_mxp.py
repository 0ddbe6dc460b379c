"""HPL-MxP: Ax = b by low-precision LU without pivoting, whose factors precondition GMRES in float64."""

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

MATRICES = ("definite", "dominant")
# Formats that the rules allow, but that no BLAS of NumPy multiplies.
EMULATED = ("fp16", "bf16")


def rules_of(case: Case) -> str:
    """ "conforming", or why a run is not what hpl-mxp.org/rules.md asks for (as of its text after June 2025)."""
    if case.params["matrix"] == "dominant":
        return "not conforming: a matrix with a dominant diagonal is for tests only"
    if case.precision == "fp64":
        return "not conforming: factors in fp64 leave nothing to mix"
    return "conforming"


def memory(case: Case) -> float:
    """[B] of one rank: A in float64, its factors, and what their panels need."""
    return solver_bytes(case, (8, item_of(case)))


def prepare(case: Case, context: Context) -> Trial:
    """A step rounds A, factors it and refines x; A in float64 stays as it is."""
    from clustermark.benchmarks.dense.matrix import definite_matrix, dominant_matrix
    from clustermark.benchmarks.dense.solvers import MixedSolver, flops

    ground = ground_of(case, context, memory(case))
    make = {"definite": definite_matrix, "dominant": dominant_matrix}
    matrix = make[str(case.params["matrix"])](ground.n, case.seed)
    solver = MixedSolver(matrix, ground.block, ground.grid, ground.dtype, ground.blas, rules_of(case))
    solver.counters.update(ground.counters)
    return Trial(solver.step, solver.check, {"flop_rate": Amount(flops(ground.n), "flop")}, counters=solver.counters)


def refuse(case: Case) -> str:
    """Formats that would be emulated, then the layout."""
    if case.precision in EMULATED:
        return (
            f"has no {case.precision} product on this {case.device}: emulated it would show accuracy only, and no "
            f"speed; use fp32"
        )
    return refuse_layout(case)


HPL_MXP = Workload(
    name="hpl_mxp",
    summary="Ax = b by fp32 LU without pivoting, refined by GMRES to fp64: HPL-MxP's backward error within 16",
    source="rules of HPL-MxP (hpl-mxp.org); Carson & Higham, SIAM J. Sci. Comput. 39 (2017): GMRES-based refinement",
    precisions=("fp32", "fp64", *EMULATED),
    prepare=prepare,
    params=(
        *layout_params(2048, 128, "rows and columns of a block"),
        Param(
            "matrix",
            "definite",
            "definite: √n on the diagonal, not dominant; dominant: n/2, for tests, not conforming",
            check=one_of(MATRICES),
        ),
    ),
    refuse=refuse,
    memory=memory,
    **ON_A_GRID,
)
