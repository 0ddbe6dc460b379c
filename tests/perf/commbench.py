"""The Python side of programs.py: the cases of commbench.c through clustermark's own transport and windows.

usage: commbench.py FABRIC SECONDS HUGE_FROM TEST:BYTES...     under mpirun, two ranks
"""

from __future__ import annotations

import json
import mmap
import re
import sys
from functools import partial
from math import isqrt, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clustermark.benchmarks.halo_exchange import axis_exchange
from clustermark.core.context import Collective, Context, Exchange, StepPart
from clustermark.core.precision import PRECISIONS
from clustermark.core.suite import Sampling
from clustermark.core.workload import Check, Trial
from clustermark.devices.cpu import CpuDevice
from clustermark.runners.launch_world import library_facts, start_mpi
from clustermark.runners.measure import harness_floor, measure
from clustermark.transports.grid import balanced_shape

if TYPE_CHECKING:
    from clustermark.transports.mpi import MpiTransport

DEPTH = 8
HUGE_PAGE = 2 << 20
# Only the clock and the count may end a case: both sides then sample for as long.
NEVER_PRECISE = 1e-9


def pingpong(rank: int, sent: Any, received: Any) -> list[StepPart]:
    """One round trip."""
    there, back = Exchange([(sent, 1 - rank)], blocking=True), Exchange((), [(received, 1 - rank)], blocking=True)
    return [back, there] if rank else [there, back]


def bandwidth(rank: int, sent: Any, received: Any) -> list[StepPart]:
    """Eight messages under way at once from rank 0 to rank 1, then one of 8 B back."""
    if rank == 0:
        out = [(part, 1) for part in np.split(sent, DEPTH)]
        return [Exchange(out), Exchange((), [(received[:1], 1)], blocking=True)]
    into = [(part, 0) for part in np.split(received, DEPTH)]
    return [Exchange((), into), Exchange([(sent[:1], 0)], blocking=True)]


def collective(test: str, rank: int, sent: Any, received: Any) -> list[StepPart]:
    """One call; buffers as long as the vector, of which an all-gather sends and a reduce-scatter receives a part."""
    half = sent.size // 2
    if test == "broadcast":
        return [Collective(test, received if rank else sent)]
    into = received[:half] if test == "reduce_scatter" else received
    return [Collective(test, into, sent[:half] if test == "allgather" else sent)]


class Cut(CpuDevice):
    """A device whose arrays are cut from one, so that both languages pack into the same pages."""

    def __init__(self, whole: Any) -> None:
        self.whole, self.used = whole, 0

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """The next part."""
        begin, self.used = self.used, self.used + prod(shape)
        return self.whole[begin : self.used].reshape(shape)


def halo(world: MpiTransport, sent: Any, received: Any) -> list[StepPart]:
    """The 2-D exchange of the workload on a block in the one buffer, its faces packed into the other."""
    wide, ranks = isqrt(received.size), balanced_shape(2, 2)
    context = Context(Cut(sent), world, PRECISIONS["fp64"], np.random.default_rng(1))
    block = received.reshape(wide, wide)
    return [part for axis in (0, 1) for part in axis_exchange(context, block, axis, wide - 2, 1, ranks)]


MESSAGES = {"pingpong": pingpong, "bandwidth": bandwidth}


def parts_of(world: MpiTransport, test: str, sent: Any, received: Any) -> list[StepPart]:
    """The step of a test."""
    if test == "halo":
        return halo(world, sent, received)
    make = MESSAGES.get(test)
    return make(world.rank, sent, received) if make else collective(test, world.rank, sent, received)


def ready(world: MpiTransport, test: str, sent: Any, received: Any) -> Trial:
    """What a run would time: calls from compiled code."""
    many = world.compile_step(parts_of(world, test, sent, received))
    check = Check("received", 0.0, 0.0, True)
    return Trial(partial(many, 1), lambda: check, {}, many=many, windows=many.windows)


def elements(test: str, size: int) -> int:
    """Of each buffer, of messages of `size` bytes: one message, all under way, or a block with its halo."""
    count = size // 8
    return (count + 2) ** 2 if test == "halo" else count * (DEPTH if test == "bandwidth" else 1)


