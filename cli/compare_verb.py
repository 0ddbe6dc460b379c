"""``clustermark compare A B C…``: systems, precisions or fabrics side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from clustermark.cli.layout import print_json
from clustermark.cli.report_verb import add_run_options, load_runs
from clustermark.core.errors import EXIT_NOT_COMPARABLE, EXIT_OK


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_run_options(parser)
    parser.add_argument(
        "--by", default="", metavar="AXIS", help="compare values of precision, fabric, threads … instead"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write Markdown there too")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Compare; returns 5 where no case of equal work is in two of them. Raises ClustermarkError."""
    from clustermark.core.files import atomic_write
    from clustermark.reports.compare import compare, comparison_document
    from clustermark.reports.compare_text import comparison_markdown, comparison_text

    found = compare(load_runs(options.runs, options.results), options.by)
    if options.markdown is not None:
        atomic_write(options.markdown, comparison_markdown(found).encode("utf-8", "replace"))
    if options.json:
        print_json("compare", comparison_document(found))
    else:
        print(comparison_text(found), flush=True)
    return EXIT_OK if found.cases else EXIT_NOT_COMPARABLE
