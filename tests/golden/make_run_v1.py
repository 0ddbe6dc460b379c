"""Made run_v1.h5, the run file of schema version 1 that every later version must read. Never run it again:

    python tests/golden/make_run_v1.py FOLDER

writes FOLDER/run_v1.h5 with the clustermark at hand; a new schema version gets a new script and a new file.
All values are synthetic.
"""

import sys
from pathlib import Path

import numpy as np

from clustermark.core.case import Case
from clustermark.core.journal import Journal
from clustermark.core.measurement import Measurement
from clustermark.core.plan import Job, Plan
from clustermark.core.result import FabricProof, Result
from clustermark.core.rundir import RunDirectory
from clustermark.core.suite import Sampling
from clustermark.core.workload import Amount, Check


def golden_run(folder: Path) -> Path:
    """Write the run below `folder`; returns its run.h5."""
    params = {"bytes": 1024, "in_place": False}
    case = Case("allreduce", 1, params, "fp64", "cpu", "mpi", "ompi-tcp", ranks=2, ranks_per_node=2, seed=1)
    refused = Case("allreduce", 1, params, "bf16", "cpu", "mpi", "ompi-tcp", ranks=2, ranks_per_node=2, seed=1)
    plan = Plan(
        suite="golden",
        summary="synthetic values",
        cases=(case,),
        skipped=((refused, "workload 'allreduce' has no bf16 on cpu; it knows fp64"),),
        jobs=tuple(Job(launch, 2, 2, 1, "ompi-tcp", (0,)) for launch in range(2)),
        launches=2,
        seed=1,
        sampling=Sampling(),
    )
    run = RunDirectory.create(folder, plan)
    journal = Journal(run.journal_path)
    ranks = [{"rank": rank, "ranks": 2, "node": "node1", "affinity": f"{rank}"} for rank in range(2)]
    environment = {"facts": {"cpu": {"model": "synthetic"}}, "state": {}, "ranks": ranks, "provenance": {}}
    journal.append({"event": "environment", "fingerprint": "00112233445566aa", "environment": environment})
    for launch in range(2):
        samples = 3 + launch  # unequal on purpose: the shorter launch is padded
        seconds = 1e-3 * (1 + np.arange(samples * 2, dtype=float).reshape(samples, 2) + 100 * launch)
        measured = Measurement(seconds, seconds[:1] * 10, 4, "perf_counter", "barrier", 2e-7, "interval")
        run.record(
            journal,
            Result(
                case=case,
                launch=launch,
                status="ok",
                measurement=measured,
                work={"algorithm_bandwidth": Amount(1024.0, "B"), "bus_bandwidth": Amount(1024.0, "B")},
                check=Check("sum of ranks", 0.0, 1e-12, True, "is 3, should be 3"),
                fabric=FabricProof("ompi-tcp", "tcp over lo", "counter", True, {"lo": 1.5}),
                fingerprint="00112233445566aa",
                conditions=("oversubscribed",),
                started_utc="2026-01-02T03:04:05Z",
                counters={"message bytes": 1024.0},
            ),
        )
    journal.close()
    run.assemble()
    return run.run_file


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        (Path(sys.argv[1]) / "run_v1.h5").write_bytes(golden_run(Path(scratch)).read_bytes())
