"""Runs made without MPI: results of the size that real ones have, with times from a seeded generator."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from clustermark.core.case import Case
from clustermark.core.journal import Journal
from clustermark.core.machine import Machine
from clustermark.core.measurement import Measurement
from clustermark.core.plan import Plan, make_plan
from clustermark.core.result import FabricProof, Result
from clustermark.core.rundir import RunDirectory
from clustermark.core.suite import parse_suite
from clustermark.core.workload import Amount, Check
from clustermark.runners.catalog import workloads

MACHINE = Machine(
    devices={"cpu": ""},
    fabrics={"ompi-sm-cma": "", "ompi-tcp": ""},
    fabric_aliases={"shm": "ompi-sm-cma", "tcp": "ompi-tcp"},
    transports={"mpi": lambda ranks, precision, device: "", "local": lambda ranks, precision, device: ""},
)


def plan_of(sizes: int, ranks: int, fabrics: tuple[str, ...] = ("shm", "tcp"), widest: int = 0) -> Plan:
    """All-reduce of `sizes` sizes over each fabric; of `widest` different numbers of ranks if given."""
    text = f"""
    [[matrix]]
    workload = "allreduce"
    ranks = {list(range(2, 2 + widest)) if widest else ranks}
    fabric = {list(fabrics)}
    params = {{ bytes = {[8 * (i + 1) for i in range(sizes)]} }}
    """
    return make_plan(parse_suite(text, "made"), workloads(), MACHINE)


def result_of(case: Case, samples: int, seed: int = 0) -> Result:
    """An ok result with log-normal times, (samples, ranks)."""
    size = float(case.params["bytes"])
    rng = np.random.default_rng((seed, int(size)))
    seconds = (1e-6 + size / 1e9) * rng.lognormal(0.0, 0.1, (samples, case.ranks))
    return Result(
        case=case,
        launch=0,
        status="ok",
        measurement=Measurement(seconds, seconds[:10], 1, "made", "barrier", 1e-7, "samples"),
        work={"bus_bandwidth": Amount(size, "B")},
        check=Check("wrong elements", 0.0, 0.0, True, "every element equals the exact sum"),
        fabric=FabricProof(case.fabric, "shared memory", "counter", True),
        fingerprint="made",
        started_utc="2026-01-01T00:00:00Z",
    )


def recorded_run(root: Path, plan: Plan, samples: int) -> RunDirectory:
    """A finished run, not yet assembled."""
    run = RunDirectory.create(root, plan)
    journal = Journal(run.journal_path)
    for case in plan.cases:
        run.record(journal, result_of(case, samples))
    journal.close()
    return run


def copies(run: RunDirectory, count: int) -> list[Path]:
    """`count` runs with the same figures and different ids, assembled; returns their folders."""
    folders = []
    for number in range(count):
        folder = run.path.with_name(f"{run.run_id}-{number:03d}")
        shutil.copytree(run.path, folder)
        RunDirectory.open(folder).assemble()
        folders.append(folder)
    return folders