def clear(test: str, rank: int, received: Any) -> None:
    """Nothing has been received; a block holds what its faces are cut from."""
    received.fill(0.0)
    if test == "halo":
        wide = isqrt(received.size)
        received.reshape(wide, wide)[1:-1, 1:-1] = rank + 1.0


def buffer(count: int, huge_from: int, value: float) -> Any:
    """(count,) float64 in a private mapping of its own, aligned to a huge page and filled; as in commbench.c."""
    mapped = ((8 * count - 1) // HUGE_PAGE + 2) * HUGE_PAGE  # whole pages after any alignment
    mapping = mmap.mmap(-1, mapped, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if 8 * count >= huge_from:
        mapping.madvise(mmap.MADV_HUGEPAGE)
    start = -np.frombuffer(mapping, np.uint8).ctypes.data % HUGE_PAGE
    array = np.frombuffer(mapping, np.float64, count, start)
    array.fill(value)
    return array


def expected(test: str, rank: int, count: int) -> Any:
    """What the first elements of the receive buffer hold after a step of that test, two ranks."""
    half = count // 2
    if test == "halo":
        wide = isqrt(count)
        block = np.full((wide, wide), rank + 1.0)
        block[[0, -1]] = 2.0 - rank
        return block.ravel()
    if test in ("allgather", "alltoall"):
        return np.repeat([1.0, 2.0], half)
    if test == "broadcast":
        return np.full(count if rank else 0, 1.0)
    if test in ("allreduce", "reduce_scatter"):
        return np.full(count if test == "allreduce" else half, 3.0)
    return np.full(1 if test == "bandwidth" and rank == 0 else count, 2.0 - rank)


def verify(world: MpiTransport, test: str, received: Any) -> None:
    """Raise RuntimeError unless every element is what the other rank sent, or the sum."""
    wanted = expected(test, world.rank, received.size)
    if not bool((received[: wanted.size] == wanted).all()):
        raise RuntimeError(f"{test} of {received.nbytes} B: rank {world.rank} received a wrong element")


def huge_kib() -> int:
    """[KiB] of this process in huge pages, -1 where Linux does not say."""
    try:
        text = Path("/proc/self/smaps_rollup").read_text()
    except OSError:
        return -1
    found = re.search(r"AnonHugePages:\s+(\d+)", text)
    return int(found.group(1)) if found else -1


def run(
    world: MpiTransport, test: str, size: int, seconds: float, huge_from: int, floor: float
) -> dict[str, Any] | None:
    """Measure one case and verify what was received; a row on rank 0."""
    count = elements(test, size)
    sent, received = buffer(count, huge_from, world.rank + 1.0), buffer(count, huge_from, 0.0)
    clear(test, world.rank, received)
    found = measure(ready(world, test, sent, received), world, Sampling(seconds, 10, 1000, NEVER_PRECISE), floor)
    verify(world, test, received)
    if found is None:
        return None
    return {
        "test": test,
        "bytes": size,
        "seconds": float(np.median(found.step_seconds)),
        "steps": found.steps_per_sample,
        "windows": len(found.seconds),
        "huge_kib": huge_kib(),
    }


def versions(mpi: Any) -> dict[str, str]:
    """The MPI library as loaded, NumPy and mpi4py: the last line of a rank program."""
    import mpi4py

    return {"library": library_facts(mpi)["text"], "numpy": np.__version__, "mpi4py": mpi4py.__version__}


def main() -> None:
    """Run the cases; rank 0 prints one JSON object a case, and the library's name at the end."""
    fabric, seconds, huge_from = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    mpi = start_mpi(fabric, 2)
    from clustermark.transports.mpi import MpiTransport

    world = MpiTransport()
    floor = world.maximum(harness_floor())
    for case in sys.argv[4:]:
        test, size = case.split(":")
        row = run(world, test, int(size), seconds, huge_from, floor)
        if row is not None:
            print(json.dumps(row), flush=True)
    if world.rank == 0:
        print(json.dumps(versions(mpi)), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main()
