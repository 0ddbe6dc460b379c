"""Rank program: the distributed solvers on every grid of 1 … all ranks, right and with planted faults; the host and the
fake GPU.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from dense_helpers.faults import FAULTS, GPU_FAULTS, Plant, on_the_gpu_too
from fake_gpu.gpu import FakeGpu

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
# On these, matrices live on the fake GPU too.
ON_THE_GPU = ("1×2", "2×1", "2×2")
HOST = CpuDevice()
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


def verdict(transport: Any, device: Any, rows: int, name: str, precision: str, **chosen: Any) -> Check:
    """The check of one step of a small case on `rows` process rows."""
    workload = BENCHMARKS[name]
    params = {p.name: p.default for p in workload.params} | {"p": rows, "n": 65, "nb": 16} | chosen
    case = Case(name, 1, params, precision, device.name, "mpi", "shm", transport.size, transport.size)
    refused = workload.refuse(case)
    if refused:
        raise ValueError(refused)
    trial = workload.prepare(case, Context(device, transport, PRECISIONS[precision], np.random.default_rng(1)))
    if trial.reset is not None:
        trial.reset()
    trial.step()
    return trial.check()


def caught(transport: Any, device: Any, rows: int, name: str, plant: Plant) -> bool:
    """Whether a planted fault fails its check."""
    kept: list[tuple[Any, str, Any]] = []

    def put(place: Any, attribute: str, value: Callable[..., Any]) -> None:
        kept.append((place, attribute, getattr(place, attribute)))
        setattr(place, attribute, value)

    plant(on_the_gpu_too(put))
    try:
        return not verdict(transport, device, rows, name, "fp32" if name == "hpl_mxp" else "fp64").passed
    finally:
        for place, attribute, value in kept:
            setattr(place, attribute, value)


def on_the_gpu(comm: Any, rows: int) -> tuple[list[str], list[str]]:
    """Cases that are wrong with matrices on the fake GPU, and faults that are missed there."""
    with FakeGpu().installed():
        from clustermark.devices import DEVICES
        from clustermark.transports.staged import StagedTransport

        device: Any = DEVICES["cuda"].open(0)
        transport = StagedTransport(device, comm)
        cases = [case for case in CASES if case[1] != "bf16"]  # refused there
        checks = [verdict(transport, device, rows, name, precision, **chosen) for name, precision, chosen in cases]
        wrong = [f"cuda: {check}" for check in checks if not check.passed]
        missed = [f"cuda: {f}" for f, planted in GPU_FAULTS.items() if not caught(transport, device, rows, *planted)]
        return wrong, missed


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
            checks = [verdict(transport, HOST, rows, name, precision, **chosen) for name, precision, chosen in CASES]
            singular = verdict(transport, HOST, rows, "hpl", "fp64", matrix="singular")
            wrong += [f"{shape}: {text}" for text in found if text]
            wrong += [f"{shape}: {check}" for check in checks if not check.passed]
            wrong += [f"{shape}: {singular}"] if "column 32 has no pivot" not in singular.detail else []
            if count in FAULTY:
                harmless = {"stale message"} if count == rows else set()
                planted = [fault for fault in FAULTS if fault not in harmless]
                missed += [
                    f"{shape}: {fault}" for fault in planted if not caught(transport, HOST, rows, *FAULTS[fault])
                ]
            if shape in ON_THE_GPU:
                for found, told in zip(on_the_gpu(some, rows), (wrong, missed), strict=True):
                    told += [f"{shape}: {text}" for text in found]
    if world.rank == 0:
        print(json.dumps({"grids": grids, "wrong": wrong, "missed": missed}), flush=True)
    world.Barrier()
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
