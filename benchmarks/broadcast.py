"""Broadcast: S bytes of rank 0 on every rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of, trial_of
from clustermark.benchmarks.elements import any_size, held, moved_payload, refuse_moved, scribbled
from clustermark.core.context import Collective
from clustermark.core.workload import Amount, Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

ROOT = 0


def work(size: int) -> dict[str, Amount]:
    """Bus and algorithm bandwidth both count S (nccl-tests, doc/PERFORMANCE.md)."""
    return {"bus_bandwidth": Amount(float(size), "B"), "algorithm_bandwidth": Amount(float(size), "B")}


def prepare(case: Case, context: Context) -> Trial:
    """One buffer a rank; nothing but the root's is ever read, so steps may repeat."""
    transport = context.transport
    size = int(case.params["bytes"])
    payload = moved_payload(size, 1)
    is_root = transport.rank == ROOT
    buffer = context.device.from_host(payload) if is_root else scribbled(size, context)
    steps = steps_of(case, context, [Collective("broadcast", buffer, root=ROOT)])
    received, expected = ([], []) if is_root else ([buffer], [payload])
    return trial_of(steps, context, received, expected, work(size))


def refuse(case: Case) -> str:
    """One rank, sizes that MPI cannot count, callers that there are not."""
    return refuse_moved(case) or refuse_caller(case) or ("one rank has nobody to send to" if case.ranks == 1 else "")


BROADCAST = Workload(
    name="broadcast",
    version=2,
    summary="S bytes of rank 0 on every rank: time and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth); the steps of a sample follow each other without a barrier",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(Param("bytes", 65536, "message size", "B", any_size), CALLER),
    refuse=refuse,
    memory=lambda case: held(case, 2),
)
