"""What the harness adds to an 8 B all-reduce: its windows against a bare mpi4py loop, block by block in one launch.

usage: harness_cost.py FABRIC [BLOCKS]     under mpirun, two or more ranks; prints one JSON object, times in µs
"""

from __future__ import annotations

import gc
import json
import math
import sys
from array import array
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from clustermark.core.stats import order_statistic_interval
from clustermark.runners.launch_world import start_mpi
from clustermark.runners.measure import FLOORS_PER_SAMPLE, SHORTEST_SAMPLE, harness_floor, windows
from clustermark.runners.surroundings import NoiseWatch

SINGLE_WINDOWS, CALIBRATED_WINDOWS = 250, 15
# Blocks are short, so that a foreign time slice spoils few of them.
BLOCKS = 100


def bare_loop(comm: Any, send: Any, receive: Any, operation: Any, steps: int, count: int) -> array[float]:
    """What a person would write with mpi4py: barrier, clock, the calls, clock."""
    seconds = array("d", bytes(8 * count))
    for index in range(count):
        comm.Barrier()
        start = perf_counter()
        for _ in range(steps):
            comm.Allreduce(send, receive, operation)
        seconds[index] = perf_counter() - start
    return seconds


def bare_single(comm: Any, send: Any, receive: Any, operation: Any, count: int) -> array[float]:
    """The same for one call a window, without a loop inside."""
    seconds = array("d", bytes(8 * count))
    for index in range(count):
        comm.Barrier()
        start = perf_counter()
        comm.Allreduce(send, receive, operation)
        seconds[index] = perf_counter() - start
    return seconds


def block(world: Any, loop: Callable[[], array[float]]) -> tuple[float, float]:
    """[s] median window of the slowest rank, and [s] wall time per window, clock and barrier included; rank 0's."""
    world.barrier()
    begun = perf_counter()
    seconds = loop()
    whole = (perf_counter() - begun) / len(seconds)
    slowest = world.max_to_root(np.frombuffer(seconds))
    return (float(np.median(slowest)) if slowest is not None else 0.0), whole


def compared(ours: list[float], bare: list[float]) -> dict[str, Any]:
    """Medians and the difference of neighbouring blocks with its interval, in µs."""
    difference = (np.array(ours) - np.array(bare)) * 1e6
    interval = order_statistic_interval(difference)
    return {
        "clustermark": float(np.median(ours)) * 1e6,
        "bare": float(np.median(bare)) * 1e6,
        "added": float(np.median(difference)),
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
    }


def main() -> None:
    """Alternate the blocks, swapping who is first, and print the comparison."""
    fabric, blocks = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else BLOCKS
    mpi = start_mpi(fabric, 2)
    from clustermark.transports.mpi import MpiTransport

    world = MpiTransport()
    comm = world.comm
    mine, total = np.full(1, world.rank + 1.0), np.zeros(1)
    step = world.prepare_allreduce(mine, total)
    send, receive = [mine, 1, mpi.DOUBLE], [total, 1, mpi.DOUBLE]
    gc.disable()
    warm = windows(step, world.barrier, 1, 2000)
    typical = world.maximum(float(np.median(np.frombuffer(warm)[1000:])))
    shortest = max(FLOORS_PER_SAMPLE * world.maximum(harness_floor()), SHORTEST_SAMPLE)
    steps = math.ceil(shortest / typical)
    loops: dict[str, tuple[Callable[[], array[float]], Callable[[], array[float]]]] = {
        "single": (
            lambda: windows(step, world.barrier, 1, SINGLE_WINDOWS),
            lambda: bare_single(comm, send, receive, mpi.SUM, SINGLE_WINDOWS),
        ),
        "calibrated": (
            lambda: windows(step, world.barrier, steps, CALIBRATED_WINDOWS),
            lambda: bare_loop(comm, send, receive, mpi.SUM, steps, CALIBRATED_WINDOWS),
        ),
    }
    noise = NoiseWatch(world)
    found: dict[str, Any] = {}
    for name, pair in loops.items():
        taken: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
        for number in range(blocks):
            for side in (0, 1) if number % 2 else (1, 0):
                taken[side].append(block(world, pair[side]))
        for what, index in (("window", 0), ("whole_sample", 1)):
            ours, bare = ([row[index] for row in side] for side in taken)
            found[f"{name}_{what}"] = compared(ours, bare)
    load = "; ".join(noise.stop()[0])
    if total[0] != sum(range(1, world.size + 1)):
        raise RuntimeError(f"the sum is {total[0]}")
    if world.rank == 0:
        print(json.dumps({"fabric": fabric, "blocks": blocks, "steps": steps, "load": load, **found}, indent=1))
    mpi.Finalize()


if __name__ == "__main__":
    main()
