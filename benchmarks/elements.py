"""What the benchmarks of communication send, and the proof that every element of it arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.callers import COMPILED, MOST_ELEMENTS
from clustermark.core.workload import Amount, Check, ParamValue, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from clustermark.benchmarks.callers import Steps
    from clustermark.core.case import Case
    from clustermark.core.context import Context

    Array = npt.NDArray[Any]

# Payloads of sums are integers below this.
MODULUS = 13
# Integers up to this are exact in the storage format; uint16 holds the bits of bfloat16.
EXACT = {"float64": 2**53, "float32": 2**24, "float16": 2**11, "uint16": 2**8}
_FURTHER = ", or MPICH and calls from Python, which count further"
_PATTERN = 251
_SCRIBBLE = 0xFF


def payload(count: int, rank: int, dtype: str, ranks: int = 1) -> npt.NDArray[np.generic]:
    """Integer-valued payload of one rank of a sum: element i holds (i + 3 rank) mod 13.

    Where so many ranks would sum up to more than the format holds exactly, ranks take turns: element i is zero
    unless i + rank is a multiple of `_turns`.

    Returns
    -------
    (count,) array of `dtype`; any order of summation over ranks gives the same bits.
    """
    import numpy as np

    return encode(np.resize(_payload_period(rank, _turns(ranks, dtype)), count), dtype)


def expected_sum(count: int, ranks: int, dtype: str) -> npt.NDArray[np.generic]:
    """The exact sum of every rank's payload, (count,) array of `dtype`."""
    import numpy as np

    turns = _turns(ranks, dtype)
    total = np.sum([_payload_period(rank, turns) for rank in range(ranks)], axis=0)
    return encode(np.resize(total, count), dtype)


