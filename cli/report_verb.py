"""``clustermark report RUN…``: one report over finished, partial or killed runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from clustermark.cli.layout import cannot_draw, print_lines
from clustermark.core.errors import EXIT_OK, StoreError, UsageError, nearest, plain

if TYPE_CHECKING:
    from clustermark.core.rundir import RunDirectory
    from clustermark.core.runfile import Run
    from clustermark.reports.costs import Costs

# What the name of a single file says about its format.
_SUFFIXES = {".html": "html", ".md": "markdown", ".json": "json"}
_SEVERAL = Path("report")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_run_options(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="a folder, or one .html, .md or .json file (default: the run's folder; report/ for several runs)",
    )
    parser.add_argument("--format", metavar="html,markdown,images,json", help="what to write (html,markdown)")
    parser.add_argument("--costs", type=Path, metavar="COSTS.toml", help="prices of a node: adds the charts of cost")
    parser.add_argument("--json", action="store_true", help="the results as one JSON document on stdout")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The runs, and where their names are looked up."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, its run.h5, or its name")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where names of runs are (results/)"
    )


def execute(options: argparse.Namespace) -> int:
    """Write the report; returns the exit code. Raises ClustermarkError."""
    from clustermark.reports.costs import read_costs

    costs = read_costs(options.costs) if options.costs is not None else None
    runs = load_runs(options.runs, options.results)
    try:
        written = _write(runs, options, costs)
    except ImportError as error:
        raise UsageError(
            f"report: {cannot_draw(error)}, or export the results: `clustermark export {options.runs[0]} --format csv`"
        ) from None
    if options.json:
        from clustermark.reports.export import export

        print(export(runs, "json"), end="")
        print(*written, sep="\n", file=sys.stderr)
        return EXIT_OK
    from clustermark.reports.verdict import count_runs, sentence

    print_lines([sentence(count_runs(runs)), *map(str, written)])
    return EXIT_OK


def _write(runs: Sequence[Run], options: argparse.Namespace, costs: Costs | None) -> list[Path]:
    from clustermark.reports.build import write_report

    target: Path | None = options.output
    formats = options.format.split(",") if options.format else ["html", "markdown"]
    if target is not None and target.suffix in _SUFFIXES and not target.is_dir():
        return [_write_file(runs, target, options.format, costs)]
    if target is None and len(runs) > 1:
        target = _SEVERAL
    return write_report(runs, target, formats, costs)


def _write_file(runs: Sequence[Run], target: Path, asked: str | None, costs: Costs | None) -> Path:
    from clustermark.core.files import atomic_write
    from clustermark.reports.export import export
    from clustermark.reports.html import write_html
    from clustermark.reports.markdown import markdown

    implied = _SUFFIXES[target.suffix]
    if asked not in (None, implied):
        raise UsageError(f"--output {target}: is one {implied} file, --format asks for {asked}; name a folder")
    if implied == "html":
        write_html(runs, target, costs)
    else:
        text = markdown(runs) if implied == "markdown" else export(runs, "json")
        atomic_write(target, text.encode("utf-8", "replace"))
    return target


def load_runs(names: Sequence[Path], results: Path) -> list[Run]:
    """The overviews of runs; a run that was killed is assembled first.

    Parameters
    ----------
    names : folders, run.h5 files, or names of folders under `results`; one given twice counts once

    Raises
    ------
    UsageError : no such run, with the nearest name; a damaged one; one that is still running
    """
    from clustermark.core.runfile import read_run

    paths = [run_file(name, results) for name in names]
    return [read_run(path) for path in {path.resolve(): path for path in paths}.values()]


def run_file(name: Path, results: Path) -> Path:
    """The run.h5 of a run, brought up to date with its journal. Raises UsageError, StoreError."""
    from clustermark.cli.run_verb import find_run

    try:
        if name.is_file():
            return name
        folder = find_run(name, results)
        if not folder.is_dir():
            known = _names(folder.parent)
            close = get_close_matches(name.name, known, 1) or known[-3:]
            raise UsageError(
                f"run {plain(str(name))}: is not there{nearest(name.name, close)}; give a run's folder or its run.h5"
            )
    except OSError as error:
        raise UsageError(
            f"run {plain(str(name))}: cannot be read ({error.strerror}); give a run's folder or its run.h5"
        ) from None
    _assemble(folder)
    return folder / "run.h5"


def _names(results: Path) -> list[str]:
    """Names of the runs in a folder, the newest last: names begin with their time."""
    return sorted(path.parent.name for path in results.glob("*/plan.json"))


def _assemble(folder: Path) -> None:
    """Write run.h5 where it is missing or older than the journal: the run was killed, or goes on.

    A run.h5 that is there is left alone if case files are not: it is all that came of a copy.
    """
    from clustermark.core.rundir import RunDirectory

    target, journal = folder / "run.h5", folder / "journal.jsonl"
    if target.exists() and (not journal.exists() or journal.stat().st_mtime <= target.stat().st_mtime):
        return
    try:
        run = RunDirectory.open(folder)
        if run.is_submitted:  # its results count only with the scheduler's word
            raise UsageError(f"run {run.run_id}: is not collected; `clustermark collect {folder}` makes its run.h5")
        run.lock()
        try:
            if target.exists() and not _has_its_cases(run):
                return
            run.assemble()
        finally:
            run.unlock()
    except (UsageError, StoreError) as error:
        if not target.exists():
            raise
        print(f"clustermark: {error}; shown is what {target} holds", file=sys.stderr)
        return
    print(f"assembled {target} from what was finished", file=sys.stderr)


def _has_its_cases(run: RunDirectory) -> bool:
    measured = [key for key, result in run.finished().items() if result.status in ("ok", "wrong")]
    return all(run.case_path(*key).exists() for key in measured)
