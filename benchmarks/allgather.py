"""All-gather: every rank's part of S bytes on every rank, in place or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of, trial_of
from clustermark.benchmarks.elements import any_size, held, moved_payload, part_work, refuse_moved, scribbled
from clustermark.core.context import Collective
from clustermark.core.workload import Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def prepare(case: Case, context: Context) -> Trial:
    """In place, this rank's part already stands where it belongs in the buffer that receives."""
    import numpy as np

    from clustermark.transports.parts import part_of

    transport, device = context.transport, context.device
    size = int(case.params["bytes"])
    receive = scribbled(size, context)
    parts = [part_of(receive.size, transport.size, rank) for rank in range(transport.size)]
    own = parts[transport.rank]
    mine = device.from_host(moved_payload(size, transport.rank)[own])
    in_place = bool(case.params["in_place"])
    steps = steps_of(case, context, [Collective("allgather", receive, None if in_place else mine)])
    expected = np.concatenate([moved_payload(size, rank)[part] for rank, part in enumerate(parts)])

    def place() -> None:
        receive[own] = mine

    if in_place:
        place()
        device.synchronize()
    return trial_of(steps, context, [receive], [expected], part_work(size, case.ranks), place if in_place else None)


ALLGATHER = Workload(
    name="allgather",
    version=2,
    summary="every rank's part of S bytes on every rank: time and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("bytes", 65536, "size of the vector that each rank ends with", "B", any_size),
        Param("in_place", False, "a rank's own part already stands in place (MPI_IN_PLACE)"),
        CALLER,
    ),
    refuse=lambda case: refuse_moved(case) or refuse_caller(case),
    memory=lambda case: held(case, 3),
)
