"""Reduce-scatter: S bytes summed over n ranks, each of which keeps its n-th part, in place or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.allreduce import at_least_8
from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of
from clustermark.benchmarks.elements import expected_sum, held, part_work, payload, refuse_sum, summing_trial
from clustermark.core.context import Collective, Copy
from clustermark.core.workload import Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def prepare(case: Case, context: Context) -> Trial:
    """Buffers filled and touched, buffer specs built; see `summing_trial`."""
    import numpy as np

    from clustermark.transports.parts import part_of

    transport, device = context.transport, context.device
    dtype = context.precision.storage
    item = np.dtype(dtype).itemsize
    count = int(case.params["bytes"]) // item
    part = part_of(count, transport.size, transport.rank)
    host = payload(count, transport.rank, dtype, transport.size)
    in_place = bool(case.params["in_place"])
    mine = device.from_host(host)
    receive = device.from_host(host if in_place else host[part])
    expected = expected_sum(count, transport.size, dtype)[part]
    restored = [Copy(mine, receive)] if in_place else []
    steps = steps_of(case, context, [Collective("reduce_scatter", receive, None if in_place else mine)], restored)

    def reduced(buffer: Any) -> Any:
        return buffer[transport.reduced_in_place(count)]

    amounts = part_work(count * item, case.ranks)
    return summing_trial(context, steps, mine, receive, expected, amounts, reduced if in_place else None)


REDUCE_SCATTER = Workload(
    name="reduce_scatter",
    version=2,
    summary="sum of S bytes over all ranks, each keeps its part: time and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32", "fp16", "bf16"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("bytes", 65536, "size of the vector that each rank brings", "B", at_least_8),
        Param("in_place", False, "reduce in place (MPI_IN_PLACE)"),
        CALLER,
    ),
    refuse=lambda case: refuse_sum(case) or refuse_caller(case),
    memory=lambda case: held(case, 3),
)
