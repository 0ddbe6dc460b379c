"""Runs with planned figures: sizes, fabrics and precisions as a suite would make them, times from known laws."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.core.case import Case
from clustermark.core.environment import fingerprint
from clustermark.core.journal import Journal
from clustermark.core.measurement import Measurement
from clustermark.core.plan import Job, Plan
from clustermark.core.result import FabricProof, Result, Status
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import Run, read_run
from clustermark.core.suite import Sampling
from clustermark.core.summary import Row, summarise
from clustermark.core.workload import Amount, Check

ALPHA = {"self": 4e-7, "ompi-sm-cma": 1.1e-6, "ompi-tcp": 1.2e-5, "mpich-shm-cma": 1.6e-6, "mpich-ofi-tcp": 1.5e-5}
BETA = {"self": 2e10, "ompi-sm-cma": 1.2e10, "ompi-tcp": 1.8e9, "mpich-shm-cma": 9.9e9, "mpich-ofi-tcp": 1.9e9}
PEAK = {"fp64": 1.1e11, "fp32": 2.2e11, "fp16": 2.4e11, "bf16": 4.1e11}
FACTS: dict[str, Any] = {
    "cpu": {
        "model": "AMD EPYC 9R14",
        "architecture": "x86_64",
        "sockets": 1,
        "cores": 16,
        "logical": 32,
        "vector": ["avx2", "avx512f"],
    },
    "system": {"kernel": "6.12.0", "memory_gib": 123.4},
    "libraries": {
        "python": "3.12.1",
        "numpy": "2.2.0",
        "thread_pools": [
            {"user_api": "blas", "internal_api": "openblas", "version": "0.3.28", "architecture": "SkylakeX"}
        ],
    },
    "mpi": {"library": "Open MPI v5.0.8, package: build", "version": "4.0"},
    "variables": {},
}


def make_case(workload: str = "allreduce", **fields: Any) -> Case:
    """A case with defaults; one rank means no wire."""
    ranks = fields.pop("ranks", 2)
    chosen: dict[str, Any] = {
        "workload": workload,
        "version": 1,
        "params": {},
        "precision": "fp32",
        "device": "cpu",
        "transport": "mpi",
        "fabric": "ompi-sm-cma" if ranks > 1 else "self",
        "ranks": ranks,
        "ranks_per_node": ranks,
    }
    return Case(**chosen | fields)


def make_result(
    case: Case,
    seconds: float,
    work: dict[str, Amount] | None = None,
    status: Status = "ok",
    launch: int = 0,
    proven: bool = True,
    **fields: Any,
) -> Result:
    """One launch with twenty samples around `seconds`."""
    measured = status in ("ok", "wrong")
    noise = np.random.default_rng(launch).normal(1.0, 0.01, (20, case.ranks))
    measurement = Measurement(seconds * noise, seconds * noise[:2], 1, "perf_counter", "barrier", 1e-7, "interval")
    error = fields.pop("error", 1e-16)
    check = Check("result against NumPy", error if status == "ok" else 0.5, max(1e-15, 4 * error), status == "ok")
    return Result(
        case,
        launch,
        status,
        fields.pop("reason", "" if status == "ok" else f"made {status}"),
        measurement if measured else None,
        work or {},
        check if measured else None,
        FabricProof(case.fabric, "shared memory", "counter", proven and case.ranks > 1, {"lo": 0.0}),
        fields.pop("fingerprint", fingerprint(FACTS)),
        fields.pop("conditions", ()),
        "2026-11-23T14:00:00Z",
        fields.pop("ceiling", ""),
        fields.pop("counters", {}),
    )


def make_row(case: Case, seconds: float = 1e-5, launches: int = 3, **fields: Any) -> Row:
    """A case summarised over its launches."""
    return summarise(case, [make_result(case, seconds, launch=n, **fields) for n in range(launches)], launches)


def allreduce(size: int, fabric: str, ranks: int = 2, **fields: Any) -> tuple[Case, float, dict[str, Amount]]:
    """Case, seconds of α + n/β, and both bandwidths' work."""
    in_place = fields.pop("in_place", False)
    case = make_case(params={"bytes": size, "in_place": in_place}, fabric=fabric, ranks=ranks, **fields)
    bus = size * 2 * (ranks - 1) / ranks
    seconds = ALPHA.get(fabric, 2e-6) * ranks / 2 + size / BETA.get(fabric, 5e9)
    return case, seconds, {"algorithm_bandwidth": Amount(size, "B"), "bus_bandwidth": Amount(bus, "B")}


def sample_rows(
    sizes: Sequence[int] = (8, 64, 1024, 8192, 65536, 2**20, 2**23),
    fabrics: Sequence[str] = ("ompi-sm-cma", "ompi-tcp"),
    precisions: Sequence[str] = ("fp64", "fp32"),
    ranks: Sequence[int] = (2,),
    unproven: Sequence[str] = ("ompi-tcp",),
    gemm: Sequence[int] = (256, 1024),
    **fields: Any,
) -> list[Row]:
    """All-reduce over sizes, fabrics, precisions and ranks; gemm and its peak over precisions."""
    rows = []
    for precision in precisions:
        for count in ranks:
            for fabric in fabrics:
                for size in sizes:
                    case, seconds, work = allreduce(size, fabric, count, precision=precision)
                    rows.append(make_row(case, seconds, work=work, proven=fabric not in unproven, **fields))
        for n in gemm:
            case = make_case("gemm", params={"n": n}, precision=precision, ranks=1)
            flop = 2.0 * n**3
            seconds = flop / (PEAK[precision] * (0.35 if n < 512 else 0.83))
            rows.append(make_row(case, seconds, work={"flop_rate": Amount(flop, "flop")}, ceiling="peak.flop_rate"))
        if gemm:
            case = make_case("peak", precision=precision, ranks=1)
            rows.append(make_row(case, 1e-3, work={"flop_rate": Amount(PEAK[precision] * 1e-3, "flop")}))
    return rows


