"""A small suite, its workloads and results: what the tests of core are fed with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from clustermark.core.case import Case
from clustermark.core.journal import Journal
from clustermark.core.machine import Machine
from clustermark.core.measurement import Measurement
from clustermark.core.plan import Plan, make_plan
from clustermark.core.result import FabricProof, Result
from clustermark.core.rundir import RunDirectory
from clustermark.core.suite import parse_suite
from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload


def _no_trial(case: Case, context: object) -> Trial:
    raise NotImplementedError


def _even(value: ParamValue) -> str:
    return "" if isinstance(value, int) and value % 2 == 0 else "must be even"


ALLREDUCE = Workload(
    name="allreduce",
    version=1,
    summary="sum over ranks",
    source="MPI 4.1, 6.9.6",
    devices=("cpu",),
    precisions=("fp64", "fp32"),
    transports=("mpi", "local"),
    prepare=_no_trial,
    params=(Param("bytes", 8, "message size", "B"), Param("in_place", False, "in place")),
)
GEMM = Workload(
    name="gemm",
    version=3,
    summary="matrix product",
    source="BLAS",
    devices=("cpu", "cuda"),
    precisions=("fp64",),
    transports=("mpi",),
    prepare=_no_trial,
    params=(Param("n", 512, "edge", check=_even), Param("alpha", 1.0, "factor"), Param("layout", "row", "order")),
    refuse=lambda case: "needs one rank" if case.ranks > 2 else "",
)
WORKLOADS: Mapping[str, Workload] = {"allreduce": ALLREDUCE, "gemm": GEMM}
MACHINE = Machine(
    devices={"cpu": "", "cuda": "is not here; install a driver", "rocm": ""},
    fabrics={"ompi-sm-cma": "", "ompi-tcp": "", "ompi-ib": "has no device here; use tcp"},
    fabric_aliases={"shm": "ompi-sm-cma", "tcp": "ompi-tcp", "ib": "ompi-ib"},
    transports={
        "mpi": lambda ranks, precision, device: "",
        "local": lambda ranks, precision, device: "is for one rank" if ranks > 1 else "",
    },
)
SUITE = """\
name = "example"
summary = "what the tests of core run"
launches = 2
seed = 7

[sampling]
seconds = 0.25
min_samples = 5
max_samples = 50

[[matrix]]
workload = "allreduce"
ranks = [1, 2]
precision = ["fp64", "fp32"]
fabric = ["shm", "tcp"]

[matrix.params]
bytes = ["8B", "64KiB"]

[[matrix]]
workload = "gemm"
device = ["cpu", "cuda"]
params = { n = [256, 512], alpha = 2 }
"""


def plan_of(text: str = SUITE) -> Plan:
    """The plan of a suite text on MACHINE."""
    return make_plan(parse_suite(text, "test.toml"), WORKLOADS, MACHINE)


def case_of(**changes: object) -> Case:
    """One case; keyword arguments replace its fields."""
    fields: dict[str, object] = {
        "workload": "allreduce",
        "version": 1,
        "params": {"bytes": 65536, "in_place": False},
        "precision": "fp32",
        "device": "cpu",
        "transport": "mpi",
        "fabric": "ompi-tcp",
        "ranks": 2,
        "ranks_per_node": 2,
        "threads": 1,
        "seed": 7,
    }
    return Case(**(fields | changes))  # type: ignore[arg-type]  # fields of mixed types


def measurement_of(rng: np.random.Generator, ranks: int, samples: int = 6, warmup: int = 2) -> Measurement:
    """Log-normal seconds around 100 µs."""
    return Measurement(
        seconds=rng.lognormal(-9.0, 0.1, (samples, ranks)),
        warmup_seconds=rng.lognormal(-8.0, 0.1, (warmup, ranks)),
        steps_per_sample=10,
        clock="perf_counter",
        sync="barrier",
        floor=1e-7,
        stopped_by="samples",
    )


def result_of(case: Case, launch: int, measurement: Measurement | None = None) -> Result:
    """A launch that went well."""
    rng = np.random.default_rng([launch, case.seed])
    return Result(
        case=case,
        launch=launch,
        status="ok",
        measurement=measurement or measurement_of(rng, case.ranks),
        work={"bus": Amount(4096.0, "B"), "messages": Amount(2.0, "")},
        check=Check("sum against n(n+1)/2", 1e-9, 1e-7, True, "is 3, should be 3"),
        fabric=FabricProof(case.fabric, "tcp over lo", "counter", True, {"lo": 1.005}),
        fingerprint="0123456789abcdef",
        started_utc="2026-01-02T03:04:05Z",
        counters={"bytes": 8.0},
    )


def recorded_run(root: Path, text: str = SUITE) -> RunDirectory:
    """A finished run folder under `root`, not yet assembled."""
    run = RunDirectory.create(root, plan_of(text))
    journal = Journal(run.journal_path)
    ranks = [{"rank": rank, "ranks": 2, "node": "node1", "affinity": "0-3"} for rank in range(2)]
    journal.append(
        {"event": "environment", "fingerprint": "0123456789abcdef", "environment": {"facts": {}, "ranks": ranks}}
    )
    for launch in range(run.plan.launches):
        for case in run.plan.cases:
            run.record(journal, result_of(case, launch))
    journal.close()
    return run


def same_measurement(a: Measurement, b: Measurement) -> bool:
    """Bit for bit, NaN equal to NaN."""
    return (
        a.seconds.shape == b.seconds.shape
        and a.seconds.tobytes() == b.seconds.tobytes()
        and a.warmup_seconds.shape == b.warmup_seconds.shape
        and a.warmup_seconds.tobytes() == b.warmup_seconds.tobytes()
        and (a.steps_per_sample, a.clock, a.sync, a.floor, a.stopped_by)
        == (b.steps_per_sample, b.clock, b.sync, b.floor, b.stopped_by)
        and _bytes(a.device_seconds) == _bytes(b.device_seconds)
    )


def _bytes(array: np.ndarray | None) -> bytes | None:
    return None if array is None else array.tobytes()


def opened(path: Path, mode: str = "r") -> Any:
    """An HDF5 file, untyped: h5py types each item as a union of all it might be."""
    return h5py.File(path, mode, locking=False)
