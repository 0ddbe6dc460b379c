"""``clustermark cancel RUN``: end every job of a submitted run; what was finished stays."""

from __future__ import annotations

import argparse
from pathlib import Path

from clustermark.cli.layout import print_json, print_lines
from clustermark.cli.slurm_output import open_submitted, private_files
from clustermark.core.errors import EXIT_OK


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or its name")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where runs are (results/)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Cancel; returns the exit code. Raises ClustermarkError."""
    from clustermark.runners.slurm_submit import cancel
    from clustermark.runners.slurm_tools import Slurm

    private_files()
    run, submissions = open_submitted(options.run, options.out)
    jobs = cancel(submissions, Slurm(submissions[-1].site))
    if options.json:
        print_json("cancel", {"run": str(run.path), "jobs": jobs})
        return EXIT_OK
    print_lines(
        [
            f"cancelled {' '.join(jobs) or 'nothing: no job was submitted'}",
            f"what was finished stays; its report: clustermark collect {run.path}",
        ]
    )
    return EXIT_OK
