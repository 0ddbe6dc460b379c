"""What a call of the command line said, and a run on the disk with every status, made without a launch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.core.case import Case
from clustermark.core.journal import Journal
from clustermark.core.measurement import Measurement
from clustermark.core.plan import Plan, make_jobs
from clustermark.core.result import FabricProof, Result
from clustermark.core.rundir import RunDirectory
from clustermark.core.suite import Sampling
from clustermark.core.workload import Amount, Check

LAUNCHES = 2


@dataclass(frozen=True)
class Said:
    """What a call of the command line returned and wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Stdout as the one JSON document that it must be."""
        return json.loads(self.out)


Command = Callable[..., Said]


def case(size: int, precision: str = "fp64") -> Case:
    """An all-reduce over two ranks."""
    return Case(
        "allreduce", 1, {"bytes": size, "in_place": False}, precision, "cpu", "mpi", "ompi-tcp", 2, 2, threads=1
    )


def result(number: int, launch: int, planned: Case) -> Result:
    """Case 1 gives a wrong answer, case 2 fails, the others are well."""
    if number == 2:
        return Result(planned, launch, "failed", "rank 1 was killed", started_utc="2026-01-02T03:04:05Z")
    rng = np.random.default_rng([number, launch])
    right = number != 1
    return Result(
        case=planned,
        launch=launch,
        status="ok" if right else "wrong",
        reason="" if right else "element 3 is 7, should be 8",
        measurement=Measurement(
            seconds=rng.lognormal(-9, 0.1, (6, 2)),
            warmup_seconds=rng.lognormal(-8, 0.1, (2, 2)),
            steps_per_sample=10,
            clock="perf_counter",
            sync="barrier",
            floor=1e-7,
            stopped_by="samples",
        ),
        work={"bus_bandwidth": Amount(float(planned.params["bytes"]), "B")},
        check=Check("wrong elements", 0.0 if right else 1.0, 0.0, right, "every element was compared"),
        fabric=FabricProof(
            "ompi-tcp", "tcp over lo", "counter", True, {"lo": 1.005, "interfaces": {"lo": [0, 0, 99, 99]}}
        ),
        counters={"steal share": 0.01},
        fingerprint="0123456789abcdef",
        started_utc="2026-01-02T03:04:05Z",
    )


def record(root: Path) -> RunDirectory:
    """The folder of a run of five cases, one of them skipped, with all its launches, without run.h5."""
    cases = tuple(case(size) for size in (8, 64, 512, 4096))
    plan = Plan(
        "smoke",
        "",
        cases,
        ((case(8, "bf16"), "workload 'allreduce' has no bf16 on cpu"),),
        make_jobs(cases, LAUNCHES, 0),
        LAUNCHES,
        0,
        Sampling(),
    )
    run = RunDirectory.create(root, plan)
    journal = Journal(run.journal_path)
    ranks = [{"rank": rank, "ranks": 2, "node": "node1", "affinity": "0-1"} for rank in range(2)]
    nic = {"node": "n1", "name": "eth0", "driver": "virtio_net", "speed_mbit": -1, "mtu": 1500}
    environment = {
        "facts": {"cpu": {"model": "a CPU", "cores": 2}},
        "ranks": ranks,
        "provenance": {"nics": [nic]},
        "state": {},
    }
    journal.append({"event": "environment", "fingerprint": "0123456789abcdef", "environment": environment})
    for launch in range(LAUNCHES):
        for number, planned in enumerate(cases):
            run.record(journal, result(number, launch, planned))
    journal.close()
    return run
