"""C and our windows in one launch, block by block: same communicator, same buffers, same pages, same connections.

usage: lockstep.py FABRIC LIBRARY LONGER HUGE_FROM TEST:BYTES...     under mpirun, two ranks

LIBRARY is commbench.c compiled as a shared library. The order within a pair of blocks is swapped every time.
LONGER multiplies the time for the pairs of blocks.
"""

from __future__ import annotations

import ctypes
import gc
import json
import math
import re
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from commbench import buffer, clear, elements, huge_kib, ready, verify, versions

from clustermark.runners.launch_world import start_mpi
from clustermark.runners.measure import FLOORS_PER_SAMPLE, SHORTEST_SAMPLE, harness_floor, host_windows

if TYPE_CHECKING:
    from clustermark.transports.mpi import MpiTransport

# Short, so that both of a pair meet the same state of the machine and a foreign time slice spoils few: at 1 MiB,
# blocks of 2 ms gave intervals from equal to eight times as wide from as much time.
BLOCK_SECONDS = 4e-4
WARMUP_SECONDS = 0.02
# [s] Least bytes → time for the pairs: where messages leave the caches a pair scatters by 5 to 20 %, below by 1 to 5 %,
# and the targets there are closer.
SECONDS = {16 << 20: 1.2, 1 << 20: 0.5, 0: 0.2}
LEAST_PAIRS = 40
WARMUP_MOST = 500

# (steps, count) → seconds of `count` windows of `steps` steps on this rank
Windows = Callable[[int, int], "array[float]"]


def load(path: str, mpi: Any) -> ctypes.CDLL:
    """The compiled loops, joined to this process's MPI; raises RuntimeError if they brought another one."""
    library = ctypes.CDLL(path)
    library.lockstep_handle_size.restype = ctypes.c_size_t
    comm = mpi.COMM_WORLD
    loaded = set(re.findall(r"\S*/libmpi\.so\S*", Path("/proc/self/maps").read_text()))
    if len(loaded) > 1 or library.lockstep_handle_size() != mpi._sizeof(comm):
        raise RuntimeError(f"{path} and mpi4py use different MPI libraries: {', '.join(sorted(loaded))}")
    library.lockstep_join.argtypes = [ctypes.c_void_p]
    library.lockstep_join(mpi._addressof(comm))
    pointers, numbers = [ctypes.c_void_p] * 2, [ctypes.c_int] * 3
    library.lockstep_windows.argtypes = [ctypes.c_char_p, *pointers, *numbers, ctypes.c_void_p]
    return library


def c_windows(library: ctypes.CDLL, test: str, size: int, sent: Any, received: Any) -> Windows:
    """The windows of commbench.c on these arrays."""
    name, out, into = test.encode(), sent.ctypes.data, received.ctypes.data

    def call(steps: int, count: int) -> array[float]:
        seconds = array("d", bytes(8 * count))
        library.lockstep_windows(name, out, into, size, steps, count, seconds.buffer_info()[0])
        return seconds

    return call


def our_windows(world: MpiTransport, test: str, sent: Any, received: Any) -> Windows:
    """The windows that every clustermark run takes its samples with."""
    trial = ready(world, test, sent, received)
    take = host_windows(trial)
    return lambda steps, count: take(trial.step, world.barrier, steps, count, None)


def typical(world: MpiTransport, take: Windows) -> float:
    """[s] of one step after a warm-up, equal on all ranks."""
    seconds = array("d")
    begun = perf_counter()
    batch = 3
    while True:
        seconds.extend(take(1, batch))
        if world.maximum(perf_counter() - begun) >= WARMUP_SECONDS or len(seconds) >= WARMUP_MOST:
            return world.maximum(float(np.median(seconds[len(seconds) // 2 :])))
        batch = min(len(seconds), WARMUP_MOST - len(seconds))


def block(world: MpiTransport, take: Windows, steps: int, count: int) -> float:
    """[s] of one step: the median window of the slowest rank; rank 0's."""
    slowest = world.max_to_root(np.frombuffer(take(steps, count)))
    return float(np.median(slowest)) / steps if slowest is not None else 0.0


def run(
    world: MpiTransport, library: ctypes.CDLL, test: str, size: int, longer: float, huge_from: int, floor: float
) -> dict[str, Any]:
    """One case: both sides warmed up and verified, then the pairs of blocks, then verified again."""
    sent, received = (buffer(elements(test, size), huge_from, value) for value in (world.rank + 1.0, 0.0))
    sides = {
        "c": c_windows(library, test, size, sent, received),
        "ours": our_windows(world, test, sent, received),
    }
    step_seconds = []
    for take in sides.values():
        clear(test, world.rank, received)
        step_seconds.append(typical(world, take))
        verify(world, test, received)
    # Both sides take the same windows, long enough for the faster one.
    shortest = max(FLOORS_PER_SAMPLE * floor, SHORTEST_SAMPLE)
    steps = max(1, math.ceil(shortest / min(step_seconds)))
    count = max(1, math.ceil(BLOCK_SECONDS / (steps * min(step_seconds))))
    seconds = next(value for least, value in SECONDS.items() if size >= least)
    affordable = int(longer * seconds / (steps * count * sum(step_seconds)))
    pairs = max(LEAST_PAIRS, affordable)
    taken: dict[str, list[float]] = {"c": [], "ours": []}
    for number in range(pairs):
        for side in ("c", "ours") if number % 2 else ("ours", "c"):
            taken[side].append(block(world, sides[side], steps, count))
    for take in sides.values():
        clear(test, world.rank, received)
        take(1, 1)
        verify(world, test, received)
    return {"test": test, "bytes": size, **taken, "steps": steps, "windows": count, "huge_kib": huge_kib()}


def main() -> None:
    """Run the cases; rank 0 prints one JSON object a case, and the library's name at the end."""
    fabric, path, longer, huge_from = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    mpi = start_mpi(fabric, 2)
    from clustermark.transports.mpi import MpiTransport

    world = MpiTransport()
    library = load(path, mpi)
    floor = world.maximum(harness_floor())
    gc.disable()  # as during a measurement
    for case in sys.argv[5:]:
        test, size = case.split(":")
        row = run(world, library, test, int(size), longer, huge_from, floor)
        if world.rank == 0:
            print(json.dumps(row), flush=True)
    if world.rank == 0:
        print(json.dumps(versions(mpi)), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main()
