"""All-reduce: S bytes summed over n ranks, in place or not, every element checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from clustermark.core.case import Case
    from clustermark.core.context import Context

# Payload values are integers below this, so that sums over up to 2**20 ranks are exact in fp32.
MODULUS = 13


def payload(count: int, rank: int, dtype: str) -> npt.NDArray[np.floating]:
    """Integer-valued payload of one rank: element i holds (i + 3 rank) mod 13.

    Returns
    -------
    (count,) array of `dtype`; any order of summation over ranks gives the same bits.
    """
    import numpy as np

    return ((np.arange(count) + 3 * rank) % MODULUS).astype(dtype)


def expected_sum(count: int, ranks: int, dtype: str) -> npt.NDArray[np.floating]:
    """The exact sum of every rank's payload, (count,) array of `dtype`."""
    import numpy as np

    pattern = sum((np.arange(MODULUS) + 3 * rank) % MODULUS for rank in range(ranks))
    return np.resize(np.asarray(pattern), count).astype(dtype)


def work(size: int, ranks: int) -> dict[str, Amount]:
    """Algorithm bandwidth counts S, bus bandwidth S·2(n-1)/n (nccl-tests, doc/PERFORMANCE.md)."""
    return {
        "bus_bandwidth": Amount(size * 2 * (ranks - 1) / ranks, "B"),
        "algorithm_bandwidth": Amount(float(size), "B"),
    }


def prepare(case: Case, context: Context) -> Trial:
    """Buffers filled and touched, buffer specs built.

    In place, a step multiplies the buffer's sums, so `reset` restores the payload before each sample and the
    check runs one more step; out of place the check reads what the last timed step left.
    """
    import numpy as np

    transport, device = context.transport, context.device
    dtype = context.precision.storage
    count = int(case.params["bytes"]) // np.dtype(dtype).itemsize
    mine = payload(count, transport.rank, dtype)
    receive = device.from_host(mine)
    in_place = bool(case.params["in_place"])
    send = None if in_place else device.from_host(mine)
    step = transport.prepare_allreduce(send, receive)

    def reset() -> None:
        np.copyto(receive, mine)

    def check() -> Check:
        if in_place:
            reset()
            step()
        return compare(device.to_host(receive), expected_sum(count, transport.size, dtype), transport.sum)

    return Trial(step, check, work(count * np.dtype(dtype).itemsize, case.ranks), reset if in_place else None)


def compare(
    found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating], total_over_ranks: Callable[[float], float]
) -> Check:
    """Count of wrong elements over all ranks; exactly none may be wrong.

    Parameters
    ----------
    found, expected : (count,) arrays
    total_over_ranks : float -> float, the collective sum
    """
    import numpy as np

    wrong = np.flatnonzero(found != expected)
    total = total_over_ranks(float(wrong.size))
    detail = "every element equals the exact sum"
    if wrong.size:
        first = int(wrong[0])
        detail = f"element {first} is {found[first]}, should be {expected[first]}"
    elif total:
        detail = "wrong on another rank"
    return Check("wrong elements", total, 0.0, total == 0, detail)


def _at_least_8(value: ParamValue) -> str:
    return "" if isinstance(value, int) and 8 <= value <= 2**40 else "expected 8B to 1TiB"


def refuse(case: Case) -> str:
    """Sizes that are no whole number of elements, and counts beyond an MPI int."""
    item = {"fp64": 8, "fp32": 4}.get(case.precision, 2)
    size = int(case.params["bytes"])
    if size % item:
        return f"cannot cut {size} bytes into {case.precision} elements of {item}; use a multiple of {item}"
    if size // item >= 2**31:
        return f"counts {size // item} elements, over the 2^31 of an MPI int; use a smaller size"
    return ""


ALLREDUCE = Workload(
    name="allreduce",
    version=1,
    summary="sum of S bytes over all ranks: time, algorithm and bus bandwidth, every element checked",
    source="nccl-tests doc/PERFORMANCE.md (bus bandwidth); OSU micro-benchmarks osu_allreduce (protocol)",
    devices=("cpu",),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("bytes", 65536, "message size per rank", "B", _at_least_8),
        Param("in_place", False, "reduce in place (MPI_IN_PLACE)"),
    ),
    refuse=refuse,
)
