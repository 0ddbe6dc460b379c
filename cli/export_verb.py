"""``clustermark export RUN… --format csv``: results for other programs."""

import argparse
import sys
from pathlib import Path

from clustermark.cli.report_verb import add_run_options, load_runs
from clustermark.core.errors import EXIT_OK, UsageError, nearest, plain


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_run_options(parser)
    parser.add_argument(
        "--format", required=True, metavar="csv|json|pytest-benchmark|openmetrics", help="what to write"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write it (default: stdout)")


def execute(options: argparse.Namespace) -> int:
    """Export; returns the exit code. Raises ClustermarkError."""
    from clustermark.core.files import atomic_write
    from clustermark.reports.export import EXPORTS, export

    if options.format not in EXPORTS:
        close = nearest(options.format, EXPORTS)
        raise UsageError(
            f"--format {plain(options.format)}: is not known{close}; `clustermark export --help` shows all"
        )
    text = export(load_runs(options.runs, options.results), options.format)
    if options.output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        atomic_write(options.output, text.encode("utf-8", "replace"))
        print(options.output)
    return EXIT_OK
