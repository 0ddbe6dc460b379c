"""``clustermark collect RUN``: the results of a submitted run, each judged with the scheduler's word, as one report."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clustermark.cli.slurm_output import open_submitted, private_files
from clustermark.core.errors import EXIT_INCONCLUSIVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.slurm_collect import Collected
    from clustermark.runners.slurm_states import State
    from clustermark.runners.slurm_submission import Submission
    from clustermark.runners.slurm_watch import Key, Watch

POLL_SECONDS = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or its name")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where runs are (results/)")
    parser.add_argument(
        "--grace",
        type=float,
        metavar="S",
        help="how long to ask for a job that nobody knows before it is taken for lost (30)",
    )
    parser.add_argument("--no-report", action="store_true", help="leave out report.html and report.md")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Collect; returns the exit code: 4 if a case failed, 3 if jobs still go on. Raises ClustermarkError."""
    from clustermark.runners.slurm_tools import Slurm
    from clustermark.runners.slurm_watch import GRACE_SECONDS, Watch

    private_files()
    run, submissions = open_submitted(options.run, options.out)
    grace = GRACE_SECONDS if options.grace is None else options.grace
    return collect_and_tell(run, submissions, Watch(submissions, Slurm(submissions[-1].site), grace), options)


def collect_and_tell(
    run: RunDirectory, submissions: Sequence[Submission], watch: Watch, options: argparse.Namespace
) -> int:
    """Ask, judge, assemble, report; returns the exit code. Raises ClustermarkError."""
    from clustermark.cli.run_verb import exit_code, finish

    collected = settle(run, submissions, watch)
    finish(run, collected.rows, options)
    if watch.silence:
        print(f"clustermark: {watch.silence}; judged from the files alone", file=sys.stderr)
    for count, what in (
        (collected.missing, "planned point(s) have no result"),
        (collected.doubted, "result(s) are not believed"),
    ):
        if count:
            print(f"clustermark: {count} {what}; each says why in the report", file=sys.stderr)
    if collected.missing or collected.doubted:
        print(f"run them again: clustermark submit --retry-failed {run.path}", file=sys.stderr)
    if collected.open_tasks:
        print(f"{collected.open_tasks} task(s) are not over; collect again later", file=sys.stderr)
    code = exit_code(collected.rows)
    return code or (EXIT_INCONCLUSIVE if collected.open_tasks else 0)


def settle(run: RunDirectory, submissions: Sequence[Submission], watch: Watch) -> Collected:
    """Ask until no task is in doubt or the grace period is over, then judge. Raises StoreError."""
    from clustermark.runners.slurm_collect import collect

    end = time.monotonic() + watch.grace
    states = watch.poll()
    while _in_doubt(submissions, watch, states) and time.monotonic() < end + POLL_SECONDS:
        time.sleep(POLL_SECONDS)
        states = watch.poll()
    watch.ask_accounts()
    return collect(run, submissions, states, watch.accounted)


def _in_doubt(submissions: Sequence[Submission], watch: Watch, states: Mapping[Key, State]) -> bool:
    """Slurm does not answer, does not know a task, or says COMPLETED before the task's record has come over."""
    from clustermark.runners.slurm_states import ABSENT, COMPLETED

    if watch.silence:
        return "cannot be started" not in watch.silence  # where there is no Slurm, asking again does not help
    of = {submission.generation: submission for submission in submissions}
    late = [key for key, state in states.items() if state.state == COMPLETED and state.source != "seen"]
    return any(state.state == ABSENT for state in states.values()) or any(
        of[key.generation].record(key.array, key.task).get("status", "running") == "running" for key in late
    )
