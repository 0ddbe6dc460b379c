"""``clustermark history DIR``: each case over many runs, with change points as advice."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from clustermark.cli.layout import print_json
from clustermark.core.errors import EXIT_OK, ResultFileError, UsageError, plain


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path("results"), help="folder of runs (results/)")
    parser.add_argument("--only", metavar="WORKLOAD[,…]", help="series of these workloads")
    parser.add_argument(
        "--otava", metavar="PYTHON", help="a Python that has Apache Otava (default: this one, if it has)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Show; returns 0 whatever moved: advice is no verdict. Raises UsageError."""
    from dataclasses import replace

    from clustermark.core.runfile import Run, read_run
    from clustermark.reports.history import history, history_document, history_text
    from clustermark.runners.otava import HOW, change_points, find_otava

    runs: list[Run] = []
    for path in sorted(options.folder.glob("*/run.h5")):
        try:
            run = read_run(path)
        except ResultFileError as error:
            print(f"clustermark: {error}; left out", file=sys.stderr)
            continue
        if options.only:
            run = replace(run, rows=tuple(row for row in run.rows if row.case.workload in options.only.split(",")))
        runs.append(run)
    if not runs:
        raise UsageError(f"{plain(str(options.folder), 1000)}: holds no finished run; give a folder such as results/")
    python = find_otava(options.otava)
    series = history(runs, partial(change_points, python) if python else None)
    detector = "Apache Otava" if python else ""
    if options.json:
        print_json("history", history_document(series, detector))
    else:
        print(history_text(series, detector, HOW), flush=True)
    return EXIT_OK
