"""``clustermark compare A B C…``: systems, precisions or fabrics side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clustermark.cli.layout import cannot_draw, print_json
from clustermark.cli.report_verb import add_run_options, load_runs
from clustermark.core.errors import EXIT_NOT_COMPARABLE, EXIT_OK, UsageError

if TYPE_CHECKING:
    from clustermark.reports.compare import Comparison


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_run_options(parser)
    parser.add_argument(
        "--by", default="", metavar="AXIS", help="compare values of precision, fabric, threads … instead"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write Markdown there too")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with forest plots there")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Compare; returns 5 where no case of equal work is in two of them. Raises ClustermarkError."""
    from clustermark.core.files import atomic_write
    from clustermark.reports.compare import compare, comparison_document
    from clustermark.reports.compare_text import comparison_markdown, comparison_text

    found = compare(load_runs(options.runs, options.results), options.by)
    if options.markdown is not None:
        atomic_write(options.markdown, comparison_markdown(found).encode("utf-8", "replace"))
    if options.html is not None:
        _write_page(found, options.html)
    if options.json:
        print_json("compare", comparison_document(found))
    else:
        print(comparison_text(found), flush=True)
    return EXIT_OK if found.cases else EXIT_NOT_COMPARABLE


def _write_page(found: Comparison, target: Path) -> None:
    from clustermark.core.files import atomic_write

    try:
        from clustermark.reports.ratio_page import comparison_page

        atomic_write(target, comparison_page(found).encode("utf-8", "replace"))
    except ImportError as error:
        raise UsageError(f"compare --html: {cannot_draw(error)}, or use --markdown") from None
