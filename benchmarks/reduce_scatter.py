"""Reduce-scatter: S bytes summed over n ranks, each of which keeps its n-th part, in place or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.allreduce import at_least_8
from clustermark.benchmarks.elements import check_moved, compare, expected_sum, payload, refuse_sum
from clustermark.core.workload import Amount, Check, Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def work(size: int, ranks: int) -> dict[str, Amount]:
    """Algorithm bandwidth counts S, bus bandwidth S·(n-1)/n (nccl-tests, doc/PERFORMANCE.md)."""
    return {
        "bus_bandwidth": Amount(size * (ranks - 1) / ranks, "B"),
        "algorithm_bandwidth": Amount(float(size), "B"),
    }


def prepare(case: Case, context: Context) -> Trial:
    """As allreduce: in place, `reset` restores the payload and the check runs one more step."""
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
    step = transport.prepare_reduce_scatter(None if in_place else mine, receive)

    def reset() -> None:
        receive[...] = mine
        device.synchronize()

    def check() -> Check:
        if not in_place:
            return check_moved(context, step, [receive], [expected])
        reset()
        step()
        device.synchronize()
        return compare(device.to_host(receive[transport.reduced_in_place(count)]), expected, transport.sum)

    return Trial(step, check, work(count * item, case.ranks), reset if in_place else None)


REDUCE_SCATTER = Workload(
    name="reduce_scatter",
    version=1,
    summary="sum of S bytes over all ranks, each keeps its part: time and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32", "fp16", "bf16"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("bytes", 65536, "size of the vector that each rank brings", "B", at_least_8),
        Param("in_place", False, "reduce in place (MPI_IN_PLACE)"),
    ),
    refuse=refuse_sum,
)
