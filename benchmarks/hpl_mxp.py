"""HPL-MxP: Ax = b by low-precision LU without pivoting, whose factors precondition GMRES in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.dense.declaring import layout_params, refuse_layout
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


def prepare(case: Case, context: Context) -> Trial:
    """A step rounds A, factors it and refines x; A in float64 stays as it is."""
    import numpy as np

    from clustermark.benchmarks.dense.declaring import grid_of, shape_of
    from clustermark.benchmarks.dense.matrix import definite_matrix, dominant_matrix
    from clustermark.benchmarks.dense.memory import require_memory
    from clustermark.benchmarks.dense.solvers import MixedSolver, flops, least_bytes
    from clustermark.devices.blas import open_blas

    n, block = int(case.params["n"]), int(case.params["nb"])
    dtype = context.precision.storage
    item = np.dtype(dtype).itemsize
    require_memory(case, context.transport, least_bytes(n, block, shape_of(case), (8, item), item))
    make = {"definite": definite_matrix, "dominant": dominant_matrix}
    matrix = make[str(case.params["matrix"])](n, case.seed)
    blas = open_blas()
    solver = MixedSolver(matrix, block, grid_of(case, context), dtype, blas, rules_of(case))
    solver.counters.update({"process rows": float(shape_of(case)[0]), "BLAS called directly": float(blas.direct)})
    return Trial(solver.step, solver.check, {"flop_rate": Amount(flops(n), "flop")}, counters=solver.counters)


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
    version=1,
    summary="Ax = b by fp32 LU without pivoting, refined by GMRES to fp64: HPL-MxP's backward error within 16",
    source="rules of HPL-MxP (hpl-mxp.org); Carson & Higham, SIAM J. Sci. Comput. 39 (2017): GMRES-based refinement",
    devices=("cpu",),
    precisions=("fp32", "fp64", *EMULATED),
    transports=("local", "mpi"),
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
    ceiling="peak.flop_rate",
)
