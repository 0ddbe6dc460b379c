"""What one task of a job array does on its first node: launch after launch of the worker, and a record of its end.

Started by the batch script as ``python -m clustermark.runners.slurm_task RUN GENERATION ARRAY TASK``. The exit
status is 0 only if every case of the task has a result; whether that result is good stands in the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from clustermark.core.errors import EXIT_FAILED, ClustermarkError
from clustermark.core.files import atomic_write
from clustermark.core.plan import Job
from clustermark.core.result import Result
from clustermark.core.rundir import RunDirectory, utc_now
from clustermark.runners.launcher import launch_environment
from clustermark.runners.local import run_job, worker_arguments
from clustermark.runners.slurm_arrays import Array
from clustermark.runners.slurm_render import launch_tokens
from clustermark.runners.slurm_submission import Submission
from clustermark.runners.worker import Launch

PROBE_SECONDS = 20.0
# How long to wait for Slurm to act on a node that does not answer; it ends or requeues the job meanwhile.
HOLD_SECONDS = 600.0


class StoppedError(Exception):
    """Slurm asked the task to stop; the message is why."""


@dataclass(frozen=True)
class SlurmStarter:
    """srun, or mpiexec, inside the allocation of this task."""

    submission: Submission
    array: Array
    place: str
    spreads: bool = True
    retries: int = 1

    def arguments(self, launch: Launch) -> list[str]:
        """The launcher's tokens, a container's, the worker."""
        site = self.submission.site
        tokens = launch_tokens(site, self.submission.mpi, self.array, launch.run, os.geteuid() == 0)
        python = site.container.python if site.container.runtime else self.submission.python
        return [*tokens, *worker_arguments(launch, python)]

    def environment(self, launch: Launch) -> dict[str, str]:
        """Those of the batch script, with the fabric's; ranks that share cores must yield while they wait."""
        yielding = {"OMPI_MCA_mpi_yield_when_idle": "1"} if self.submission.site.virtual else {}
        return launch_environment(os.environ, launch.fabric, launch.threads) | yielding

    def explain(self, folder: Path) -> str:
        """Whether a node of the allocation has gone; Slurm is then given the time to end or requeue the job."""
        problem = nodes_that_do_not_answer(self.array)
        if not problem:
            return ""
        print(f"{self.place}: {problem}; waiting for Slurm to act", flush=True)
        time.sleep(HOLD_SECONDS)
        return f"{problem}, and Slurm did not end the job within {HOLD_SECONDS:g} s"


def nodes_that_do_not_answer(array: Array) -> str:
    """ "" if a program starts on every node of the allocation, else what srun says."""
    if array.shape.nodes == 1:
        return ""  # this process runs on the node
    count = str(array.shape.nodes)
    words = ["srun", "--mpi=none", "-N", count, "-n", count, "--overlap", "--mem=0", "--input=none", "true"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"a node of the job does not answer (no program started on it within {PROBE_SECONDS:g} s)"
    except OSError:
        return ""  # a site without srun on its nodes
    if done.returncode == 0:
        return ""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return f"a node of the job does not answer ({said[-1] if said else 'srun says nothing'})"


class Record:
    """What the task says of itself, rewritten whole: facts of the scheduler, then how it ended."""

    def __init__(self, path: Path, variables: Mapping[str, str]) -> None:
        """Begin: the task runs."""
        self.path = path
        self.facts: dict[str, Any] = {**scheduler_facts(variables), "started_utc": utc_now()}
        self.write("running", "", None)

    def write(self, status: str, reason: str, exit_code: int | None) -> None:
        """Status "running", "complete" (every case has a result), "stopped" or "error". Raises StoreError."""
        ended = {} if status == "running" else {"ended_utc": utc_now()}
        facts = {**self.facts, **ended, "status": status, "reason": reason, "exit_code": exit_code}
        atomic_write(self.path, json.dumps(facts, indent=1).encode())


def scheduler_facts(variables: Mapping[str, str]) -> dict[str, Any]:
    """Cluster, partition, job, nodes, GPUs of this job, as its batch script is told."""
    names = {
        "cluster": "SLURM_CLUSTER_NAME",
        "partition": "SLURM_JOB_PARTITION",
        "account": "SLURM_JOB_ACCOUNT",
        "job": "SLURM_JOB_ID",
        "array_job": "SLURM_ARRAY_JOB_ID",
        "array_task": "SLURM_ARRAY_TASK_ID",
        "nodes": "SLURM_JOB_NODELIST",
        "gpus": "SLURM_JOB_GPUS",
    }
    found = {key: variables[name] for key, name in names.items() if variables.get(name)}
    count = variables.get("SLURM_RESTART_COUNT", "0")
    return {**found, "restarts": int(count) if count.isdigit() else 0}


def place_of(facts: Mapping[str, Any]) -> str:
    """``"Slurm job 12_3 on vn[1-2]"``"""
    job = f"{facts['array_job']}_{facts['array_task']}" if "array_job" in facts else facts.get("job", "?")
    return f"Slurm job {job} on {facts.get('nodes', '?')}"


def run_task(submission: Submission, array: Array, number: int, variables: Mapping[str, str]) -> int:
    """Run what the task has left; returns the exit status."""
    task = array.tasks[number]
    record = Record(submission.record_path(array.number, number), variables)
    writer = f"task-{array.number:03d}-{number:05d}.{record.facts['restarts']:04d}"
    try:
        run = RunDirectory.open(submission.run, submission.journal(writer))
        starter = SlurmStarter(submission, array, place_of(record.facts))
        for job_number in task.jobs:
            job = run.plan.jobs[job_number]
            left = _left(run, job, set(task.points))
            run_job(run, starter, f"{submission.generation:04d}-{job_number:04d}", job, left, None, _say)
    except StoppedError as stopped:
        print(f"stopped: {stopped}", flush=True)
        record.write("stopped", str(stopped), EXIT_FAILED)
        return EXIT_FAILED
    except ClustermarkError as error:
        print(f"clustermark: {error}", flush=True)
        with contextlib.suppress(ClustermarkError):  # the disk may be what failed
            record.write("error", str(error), error.exit_code)
        return error.exit_code
    record.write("complete", "", 0)
    return 0


def _left(run: RunDirectory, job: Job, points: set[tuple[int, int]]) -> list[int]:
    """Cases of the job that this task was given and that have no result: after a requeue, only those."""
    return [case for case in job.left(run.finished()) if (case, job.launch) in points]


def _say(result: Result) -> None:
    reason = f": {result.reason}" if result.reason else ""
    print(f"{result.case.label} launch {result.launch + 1} {result.status}{reason}", flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what follows must not be cut off by a second one
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if number == signal.SIGUSR1:
        raise StoppedError("the time limit of the job was near; raise minutes in the site, or --minutes")
    raise StoppedError("Slurm ended the job (cancelled, preempted, or out of time)")


def main(arguments: list[str]) -> int:
    """Entry point of the batch script."""
    run, generation, array, number = Path(arguments[0]), *map(int, arguments[1:4])
    os.umask(os.umask(0o077) | 0o002)
    signal.signal(signal.SIGUSR1, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        submission = Submission.load(run, generation)
        return run_task(submission, submission.arrays[array], number, os.environ)
    except StoppedError as stopped:
        print(f"stopped: {stopped}", flush=True)
        return EXIT_FAILED
    except ClustermarkError as error:
        print(f"clustermark: {error}", flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
