"""HPL-MxP: Ax = b by low-precision LU without pivoting, whose factors precondition GMRES in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.dense.declaring import (
    ON_A_GRID,
    bytes_of_type,
    ground_of,
    layout_params,
    refuse_layout,
    rows_and_columns,
    solver_bytes,
)
from clustermark.core.workload import Amount, Param, Trial, Workload, one_of

if TYPE_CHECKING:
    from clustermark.benchmarks.dense.bf16_update import Bf16Update
    from clustermark.core.case import Case
    from clustermark.core.context import Context

MATRICES = ("definite", "dominant")
# Precision → type that the factors are kept in; bf16 rounds what is multiplied and adds up in fp32.
FACTORS = {"fp64": "float64", "fp32": "float32", "bf16": "float32"}


def rules_of(case: Case) -> str:
    """ "conforming", or why a run is not what hpl-mxp.org/rules.md asks for (as of its text after June 2025)."""
    if case.params["matrix"] == "dominant":
        return "not conforming: a matrix with a dominant diagonal is for tests only"
    if case.precision == "fp64":
        return "not conforming: factors in fp64 leave nothing to mix"
    return "conforming"


def memory(case: Case) -> float:
    """[B] of one rank: A in float64, its factors, and what their panels need."""
    return solver_bytes(case, (8, bytes_of_type(FACTORS[case.precision])))


def prepare(case: Case, context: Context) -> Trial:
    """A step rounds A, factors it and refines x; A in float64 stays as it is."""
    from clustermark.benchmarks.dense.home import HostHome
    from clustermark.benchmarks.dense.matrix import definite_matrix, dominant_matrix
    from clustermark.benchmarks.dense.solvers import MixedSolver, flops
    from clustermark.core.accuracy import Arithmetic, native

    ground = ground_of(case, context, memory(case))
    make = {"definite": definite_matrix, "dominant": dominant_matrix}
    matrix = make[str(case.params["matrix"])](ground.n, case.seed)
    update = _bf16_update(case) if case.precision == "bf16" else None
    home = HostHome(update.subtract) if update else ground.home
    about = ground.grid, FACTORS[case.precision], ground.blas, rules_of(case), home
    solver = MixedSolver(matrix, ground.block, *about)
    solver.counters.update(ground.counters)
    arithmetic = Arithmetic("bf16", "fp32", "fp32", update.path) if update else native(case.precision)
    work = {"flop_rate": Amount(flops(ground.n), "flop")} if arithmetic.timed else {}
    said = f"factors {arithmetic}, refined in fp64"
    return Trial(solver.step, solver.check, work, counters=solver.counters, arithmetic=said)


def _bf16_update(case: Case) -> Bf16Update:
    from clustermark.benchmarks.dense.bf16_update import Bf16Update
    from clustermark.benchmarks.dense.factorisation import STRIP

    rows = rows_and_columns(case)[0]
    return Bf16Update(rows, int(case.params["nb"]), STRIP, case.threads)


def refuse(case: Case) -> str:
    """Formats that would be simulated or are not written for a GPU, then the layout."""
    if case.precision in ("fp16", "bf16") and case.device != "cpu":
        return f"has no factors in {case.precision} on {case.device} yet; use fp32"
    if case.precision == "fp16":
        return "has no fp16 product on any CPU, and simulated it would show no speed; use fp32 or bf16"
    return refuse_layout(case)


HPL_MXP = Workload(
    name="hpl_mxp",
    summary="Ax = b by fp32 or bf16 LU without pivoting, refined by GMRES to fp64: HPL-MxP's backward error within 16",
    source="rules of HPL-MxP (hpl-mxp.org); Carson & Higham, SIAM J. Sci. Comput. 39 (2017): GMRES-based refinement",
    precisions=("fp32", "fp64", "bf16", "fp16"),
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