def make_run(rows: Sequence[Row], number: int = 0, environments: dict[str, Any] | None = None, **fields: Any) -> Run:
    """A run in memory: planned launches are those of its rows unless the plan is given."""
    planned = tuple(row.case for row in rows if row.launches_planned)
    skipped = tuple((row.case, row.reason) for row in rows if not row.launches_planned)
    launches = max((row.launches_planned for row in rows), default=1)
    plan = Plan("smoke", "", planned, skipped, (), launches, 0, Sampling())
    made: dict[str, Any] = {
        "path": Path(f"/results/run{number}/run.h5"),
        "run_id": f"20261123T14{number:04d}Z-smoke-{number:06x}",
        "suite": "smoke",
        "created_utc": f"2026-11-23T{number // 60:02d}:{number % 60:02d}:00Z",
        "writer": "clustermark 0.1.0",
        "complete": True,
        "plan": plan,
        "environments": {fingerprint(FACTS): {"facts": FACTS}} if environments is None else environments,
        "rows": tuple(rows),
    }
    return Run(**made | fields)


def pingpong_rows(fabrics: Sequence[str] = ("ompi-sm-cma", "ompi-tcp"), **fields: Any) -> list[Row]:
    """Ping-pong over sizes and fabrics, from α + n/β; the proof of TCP tells the rate of its link."""
    rows = []
    for fabric in fabrics:
        for size in (8, 2**13, 2**18, 2**23):
            case = make_case("pingpong", params={"bytes": size}, fabric=fabric)
            row = make_row(case, 2 * (ALPHA[fabric] + size / BETA[fabric]), work=message_work(size), **fields)
            linked = {**row.fabric.detail, "link_bytes_per_second": 2.5e9}
            rows.append(replace(row, fabric=replace(row.fabric, detail=linked)) if "tcp" in fabric else row)
    return rows


def message_work(size: int) -> dict[str, Amount]:
    """A round trip."""
    return {"bandwidth": Amount(2.0 * size, "B"), "message_rate": Amount(2.0, "message")}


def pair_rows(ranks: int = 4, fabric: str = "ompi-sm-cma", **fields: Any) -> list[Row]:
    """Every pair of ranks at two sizes; ranks of different halves are twice as far apart."""
    rows = []
    for first in range(ranks):
        for second in range(first + 1, ranks):
            far = 2.0 if (first < ranks / 2) != (second < ranks / 2) else 1.0
            for size in (8, 2**20):
                case = make_case(
                    "pairs", params={"bytes": size, "pair": f"{first}-{second}"}, ranks=ranks, fabric=fabric
                )
                seconds = 2 * far * (ALPHA[fabric] + size / BETA[fabric]) * (1 + 0.01 * first)
                rows.append(make_row(case, seconds, work=message_work(size), **fields))
    return rows


def mixed_run() -> Run:
    """Proven and unproven fabrics, gemm with its ceiling, two wrong, one failed, one skipped case."""
    rows = sample_rows()
    rows.append(make_row(make_case("gemm", params={"n": 77}, ranks=1), status="wrong", ceiling="peak.flop_rate"))
    case, seconds, work = allreduce(2**24, "ompi-tcp")
    rows.append(make_row(case, seconds, work=work, status="wrong"))
    rows.append(make_row(make_case(params={"bytes": 2**25, "in_place": False}), status="failed"))
    rows.append(skipped_row(make_case(params={"bytes": 64, "in_place": False}, precision="bf16")))
    return make_run(rows)


def skipped_row(case: Case) -> Row:
    """A case that the plan refused."""
    return summarise(case, [Result(case, -1, "skipped", "transport 'mpi' has no bf16 sum")], 0)


def write_run(root: Path, sizes: Sequence[int] = (8, 1024, 65536)) -> Run:
    """Write a small run to the disk as the harness does, and read it back."""
    planned = [allreduce(size, fabric) for fabric in ("ompi-sm-cma", "ompi-tcp") for size in sizes]
    cases = tuple(case for case, _, _ in planned)
    job = Job(0, 2, 2, 1, "ompi-sm-cma", tuple(range(len(cases))))
    plan = Plan("smoke", "", cases, (), (job,), 2, 0, Sampling())
    folder = RunDirectory.create(root, plan)
    journal = Journal(folder.journal_path)
    facts = {"facts": FACTS, "ranks": []}
    journal.append({"event": "environment", "fingerprint": fingerprint(FACTS), "environment": facts})
    for launch in range(2):
        for case, seconds, work in planned:
            folder.record(journal, make_result(case, seconds, work, launch=launch))
    journal.close()
    folder.assemble()
    return read_run(folder.path)
