"""HPL: Ax = b by LU with partial pivoting on a grid of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.dense.declaring import layout_params, refuse_layout
from clustermark.core.workload import Amount, Param, Trial, Workload, one_of

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

MATRICES = ("uniform", "scaled", "singular")


def prepare(case: Case, context: Context) -> Trial:
    """A step factors and solves; A is made anew before each, outside the timed window."""
    import numpy as np

    from clustermark.benchmarks.dense.declaring import grid_of, shape_of
    from clustermark.benchmarks.dense.matrix import scaled_matrix, singular_matrix, uniform_matrix
    from clustermark.benchmarks.dense.memory import require_memory
    from clustermark.benchmarks.dense.solvers import DirectSolver, flops, least_bytes
    from clustermark.devices.blas import open_blas

    n, block = int(case.params["n"]), int(case.params["nb"])
    dtype = context.precision.storage
    item = np.dtype(dtype).itemsize
    require_memory(case, context.transport, least_bytes(n, block, shape_of(case), (item,), item))
    make = {"uniform": uniform_matrix, "scaled": scaled_matrix, "singular": singular_matrix}
    matrix = make[str(case.params["matrix"])](n, case.seed)
    blas = open_blas()
    solver = DirectSolver(matrix, block, grid_of(case, context), dtype, blas)
    solver.reset()
    counters = {"process rows": float(shape_of(case)[0]), "BLAS called directly": float(blas.direct)}
    work = {"flop_rate": Amount(flops(n), "flop")}
    # Cold: a sample must be one step, since a step leaves nothing to factor. A CPU has no flush.
    return Trial(solver.step, solver.check, work, reset=solver.reset, counters=counters, cold=True)


HPL = Workload(
    name="hpl",
    version=1,
    summary="Ax = b by LU with partial pivoting over all ranks, look-ahead, HPL's residual below 16",
    source="HPL 2.3 (Petitet, Whaley, Dongarra, Cleary); Golub & Van Loan, Matrix Computations, 4th ed., 3.4",
    devices=("cpu",),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi"),
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
    ceiling="peak.flop_rate",
)
