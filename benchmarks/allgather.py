"""All-gather: every rank's part of S bytes on every rank, in place or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.elements import any_size, check_moved, moved_payload, part_work, refuse_moved, scribbled
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
    step = transport.prepare_allgather(None if in_place else mine, receive)
    expected = np.concatenate([moved_payload(size, rank)[part] for rank, part in enumerate(parts)])

    def place() -> None:
        receive[own] = mine

    if in_place:
        place()
        device.synchronize()
    return Trial(
        step,
        lambda: check_moved(context, step, [receive], [expected], place if in_place else None),
        part_work(size, case.ranks),
    )


ALLGATHER = Workload(
    name="allgather",
    version=1,
    summary="every rank's part of S bytes on every rank: time and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("bytes", 65536, "size of the vector that each rank ends with", "B", any_size),
        Param("in_place", False, "a rank's own part already stands in place (MPI_IN_PLACE)"),
    ),
    refuse=refuse_moved,
)
