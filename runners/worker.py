"""One rank of a launch: bind, prove the fabric, then per case prepare → warm up → sample → check → record.

Started by runners/local.py as ``python -m clustermark.runners.worker job.json``; inside a user's own mpirun the
command line calls `run_launch` itself. Any exception on any rank is written beside the rank's log and ends the
whole launch: the launcher names the case, records it as failed and starts again with the cases that are left.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clustermark.core.case import Case
from clustermark.core.context import Transport
from clustermark.core.errors import EXIT_CANNOT_WRITE, ClustermarkError, LaunchError, StoreError
from clustermark.core.journal import Journal
from clustermark.core.plan import Job
from clustermark.core.result import UNPROVEN, FabricProof, Result
from clustermark.core.rundir import JOURNAL, RunDirectory, utc_now
from clustermark.core.workload import Workload
from clustermark.runners.children import die_with_parent
from clustermark.runners.gpus import Devices
from clustermark.runners.launch_world import library_facts, redirect_output, start_mpi
from clustermark.runners.launcher import rank_hint
from clustermark.runners.one_case import run_case

HEARTBEAT_SECONDS = 2.0


@dataclass(frozen=True)
class Launch:
    """What one launch is to do; `job.json` in its folder.

    Attributes
    ----------
    run : folder of the run
    folder : of this launch: logs, errors, the sign of life
    launch, ranks, threads, fabric : as in core.plan.Job
    cases : numbers of the cases that are left, in order
    variables : recorded before the launch added its own
    kernel_copies : process_vm_readv calls seen in a launch of this fabric, None if not counted
    journal : in the folder of the run, that rank 0 writes
    nodes : that the ranks must be found on, 0 for any number
    """

    run: str
    folder: str
    launch: int
    ranks: int
    threads: int
    fabric: str
    cases: tuple[int, ...]
    variables: Mapping[str, str]
    kernel_copies: int | None = None
    journal: str = JOURNAL
    nodes: int = 0

    @staticmethod
    def of_job(
        run: RunDirectory,
        folder: Path,
        job: Job,
        cases: Sequence[int],
        variables: Mapping[str, str],
        kernel_copies: int | None = None,
        spreads: bool = False,
    ) -> Launch:
        """A launch of a job's shape for the cases that are left; `spreads`: on as many nodes as it asks for."""
        return Launch(
            run=str(run.path),
            folder=str(folder),
            launch=job.launch,
            ranks=job.ranks,
            threads=job.threads,
            fabric=job.fabric,
            cases=tuple(cases),
            variables=variables,
            kernel_copies=kernel_copies,
            journal=run.journal,
            nodes=-(-job.ranks // job.ranks_per_node) if spreads else 0,
        )

    def to_json(self) -> str:
        """One JSON object; `from_json` takes it back."""
        return json.dumps(asdict(self) | {"variables": dict(self.variables)}, indent=1)

    @staticmethod
    def from_json(text: str) -> Launch:
        """The launch that `to_json` wrote."""
        data = json.loads(text)
        return Launch(**{**data, "cases": tuple(data["cases"])})


class SignOfLife:
    """Re-arms the rank's own hang detector, and on rank 0 touches a file that the launcher watches."""

    def __init__(self, folder: Path, rank: int, timeout: float, log: Any) -> None:
        """`log` takes the stack of every thread when the rank has hung for `timeout` seconds."""
        self.path = folder / "alive" if rank == 0 else None
        self.timeout = timeout
        self.log = log
        self.touched = 0.0

    def __call__(self) -> None:
        """Say that this rank is alive; cheap, and never inside a timed window."""
        now = time.monotonic()
        if now - self.touched < HEARTBEAT_SECONDS:
            return
        self.touched = now
        faulthandler.dump_traceback_later(self.timeout, exit=True, file=self.log)
        if self.path is not None:
            self.path.touch()

    def stop(self) -> None:
        """Disarm."""
        faulthandler.cancel_dump_traceback_later()


def run_launch(
    launch: Launch,
    run: RunDirectory,
    workloads: Mapping[str, Workload],
    on_result: Callable[[Result], None] = lambda result: None,
    devices: Devices | None = None,
) -> None:
    """Run the cases of a launch on this rank; collective over the world that the launcher made.

    `devices` are those that were bound before, where MPI was initialised before.

    Raises
    ------
    LaunchError : the world is not what was asked for
    StoreError : a result cannot be written; everything written before stays
    """
    if devices is None:
        devices = Devices.bind(run.plan.cases[number].device for number in launch.cases)
    try:
        mpi = start_mpi(launch.fabric, launch.ranks)
    except LaunchError as error:
        _note(launch, rank_hint(os.environ), error)
        raise
    rank = mpi.COMM_WORLD.rank
    with (Path(launch.folder) / f"rank{rank}.trace").open("a") as log:
        alive = SignOfLife(Path(launch.folder), rank, run.plan.sampling.timeout, log)
        alive()
        try:
            _run_cases(launch, run, workloads, mpi, devices, alive, on_result)
        except BaseException as error:
            alive.stop()
            _abort(launch, rank, error, mpi)
        alive.stop()
    mpi.COMM_WORLD.Barrier()
    mpi.Finalize()


def _run_cases(
    launch: Launch,
    run: RunDirectory,
    workloads: Mapping[str, Workload],
    mpi: Any,
    devices: Devices,
    alive: SignOfLife,
    on_result: Callable[[Result], None],
) -> None:
    from clustermark.runners.measure import harness_floor
    from clustermark.runners.surroundings import gather_environment, labels_of_launch
    from clustermark.transports.fabrics import FABRICS
    from clustermark.transports.mpi import MpiTransport
    from clustermark.transports.nccl_evidence import variables
    from clustermark.transports.proof import prove

    world = MpiTransport()
    os.environ.update(variables(Path(launch.folder), os.environ))  # NCCL reads them when a case asks for it first
    journal = Journal(run.journal_path) if world.rank == 0 else None
    environment = gather_environment(world, library_facts(mpi), launch.variables, launch.threads, devices.facts())
    _check_nodes(launch, world.broadcast(None if environment is None else sorted(environment.provenance["nodes"])))
    floor = world.maximum(harness_floor())
    proof = UNPROVEN
    if launch.fabric in FABRICS:
        proof = prove(FABRICS[launch.fabric], world, launch.kernel_copies)
    elif world.size == 1:
        proof = FabricProof("self", "one rank: nothing to carry", "none", True)
    alive()
    fingerprint, crowded = "", ()
    if environment is not None and journal is not None:
        fingerprint, crowded = environment.fingerprint, labels_of_launch(environment, launch.threads)
        event = {"fingerprint": fingerprint, "environment": environment.to_dict(), "folder": Path(launch.folder).name}
        journal.append({"event": "environment", **event})
    for number in launch.cases:
        case = run.plan.cases[number]
        if journal is not None:
            where = {"launch": launch.launch, "folder": Path(launch.folder).name}
            journal.append({"event": "start", "case": number, **where, "utc": utc_now()})
        result = run_case(case, launch.launch, workloads[case.workload], run.plan.sampling, floor, devices, alive)
        carried = _carried(case, world, Path(launch.folder), proof, devices)
        if result is None or journal is None:
            continue
        conditions = tuple(sorted({*result.conditions, *crowded}))
        result = replace(result, fabric=carried, fingerprint=fingerprint, conditions=conditions)
        run.record(journal, result)
        on_result(result)


def _check_nodes(launch: Launch, nodes: list[str]) -> None:
    if launch.nodes and len(nodes) != launch.nodes:
        raise LaunchError(
            f"the ranks run on {len(nodes)} node(s) ({', '.join(nodes[:4])}) where {launch.nodes} were asked: the "
            f"launcher did not spread them; check the launcher and MPI type of the site"
        )


def _carried(case: Case, world: Transport, folder: Path, proof: FabricProof, devices: Devices) -> FabricProof:
    """The proof of the fabric for a case: MPI's, but where NCCL carries the bytes its lines, counted; collective."""
    from clustermark.transports import gpu_wires
    from clustermark.transports.nccl_evidence import CARRIED_BY_NCCL, lines_of_process, nccl_proof

    if case.transport not in CARRIED_BY_NCCL or world.size == 1:
        return proof
    found = devices.wire() if case.transport == "nccl" else gpu_wires.UNCOUNTED
    texts = world.gather(lines_of_process(folder, os.getpid()))
    return gpu_wires.with_wire(nccl_proof(case.fabric, texts or []), found)


def _abort(launch: Launch, rank: int, error: BaseException, mpi: Any) -> None:
    """Write what happened where the launcher looks, then end every rank."""
    traceback.print_exception(error, file=sys.stderr)
    _note(launch, str(rank), error)
    sys.stderr.flush()
    mpi.COMM_WORLD.Abort(EXIT_CANNOT_WRITE if isinstance(error, StoreError) else 1)


def _note(launch: Launch, rank: str, error: BaseException) -> None:
    frame = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frame[-1].filename).name}:{frame[-1].lineno}" if frame else ""
    own = isinstance(error, ClustermarkError)
    note = {"rank": rank, "type": type(error).__name__, "message": str(error), "where": where, "own": own}
    with contextlib.suppress(OSError):  # the disk may be what failed; the exit status still tells
        (Path(launch.folder) / f"rank{rank}.error.json").write_text(json.dumps(note))


def main(arguments: list[str]) -> int:
    """Entry point of a rank: the path of job.json."""
    die_with_parent()
    path = Path(arguments[0])
    redirect_output(path.parent, rank_hint(os.environ))
    from clustermark.runners.catalog import workloads

    launch = Launch.from_json(path.read_text())
    run_launch(launch, RunDirectory.open(Path(launch.run), launch.journal), workloads())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