def _turns(ranks: int, dtype: str) -> int:
    """Ranks of which one at a time brings a value, so that the others' sum stays exact."""
    return -(-ranks // (EXACT[dtype] // (MODULUS - 1)))


def _payload_period(rank: int, turns: int) -> Array:
    import numpy as np

    places = np.arange(MODULUS * turns)
    return np.where((places + rank) % turns == 0, (places + 3 * rank) % MODULUS, 0)


def encode(values: Array, dtype: str) -> Array:
    """Small integers in a storage format; uint16 takes the upper half of a float32, which is bfloat16."""
    import numpy as np

    if dtype == "uint16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(dtype)


def refuse_sum(case: Case) -> str:
    """Sizes that are no whole number of elements, counts beyond an MPI int, and formats that MPI cannot sum."""
    item = {"fp64": 8, "fp32": 4}.get(case.precision, 2)
    size = int(case.params["bytes"])
    if size % item:
        return f"cannot cut {size} bytes into {case.precision} elements of {item}; use a multiple of {item}"
    if size // item > MOST_ELEMENTS and not may_count_further(case):
        return f"counts {size // item} elements, over the 2^31 of an MPI int; use a smaller size{_FURTHER}"
    if item == 2 and case.transport not in ("local", "nccl"):
        return f"transport '{case.transport}' has no {case.precision} sum; use 'nccl' or precision 'fp32'"
    return ""


def may_count_further(case: Case) -> bool:
    """Whether the MPI library may have MPI-4's calls for more elements than an int counts: asked where the case runs.

    MPICH has them, mpi4py calls them; compiled code hands every library an int. Open MPI 5 has none.
    """
    from clustermark.transports.fabrics import FABRICS

    row, caller = FABRICS.get(case.fabric), case.params.get("caller", COMPILED)
    return case.transport == "mpi" and case.device == "cpu" and caller != COMPILED and bool(row and row.mpi == "mpich")


def held(case: Case, buffers: int) -> float:
    """[B] of so many buffers of the size of a case."""
    return float(buffers * int(case.params["bytes"]))


def carrier(size: int) -> str:
    """dtype in which `size` bytes are moved as they are: bytes, or words where these are more and divide."""
    return "uint8" if size <= MOST_ELEMENTS or size % 8 else "uint64"


def refuse_moved(case: Case) -> str:
    """Sizes beyond an MPI int of words, and sizes beyond one of bytes that are no whole number of words."""
    size = int(case.params["bytes"])
    if may_count_further(case):
        return ""
    if size > MOST_ELEMENTS and size % 8:
        return f"counts {size} bytes, over the 2^31 of an MPI int; use a multiple of 8, which is moved in words"
    if size // 8 > MOST_ELEMENTS:
        return f"counts {size // 8} words, over the 2^31 of an MPI int; use a smaller size{_FURTHER}"
    return ""


def any_size(value: ParamValue) -> str:
    """Check of a message size: 0 B to 1 TiB."""
    return "" if isinstance(value, int) and 0 <= value <= 2**40 else "expected 0B to 1TiB"


def moved_payload(size: int, number: int) -> Array:
    """`size` bytes of message `number`: element i holds (7 i + 31 number) mod 251, and no two neighbours agree.

    Returns
    -------
    (size ÷ element,) array of `carrier(size)`
    """
    import numpy as np

    dtype = np.dtype(carrier(size))
    period = ((7 * np.arange(_PATTERN) + 31 * number) % _PATTERN).astype(dtype)
    return np.resize(period, size // dtype.itemsize)


def scribbled(size: int, context: Context) -> Array:
    """A buffer of the device to receive `size` bytes into; what it holds no message holds."""
    import numpy as np

    dtype = np.dtype(carrier(size))
    return context.device.from_host(np.full(size // dtype.itemsize, _SCRIBBLE, dtype))


def check_moved(
    context: Context,
    step: Callable[[], object],
    received: Sequence[Array],
    expected: Sequence[Array],
    prepare: Callable[[], object] | None = None,
) -> Check:
    """Every element as the timed steps left it, and again after the buffers were scribbled on and one more step.

    Without the second look, steps that did nothing would pass on what the warm-up brought. Collective.

    Parameters
    ----------
    received : buffers of the device on this rank
    expected : what they should hold, in host memory
    prepare : called after scribbling, where part of a buffer is this rank's own
    """
    device, transport = context.device, context.transport
    device.synchronize()
    first = compare_all([device.to_host(buffer) for buffer in received], expected, transport.sum)
    for buffer in received:
        buffer[...] = _SCRIBBLE
    if prepare is not None:
        prepare()
    device.synchronize()
    transport.barrier()
    step()
    device.synchronize()
    again = compare_all([device.to_host(buffer) for buffer in received], expected, transport.sum)
    return again if first.passed else first


def part_work(size: int, ranks: int) -> dict[str, Amount]:
    """Algorithm bandwidth counts S, bus bandwidth S·(n-1)/n (nccl-tests, doc/PERFORMANCE.md)."""
    return {
        "bus_bandwidth": Amount(size * (ranks - 1) / ranks, "B"),
        "algorithm_bandwidth": Amount(float(size), "B"),
    }


def summing_trial(
    context: Context,
    steps: Steps,
    mine: Array,
    receive: Array,
    expected: Array,
    work: dict[str, Amount],
    reduced_in_place: Callable[[Array], Array] | None,
) -> Trial:
    """A trial of steps that sum over ranks from `mine` into `receive`, or in place.

    In place, a step sums up the sums before it: `reset` restores the payload before each sample, and the check runs
    one more step. Out of place the check first reads what the last timed step left.

    Parameters
    ----------
    expected : what this rank ends with, in host memory
    reduced_in_place : the part of `receive` that a step in place leaves this rank's result in; None out of place
    """
    device, transport, step = context.device, context.transport, steps.once
    if reduced_in_place is None:

        def moved() -> Check:
            return check_moved(context, step, [receive], [expected])

        return steps.trial(moved, work)

    def reset() -> None:
        receive[...] = mine
        device.synchronize()

    def check() -> Check:
        reset()
        step()
        device.synchronize()
        return compare(device.to_host(reduced_in_place(receive)), expected, transport.sum)

    return steps.trial(check, work, reset)


def compare_all(found: Sequence[Array], expected: Sequence[Array], total_over_ranks: Callable[[float], float]) -> Check:
    """`compare` over several buffers as if they were one."""
    import numpy as np

    if len(found) == len(expected) == 1:  # nothing is copied: it may be gigabytes
        return compare(np.asarray(found[0]).ravel(), np.asarray(expected[0]).ravel(), total_over_ranks)
    nothing = [np.zeros(0)]
    return compare(
        np.concatenate([np.asarray(each).ravel() for each in found] or nothing),
        np.concatenate([np.asarray(each).ravel() for each in expected] or nothing),
        total_over_ranks,
    )


def compare(found: Array, expected: Array, total_over_ranks: Callable[[float], float]) -> Check:
    """Count of wrong elements over all ranks; exactly none may be wrong.

    Parameters
    ----------
    found, expected : (count,) arrays
    total_over_ranks : float -> float, the collective sum
    """
    import numpy as np

    wrong = np.flatnonzero(found != expected)
    total = total_over_ranks(float(wrong.size))
    detail = "every element equals what was sent"
    if wrong.size:
        first = int(wrong[0])
        detail = f"element {first} is {found[first]}, should be {expected[first]}"
    elif total:
        detail = "wrong on another rank"
    return Check("wrong elements", total, 0.0, total == 0, detail)
