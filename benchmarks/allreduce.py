"""All-reduce: S bytes summed over n ranks, in place or not, every element checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of
from clustermark.benchmarks.elements import expected_sum, held, payload, refuse_sum, summing_trial
from clustermark.core.context import Collective, Copy
from clustermark.core.workload import Amount, Param, ParamValue, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def work(size: int, ranks: int) -> dict[str, Amount]:
    """Algorithm bandwidth counts S, bus bandwidth S·2(n-1)/n (nccl-tests, doc/PERFORMANCE.md)."""
    return {
        "bus_bandwidth": Amount(size * 2 * (ranks - 1) / ranks, "B"),
        "algorithm_bandwidth": Amount(float(size), "B"),
    }


def prepare(case: Case, context: Context) -> Trial:
    """Buffers filled and touched, buffer specs built; see `summing_trial`."""
    import numpy as np

    transport, device = context.transport, context.device
    dtype = context.precision.storage
    item = np.dtype(dtype).itemsize
    count = int(case.params["bytes"]) // item
    host = payload(count, transport.rank, dtype, transport.size)
    mine, receive = device.from_host(host), device.from_host(host)
    in_place = bool(case.params["in_place"])
    expected = expected_sum(count, transport.size, dtype)
    restored = [Copy(mine, receive)] if in_place else []
    steps = steps_of(case, context, [Collective("allreduce", receive, None if in_place else mine)], restored)

    amounts = work(count * item, case.ranks)
    return summing_trial(context, steps, mine, receive, expected, amounts, _all if in_place else None)


def _all(buffer: Any) -> Any:
    return buffer


def at_least_8(value: ParamValue) -> str:
    """Check of the size of a vector that is summed: 8 B to 1 TiB."""
    return "" if isinstance(value, int) and 8 <= value <= 2**40 else "expected 8B to 1TiB"


ALLREDUCE = Workload(
    name="allreduce",
    version=2,
    summary="sum of S bytes over all ranks: time, algorithm and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth); OSU micro-benchmarks osu_allreduce (protocol)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32", "fp16", "bf16"),
    transports=("local", "mpi", "mpi_device", "nccl", "nccl_mpi"),
    prepare=prepare,
    params=(
        Param("bytes", 65536, "message size per rank", "B", at_least_8),
        Param("in_place", False, "reduce in place (MPI_IN_PLACE)"),
        CALLER,
    ),
    refuse=lambda case: refuse_sum(case) or refuse_caller(case),
    memory=lambda case: held(case, 3),
)
