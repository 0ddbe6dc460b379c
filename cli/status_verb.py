"""``clustermark status RUN``: jobs and results of a submitted run as they are now."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from clustermark.cli.layout import print_json, print_lines
from clustermark.cli.slurm_output import job_lines, job_rows, open_submitted, private_files, warn_of_doomed
from clustermark.core.errors import EXIT_OK


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or its name")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where runs are (results/)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Show; returns the exit code. Raises ClustermarkError."""
    from clustermark.runners.slurm_tools import Slurm
    from clustermark.runners.slurm_watch import Watch

    private_files()
    run, submissions = open_submitted(options.run, options.out)
    watch = Watch(submissions, Slurm(submissions[-1].site))
    states = watch.poll()
    rows = job_rows(watch, states)
    results = Counter(result.status for result in run.finished().values())
    planned = len(run.plan.cases) * run.plan.launches
    over = all(state.ended for state in states.values())
    if options.json:
        print_json(
            "status",
            {
                "run": str(run.path),
                "planned": planned,
                "results": dict(results),
                "over": over,
                "jobs": rows,
                "collector": watch.collector.state,
                "slurm": watch.silence or "answers",
            },
        )
        return EXIT_OK
    done = ", ".join(f"{count} {status}" for status, count in sorted(results.items())) or "none"
    lines = [f"{run.path}", "", *job_lines(rows), "", f"results: {done} of {planned} planned"]
    lines.append(
        f"collector: {watch.collector.state}{f' ({watch.collector.reason})' if watch.collector.reason else ''}"
    )
    if over:
        lines.append(f"all jobs are over: clustermark collect {run.path}")
    print_lines(lines)
    if watch.silence:
        print(f"clustermark: {watch.silence}; shown is what the files say", file=sys.stderr)
    warn_of_doomed(rows, run.path)
    return EXIT_OK
