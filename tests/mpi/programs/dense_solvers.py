"""Rank program: the distributed solvers on every grid of 1 … all ranks, right and with planted faults."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from dense_helpers.faults import FAULTS

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.dense import matrix as matrices
from clustermark.benchmarks.dense.bf16_update import Bf16Update
from clustermark.benchmarks.dense.lines import Grid, make_grid
from clustermark.benchmarks.dense.reference import reference_lu, reference_solve
from clustermark.benchmarks.dense.solvers import DirectSolver
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Check
from clustermark.devices.blas import open_blas
from clustermark.devices.cpu import CpuDevice
from clustermark.runners.launch_world import start_mpi

# On grids of so many ranks faults are planted.
FAULTY = (2, 4)
SIZES = ((1, 1), (7, 3), (37, 8))
CASES = (
    ("hpl", "fp32", {"matrix": "scaled"}),
    ("hpl_mxp", "fp32", {}),
    ("hpl_mxp", "bf16", {}),
    ("summa", "fp64", {}),
    ("summa", "fp32", {"inputs": "integers"}),
)


def disagreement(grid: Grid, n: int, block: int) -> str:
    """How a solution differs from the reference, "" for not at all."""
    matrix = matrices.scaled_matrix(n, 3)
    solver = DirectSolver(matrix, block, grid, "float64", open_blas())
    solver.reset()
    solver.step()
    whole = matrix.part(np.arange(n), np.arange(n + 1))
    if (solver.factorisation.pivots != reference_lu(whole)[1]).any():
        return "other pivots"
    return "" if np.abs(solver.x / reference_solve(whole) - 1).max() < 1e-6 else "another solution"


def verdict(transport: Any, rows: int, name: str, precision: str, **chosen: Any) -> Check:
    """The check of one step of a small case on `rows` process rows."""
    workload = BENCHMARKS[name]
    params = {p.name: p.default for p in workload.params} | {"p": rows, "n": 65, "nb": 16} | chosen
    case = Case(name, 1, params, precision, "cpu", "mpi", "shm", transport.size, transport.size)
    refused = workload.refuse(case)
    if refused:
        raise ValueError(refused)
    trial = workload.prepare(case, Context(CpuDevice(), transport, PRECISIONS[precision], np.random.default_rng(1)))
    if trial.reset is not None:
        trial.reset()
    trial.step()
    return trial.check()


def caught(transport: Any, rows: int, fault: str) -> bool:
    """Whether a planted fault fails its check."""
    name, plant = FAULTS[fault]
    kept: list[tuple[Any, str, Any]] = []

    def put(place: Any, attribute: str, value: Callable[..., Any]) -> None:
        kept.append((place, attribute, getattr(place, attribute)))
        setattr(place, attribute, value)

    plant(put)
    try:
        return not verdict(transport, rows, name, "fp32" if name == "hpl_mxp" else "fp64").passed
    finally:
        for place, attribute, value in kept:
            setattr(place, attribute, value)


def main(fabric: str, ranks: str) -> None:
    """Rank 0 prints {"grids": […], "wrong": […], "missed": […]}."""
    mpi = start_mpi(fabric, int(ranks))
    from clustermark.transports.mpi import MpiTransport

    world = mpi.COMM_WORLD
    if world.rank == 0:
        Bf16Update(1, 1, 1, 1)  # compiles once for all ranks
    world.Barrier()
    grids, wrong, missed = [], [], []
    for count in range(1, world.size + 1):
        some = world.Split(0 if world.rank < count else mpi.UNDEFINED, world.rank)
        if world.rank >= count:
            continue
        transport = MpiTransport(some)
        for rows in (rows for rows in range(1, count + 1) if count % rows == 0):
            shape = f"{rows}×{count // rows}"
            grids.append(shape)
            grid = make_grid(some, rows, count // rows)
            found = [disagreement(grid, n, block) for n, block in SIZES]
            checks = [verdict(transport, rows, name, precision, **chosen) for name, precision, chosen in CASES]
            singular = verdict(transport, rows, "hpl", "fp64", matrix="singular")
            wrong += [f"{shape}: {text}" for text in found if text]
            wrong += [f"{shape}: {check}" for check in checks if not check.passed]
            wrong += [f"{shape}: {singular}"] if "column 32 has no pivot" not in singular.detail else []
            if count in FAULTY:
                harmless = {"stale message"} if count == rows else set()
                planted = [fault for fault in FAULTS if fault not in harmless]
                missed += [f"{shape}: {fault}" for fault in planted if not caught(transport, rows, fault)]
    if world.rank == 0:
        print(json.dumps({"grids": grids, "wrong": wrong, "missed": missed}), flush=True)
    world.Barrier()
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
