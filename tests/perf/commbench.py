"""The Python side of programs.py: the cases of commbench.c through clustermark's own transport and windows.

usage: commbench.py FABRIC SECONDS HUGE_FROM TEST:BYTES...     under mpirun, two ranks
"""

from __future__ import annotations

import json
import mmap
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clustermark.core.suite import Sampling
from clustermark.core.workload import Check, Trial
from clustermark.runners.launch_world import library_facts, start_mpi
from clustermark.runners.measure import harness_floor, measure

if TYPE_CHECKING:
    from clustermark.transports.mpi import MpiTransport

DEPTH = 8
HUGE_PAGE = 2 << 20
# Only the clock and the count may end a case: both sides then sample for as long.
NEVER_PRECISE = 1e-9


def pingpong(world: MpiTransport, sent: Any, received: Any) -> Callable[[], object]:
    """A step: one round trip, specs built before."""
    from clustermark.transports.mpi import buffer_spec

    send, receive = world.comm.Send, world.comm.Recv
    there, back, other = buffer_spec(sent), buffer_spec(received), 1 - world.rank

    def first() -> None:
        send(there, other, 0)
        receive(back, other, 0)

    def second() -> None:
        receive(back, other, 0)
        send(there, other, 0)

    return second if world.rank else first


def bandwidth(world: MpiTransport, sent: Any, received: Any) -> Callable[[], object]:
    """A step: eight messages under way at once from rank 0 to rank 1, then one of 8 B back."""
    from mpi4py import MPI

    from clustermark.transports.mpi import buffer_spec

    comm, wait = world.comm, MPI.Request.Waitall
    out = [buffer_spec(part) for part in np.split(sent, DEPTH)]
    into = [buffer_spec(part) for part in np.split(received, DEPTH)]
    done, seen = buffer_spec(sent[:1]), buffer_spec(received[:1])

    def source() -> None:
        wait([comm.Isend(spec, 1, 0) for spec in out])
        comm.Recv(seen, 1, 1)

    def sink() -> None:
        wait([comm.Irecv(spec, 0, 0) for spec in into])
        comm.Send(done, 0, 1)

    return sink if world.rank else source


def allreduce(world: MpiTransport, sent: Any, received: Any) -> Callable[[], object]:
    """A step: the sum over ranks, as benchmarks/allreduce.py calls it."""
    return world.prepare_allreduce(sent, received)


STEPS = {"pingpong": pingpong, "allreduce": allreduce, "bandwidth": bandwidth}


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


def verify(world: MpiTransport, test: str, received: Any) -> None:
    """Raise RuntimeError unless every element is what the other rank sent, or the sum."""
    expected = 3.0 if test == "allreduce" else 2.0 - world.rank
    arrived = received[:1] if test == "bandwidth" and world.rank == 0 else received
    if not bool((arrived == expected).all()):
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
    count = size // 8 * (DEPTH if test == "bandwidth" else 1)
    sent, received = buffer(count, huge_from, world.rank + 1.0), buffer(count, huge_from, 0.0)
    check = Check("received", 0.0, 0.0, True)
    trial = Trial(STEPS[test](world, sent, received), lambda: check, {})
    found = measure(trial, world, Sampling(seconds, 10, 1000, NEVER_PRECISE), floor)
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
