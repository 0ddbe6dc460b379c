"""Rank program: times our solvers, step by step; rank 0 prints one JSON line a solver."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from clustermark.benchmarks.dense.lines import make_grid
from clustermark.benchmarks.dense.matrix import definite_matrix, uniform_matrix
from clustermark.benchmarks.dense.solvers import DirectSolver, MixedSolver
from clustermark.devices.blas import open_blas
from clustermark.runners.launch_world import start_mpi


def main(fabric: str, ranks: str, rows: str, n: str, block: str, repeats: str) -> None:
    """One step of each solver in turns; seconds between barriers, the residual of the last step."""
    mpi = start_mpi(fabric, int(ranks))
    world, blas = mpi.COMM_WORLD, open_blas()
    grid = make_grid(world if world.size > 1 else None, int(rows), int(ranks) // int(rows))
    order, width = int(n), int(block)
    direct = DirectSolver(uniform_matrix(order, 1), width, grid, "float64", blas)
    mixed = MixedSolver(definite_matrix(order, 1), width, grid, "float32", blas, "conforming")
    seconds: dict[str, list[float]] = {"hpl": [], "hpl_mxp": []}
    for _ in range(int(repeats) + 1):
        direct.reset()
        for name, step in (("hpl", direct.step), ("hpl_mxp", mixed.step)):
            world.Barrier()
            begun = time.perf_counter()
            step()
            world.Barrier()
            seconds[name].append(time.perf_counter() - begun)
    checks = {"hpl": direct.check(), "hpl_mxp": mixed.check()}
    if world.rank == 0:
        for name, check in checks.items():
            facts = {"passed": check.passed, "error": check.error, "detail": check.detail, "direct": blas.direct}
            facts |= {"numpy": np.__version__, "library": mpi.Get_library_version().split(",")[0]}
            print(json.dumps({"name": name, "seconds": seconds[name][1:], **facts}), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
