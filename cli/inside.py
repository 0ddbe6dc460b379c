"""``mpirun -n N python -m clustermark run SUITE``: the user's own launch runs what fits it, and starts no other."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clustermark.cli.options import suite_from
from clustermark.core.errors import EXIT_OK, ClustermarkError, UsageError

if TYPE_CHECKING:
    from clustermark.core.plan import Job, Plan
    from clustermark.core.result import Result
    from clustermark.core.rundir import RunDirectory
    from clustermark.transports.world import World

# mpirun ends every rank at the first bad exit status: the silent ranks leave rank 0 the time to say why.
SILENT_SECONDS = 1.0


def run_inside(options: argparse.Namespace, world: World) -> int:
    """Run as one rank of the launch; returns the exit code, the same on every rank.

    Every rank plans for itself, so that bad input ends all of them before MPI begins; rank 0 does the talking.
    """
    try:
        return _run(options, world)
    except ClustermarkError as error:
        if world.rank == 0:
            print(f"clustermark: {error}", file=sys.stderr, flush=True)
        else:
            time.sleep(SILENT_SECONDS)
        return error.exit_code


def _run(options: argparse.Namespace, world: World) -> int:
    from clustermark.core.environment import recorded_variables
    from clustermark.runners.launcher import THREAD_VARIABLES

    variables = recorded_variables()
    run, plan = _planned(options, world)
    job = next_job(plan, set(run.finished()) if run else set(), world)
    for name in THREAD_VARIABLES:  # before NumPy is imported: its BLAS reads them once
        os.environ[name] = str(job.threads)
    from clustermark.cli.run_verb import exit_code, finish
    from clustermark.runners.catalog import workloads
    from clustermark.runners.gpus import Devices
    from clustermark.runners.launch_world import start_mpi
    from clustermark.runners.worker import Launch, run_launch

    devices = Devices.bind(plan.cases[number].device for number in job.cases)
    comm = start_mpi(job.fabric, world.size).COMM_WORLD
    opened = comm.bcast(_open(options, run, plan, job) if world.rank == 0 else None, 0)
    if isinstance(opened, ClustermarkError):
        raise opened
    run, folder, left = opened
    run_launch(Launch.of_job(run, folder, job, left, variables), run, workloads(), _say, devices)
    if world.rank != 0:
        return EXIT_OK
    rows = run.assemble()
    finish(run, rows, options)
    return exit_code(rows)


def _planned(options: argparse.Namespace, world: World) -> tuple[RunDirectory | None, Plan]:
    """The run to go on with and its plan, or None and a new plan cut down to what fits this launch."""
    from clustermark.cli.run_verb import find_run, refuse_empty
    from clustermark.core.plan import make_plan
    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.catalog import machine, workloads
    from clustermark.runners.launcher import Launcher

    if options.resume is not None:
        run = RunDirectory.open(find_run(options.resume, options.out))
        return run, run.plan
    suite = replace(suite_from(options), launches=1)
    plan = fit_plan(make_plan(suite, workloads(), machine(Launcher("", world.mpi, ""), nodes=world.nodes)), world)
    refuse_empty(plan)
    return None, plan


def fit_plan(plan: Plan, world: World) -> Plan:
    """The part of a plan that this launch can run; everything else is skipped and says why.

    One launch has one world, one fabric and one thread count: those of the first case whose ranks fit.
    """
    from clustermark.core.plan import make_jobs

    first = next((case for case in plan.cases if case.ranks == world.size), None)
    kept, skipped = [], list(plan.skipped)
    for case in plan.cases:
        reason = ""
        if case.ranks != world.size or first is None:
            reason = f"needs {case.ranks} rank(s), this MPI launch has {world.size}; start it with -n {case.ranks}"
        elif case.fabric != first.fabric:
            reason = (
                f"needs fabric '{case.fabric}', this MPI launch carries '{first.fabric}'; "
                f"start another with --fabric {case.fabric}"
            )
        elif case.threads != first.threads:
            reason = f"needs {case.threads} threads per rank, this launch has {first.threads}; start another"
        if reason:
            skipped.append((case, reason))
        else:
            kept.append(case)
    cases = tuple(kept)
    return replace(plan, cases=cases, skipped=tuple(skipped), jobs=make_jobs(cases, 1, plan.seed))


def next_job(plan: Plan, finished: set[tuple[int, int]], world: World) -> Job:
    """The first job of this launch's shape with cases left. Raises UsageError if there is none."""
    for job in plan.jobs:
        if job.ranks == world.size and job.left(finished):
            return job
    raise UsageError(
        f"run: no case of {world.size} rank(s) is left to run; start with another -n, or without mpirun for all"
    )


def _open(
    options: argparse.Namespace, run: RunDirectory | None, plan: Plan, job: Job
) -> tuple[RunDirectory, Path, tuple[int, ...]] | ClustermarkError:
    """Rank 0: make or lock the run, the folder of this launch, the cases left; an error is handed to every rank."""
    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.local import record_unwatched_failures

    try:
        run = run or RunDirectory.create(options.out, plan)
        run.lock()
        record_unwatched_failures(run)
        return run, run.launch_folder("inside"), job.left(run.finished())
    except ClustermarkError as error:
        return error


def _say(result: Result) -> None:
    reason = f": {result.reason}" if result.reason else ""
    print(f"{result.case.label} {result.status}{reason}", file=sys.stderr, flush=True)
