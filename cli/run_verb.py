"""``clustermark run SUITE`` and ``clustermark run --resume RUN``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from clustermark.cli.options import add_suite_options, suite_from
from clustermark.core.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, ClustermarkError, StoreError, UsageError

if TYPE_CHECKING:
    from clustermark.core.plan import Plan
    from clustermark.core.rundir import RunDirectory
    from clustermark.core.summary import Row
    from clustermark.runners.launcher import Launcher


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_suite_options(parser, suite_required=False)
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where runs go (results/)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run: what has no result yet")
    parser.add_argument("--retry-failed", action="store_true", help="with --resume: run failed and wrong cases again")
    parser.add_argument("--no-report", action="store_true", help="leave out report.html and report.md")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Run; returns the exit code. Raises ClustermarkError."""
    from clustermark.transports.world import inside_launch

    if (options.suite is None) == (options.resume is None):
        raise UsageError("run: give either a suite (`clustermark run smoke`) or --resume RUN")
    if options.retry_failed and options.resume is None:
        raise UsageError("run: --retry-failed goes with --resume RUN")
    world = inside_launch(os.environ)
    if world is not None:
        from clustermark.cli.inside import run_inside

        return run_inside(options, world)
    from clustermark.runners.launcher import find_launcher

    launcher = find_launcher(options.mpirun)
    run = open_or_create(options, launcher)
    run.lock()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _retry(run, options)
        return _run(run, launcher, options)
    finally:
        run.unlock()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def open_or_create(options: argparse.Namespace, launcher: Launcher) -> RunDirectory:
    """The run to go on with, or a new one for the plan of the suite. Raises UsageError, StoreError."""
    from clustermark.core.plan import make_plan
    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.catalog import machine, workloads

    if options.resume is not None:
        run = RunDirectory.open(find_run(options.resume, options.out))
        if run.is_submitted:
            raise UsageError(
                f"run {run.run_id}: was submitted to Slurm; go on with `clustermark submit --retry-failed {run.path}`"
            )
        return run
    plan = make_plan(suite_from(options), workloads(), machine(launcher))
    refuse_empty(plan)
    return RunDirectory.create(options.out, plan)


def find_run(given: Path, results: Path) -> Path:
    """The folder of a run: a path to it, its run.h5, or its name under `results`."""
    if given.name == "run.h5":
        return given.parent
    return given if given.exists() or len(given.parts) > 1 else results / given


def refuse_empty(plan: Plan) -> None:
    """A suite of which nothing can run here is refused, not passed. Raises UsageError."""
    if not plan.cases:
        reasons = sorted({reason for _, reason in plan.skipped})
        others = f"{len(reasons) - 1} other reason{'s' if len(reasons) > 2 else ''}"
        more = f" (and {others}; `clustermark plan` shows all)" if len(reasons) > 1 else ""
        raise UsageError(f"suite {plan.suite}: none of its {len(plan.skipped)} cases can run here: {reasons[0]}{more}")


def _retry(run: RunDirectory, options: argparse.Namespace) -> None:
    from clustermark.core.journal import Journal

    if options.retry_failed:
        journal = Journal(run.journal_path)
        try:
            print(f"taking back {run.retry(journal)} failed or wrong result(s)", file=sys.stderr)
        finally:
            journal.close()


def _run(run: RunDirectory, launcher: Launcher, options: argparse.Namespace) -> int:
    from clustermark.cli.progress import Progress
    from clustermark.runners.local import run_plan

    progress = Progress(run.plan, len(run.finished()))
    stopped: ClustermarkError | KeyboardInterrupt | None = None
    try:
        run_plan(run, launcher, progress.show)
    except (KeyboardInterrupt, StoreError) as reason:
        stopped = reason
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not spoil what is written now
    finally:
        progress.close()
    if isinstance(stopped, KeyboardInterrupt):
        _mark_interrupted(run)
    try:
        rows = run.assemble()
    except StoreError:
        raise stopped if isinstance(stopped, StoreError) else StoreError(_disk(run)) from None
    finish(run, rows, options)
    if isinstance(stopped, StoreError):
        raise stopped
    if stopped is not None:
        print(f"interrupted; go on with: clustermark run --resume {run.path}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return exit_code(rows)


def _disk(run: RunDirectory) -> str:
    return (
        f"{run.run_file}: cannot be written; every finished case is whole in {run.path}/cases: "
        f"free space, then `clustermark run --resume {run.path}`"
    )


def _mark_interrupted(run: RunDirectory) -> None:
    from clustermark.core.journal import Journal
    from clustermark.core.rundir import utc_now

    try:
        journal = Journal(run.journal_path)
    except StoreError:
        return
    journal.append({"event": "interrupted", "utc": utc_now()})
    journal.close()


def finish(run: RunDirectory, rows: list[Row], options: argparse.Namespace) -> None:
    """Report files, table and paths: to stdout for people, or one JSON document."""
    from clustermark.core.runfile import read_run
    from clustermark.reports.document import document
    from clustermark.reports.tables import terminal_table

    result = read_run(run.run_file)
    written = [run.run_file]
    if not options.no_report:
        from clustermark.reports.build import write_report

        written += write_report([result])
    if options.json:
        print(json.dumps(document([result])))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(terminal_table(rows, result.unfinished, width))
    print()
    for path in written:
        print(path)


def exit_code(rows: list[Row]) -> int:
    """4 if any case failed or was wrong, else 0."""
    return EXIT_FAILED if any(row.status in ("failed", "wrong") for row in rows) else EXIT_OK
