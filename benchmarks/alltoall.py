"""All-to-all: part k of each rank's S bytes goes to rank k."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of, trial_of
from clustermark.benchmarks.elements import any_size, carrier, held, moved_payload, part_work, refuse_moved, scribbled
from clustermark.core.context import Collective
from clustermark.core.workload import Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def prepare(case: Case, context: Context) -> Trial:
    """Sizes that do not divide by the ranks are cut into parts that differ by one element."""
    import numpy as np

    from clustermark.transports.parts import part_of

    transport, device = context.transport, context.device
    size = int(case.params["bytes"])
    item = np.dtype(carrier(size)).itemsize
    mine = device.from_host(moved_payload(size, transport.rank))
    own = part_of(size // item, transport.size, transport.rank)
    receive = scribbled((own.stop - own.start) * item * transport.size, context).view(mine.dtype)
    steps = steps_of(case, context, [Collective("alltoall", receive, mine)])
    expected = np.concatenate([moved_payload(size, rank)[own] for rank in range(transport.size)])
    return trial_of(steps, context, [receive], [expected], part_work(size, case.ranks))


ALLTOALL = Workload(
    name="alltoall",
    version=2,
    summary="part k of each rank's S bytes to rank k: time and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(Param("bytes", 65536, "size of the vector that each rank sends", "B", any_size), CALLER),
    refuse=lambda case: refuse_moved(case) or refuse_caller(case),
    memory=lambda case: held(case, 3),
)
