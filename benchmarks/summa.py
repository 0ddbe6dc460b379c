"""SUMMA: C = AB over all ranks, each with a block of every matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clustermark.benchmarks.dense.declaring import ON_A_GRID, ground_of, item_of, layout_params, refuse_layout, shape_of
from clustermark.core.workload import Amount, Check, Param, Trial, Workload, one_of

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def memory(case: Case) -> float:
    """[B] of one rank: three blocks and four panels; for the check B's columns in both types."""
    n, width, item = int(case.params["n"]), int(case.params["nb"]), item_of(case)
    high, wide = (math.ceil(n / processes) for processes in shape_of(case))
    blocks = 3.0 if case.device == "cpu" else 2.0  # a GPU has C and copies of A and B
    return item * (blocks * high * wide + 2.0 * width * (high + wide) + n * wide) + 16.0 * n * wide


def prepare(case: Case, context: Context) -> Trial:
    """Blocks of A and B are made on their ranks; a step is one product into C."""
    import numpy as np

    from clustermark.benchmarks.dense.product_check import Operands, compare_product
    from clustermark.benchmarks.dense.summa import Summa
    from clustermark.core.accuracy import native

    precision, transport, device = context.precision, context.transport, context.device
    ground = ground_of(case, context, memory(case))
    exact = case.params["inputs"] == "integers"
    operands = Operands(ground.n, case.seed, exact, ground.dtype, ground.grid)
    a = np.ascontiguousarray(operands.a(operands.rows, operands.inner_of_a).T)
    b = operands.b(operands.inner_of_b, operands.columns)
    if device.asynchronous:
        from clustermark.benchmarks.dense.summa_cuda import DeviceSumma

        summa = DeviceSumma(ground.n, ground.block, ground.grid, a, b, device)
    else:
        summa = Summa(ground.n, ground.block, ground.grid, a, b, ground.blas)

    def check() -> Check:
        error, bound, detail = compare_product(operands, device.to_host(summa.c), precision)
        if exact:
            error = transport.sum(error)
            return Check("wrong elements of AB", error, bound, error == 0, detail)
        error = transport.maximum(error)
        return Check("|C - AB| / (|A||B|), every element", error, bound, error <= bound, detail)

    work = {"flop_rate": Amount(2.0 * ground.n**3, "flop")}
    return Trial(summa.step, check, work, counters=ground.counters, arithmetic=str(native(case.precision)))


SUMMA = Workload(
    name="summa",
    summary="C = AB distributed over all ranks, panels broadcast while others are multiplied, every element checked",
    source="van de Geijn & Watts, Concurrency: Practice and Experience 9 (1997); error bound: Higham & Mary (2019)",
    precisions=("fp64", "fp32"),
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
    memory=memory,
    **ON_A_GRID,
)
