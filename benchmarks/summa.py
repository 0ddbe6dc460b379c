"""SUMMA: C = AB over all ranks, each with a block of every matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.dense.declaring import layout_params, refuse_layout
from clustermark.core.workload import Amount, Check, Param, Trial, Workload, one_of

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def prepare(case: Case, context: Context) -> Trial:
    """Blocks of A and B are made on their ranks; a step is one product into C."""
    import math

    import numpy as np

    from clustermark.benchmarks.dense.declaring import grid_of, shape_of
    from clustermark.benchmarks.dense.memory import require_memory
    from clustermark.benchmarks.dense.product_check import Operands, compare_product
    from clustermark.benchmarks.dense.summa import Summa
    from clustermark.devices.blas import open_blas

    n, width = int(case.params["n"]), int(case.params["nb"])
    precision, transport = context.precision, context.transport
    item = np.dtype(precision.storage).itemsize
    high, wide = (math.ceil(n / processes) for processes in shape_of(case))
    # Three blocks and four panels; for the check B's columns in both types.
    require_memory(
        case, transport, item * (3.0 * high * wide + 2.0 * width * (high + wide) + n * wide) + 16.0 * n * wide
    )
    grid = grid_of(case, context)
    exact = case.params["inputs"] == "integers"
    operands = Operands(n, case.seed, exact, precision.storage, grid)
    a = np.ascontiguousarray(operands.a(operands.rows, operands.inner_of_a).T)
    b = operands.b(operands.inner_of_b, operands.columns)
    blas = open_blas()
    summa = Summa(n, width, grid, a, b, blas)

    def check() -> Check:
        error, bound, detail = compare_product(operands, summa.c, precision)
        if exact:
            error = transport.sum(error)
            return Check("wrong elements of AB", error, bound, error == 0, detail)
        error = transport.maximum(error)
        return Check("|C - AB| / (|A||B|), every element", error, bound, error <= bound, detail)

    counters = {"process rows": float(grid.rows), "BLAS called directly": float(blas.direct)}
    return Trial(summa.step, check, {"flop_rate": Amount(2.0 * n**3, "flop")}, counters=counters)


SUMMA = Workload(
    name="summa",
    version=1,
    summary="C = AB distributed over all ranks, panels broadcast while others are multiplied, every element checked",
    source="van de Geijn & Watts, Concurrency: Practice and Experience 9 (1997); error bound: Higham & Mary (2019)",
    devices=("cpu",),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        *layout_params(2048, 256, "inner indices of a panel"),
        Param(
            "inputs",
            "random",
            "random: uniform on (-½, ½); integers: from -4 to 4, so that every element must be exact",
            check=one_of(("random", "integers")),
        ),
    ),
    refuse=refuse_layout,
    ceiling="peak.flop_rate",
)
