"""The reproducible sum and the plain all-reduce in one launch, in turns, on the same vectors.

usage: sum_ranks.py FABRIC PAIRS     under mpirun, two ranks; rank 0 prints one JSON object a size
"""

from __future__ import annotations

import gc
import json
import sys

import numpy as np
from commbench import versions

from clustermark.benchmarks.reproducible_sum import ReproducibleSum, contribution
from clustermark.runners.launch_world import start_mpi
from clustermark.runners.measure import windows

SIZES = (1 << 20, 4 << 20, 16 << 20)
BLOCK_SECONDS = 2e-3
WARM_UP = 5


def main() -> None:
    """[s] of a sum in every window of each side: the slower rank's."""
    fabric, pairs = sys.argv[1], int(sys.argv[2])
    mpi = start_mpi(fabric, 2)
    from clustermark.transports.mpi import MpiTransport

    world = MpiTransport()
    gc.disable()
    for size in SIZES:
        mine, receive = contribution(1, world.rank, 0, size // 8), np.zeros(size // 8)
        reproducible = ReproducibleSum(world, [mine], receive, 6)
        sides = [world.prepare_allreduce(mine, receive), reproducible]
        typical = world.maximum(min(windows(sides[1], world.barrier, 1, WARM_UP)))
        windows(sides[0], world.barrier, 1, WARM_UP)
        steps = max(1, round(BLOCK_SECONDS / typical))
        seconds = np.empty((2, pairs))
        for pair in range(pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                seconds[side, pair] = windows(sides[side], world.barrier, steps, 1)[0] / steps
        slowest = world.max_to_root(seconds)
        if slowest is not None:
            row = {"bytes": size, "plain": slowest[0].tolist(), "reproducible": slowest[1].tolist()}
            print(json.dumps(row), flush=True)
    if world.rank == 0:
        print(json.dumps(versions(mpi)), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main()
