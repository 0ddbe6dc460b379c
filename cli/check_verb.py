"""``clustermark check SUITE --baseline REF``: did anything get slower? Both versions, side by side, in one job."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from clustermark.cli.layout import cannot_draw
from clustermark.cli.options import add_suite_options, suite_from
from clustermark.core.errors import EXIT_INTERRUPTED, UsageError

if TYPE_CHECKING:
    from clustermark.core.check_folder import CheckFolder
    from clustermark.core.gate_rules import Rules
    from clustermark.reports.gate_report import GateReport

_METHODS = ("lockstep", "interleaved")

PAGE = "verdict.html"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_suite_options(parser, suite_required=False)
    side = parser.add_argument_group("the two sides (a git ref, a wheel, a Python environment, a source folder)")
    side.add_argument("--baseline", metavar="REF_OR_ENV", help="what it was")
    side.add_argument("--candidate", metavar="REF_OR_ENV", help="what it is now (default: this version)")
    side.add_argument(
        "--set-baseline", action="append", default=[], metavar="NAME=V", help="variable, fabric, threads …"
    )
    side.add_argument(
        "--set-candidate", action="append", default=[], metavar="NAME=V", help="the same for the candidate"
    )
    side.add_argument("--source", type=Path, default=Path(), metavar="DIR", help="the checkout that refs belong to (.)")
    side.add_argument("--cache", type=Path, metavar="DIR", help="where exported refs are kept (~/.cache/clustermark)")
    other = parser.add_argument_group("other sources than a suite")
    other.add_argument("--command", metavar="CMD", help="a command that prints samples (docs/gate.md), run by both")
    other.add_argument("--format", metavar="json-lines|pytest-benchmark", default="json-lines", help="what CMD writes")
    other.add_argument("--stored", nargs=2, type=Path, metavar=("BASELINE", "RUN"), help="judge stored runs: weaker")
    gate = parser.add_argument_group("the gate")
    gate.add_argument("--method", default="lockstep", metavar="|".join(_METHODS), help="how the sides take turns")
    gate.add_argument("--pairs", type=int, metavar="N", help="pairs of every case (10)")
    gate.add_argument("--confirm-pairs", type=int, metavar="N", help="fresh pairs of suspects (20)")
    gate.add_argument("--tolerance", type=float, metavar="X", help="change that is never called one (0.02)")
    gate.add_argument("--budget", type=float, metavar="X", help="slowdown that 'unchanged' must exclude (0.05)")
    gate.add_argument("--strict", action="store_true", help="exit 3 where anything stays inconclusive")
    out = parser.add_argument_group("output")
    out.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where checks go (results/)")
    out.add_argument("--resume", type=Path, metavar="CHECK", help="go on with a check that was cut short")
    out.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML there too")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="append Markdown there ($GITHUB_STEP_SUMMARY)")
    out.add_argument("--annotate", action="store_true", help="print workflow commands of GitHub Actions")
    out.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Check; returns the exit code. Raises ClustermarkError."""
    _one_source(options)
    if options.stored is not None:
        from clustermark.cli.stored_check import stored_report

        baseline, run = options.stored
        return show(stored_report(baseline, run, rules_from(options), options.strict), options, None)
    folder = _open_or_create(options)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _measure(folder, options)
    except KeyboardInterrupt:
        print(f"interrupted; go on with: clustermark check --resume {folder.path}", file=sys.stderr)
        return EXIT_INTERRUPTED
    from clustermark.reports.gate_report import GateReport

    return show(GateReport.of(folder, options.strict), options, folder.path)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _one_source(options: argparse.Namespace) -> None:
    given = {
        "a suite": options.suite,
        "--command": options.command,
        "--stored": options.stored,
        "--resume": options.resume,
    }
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise UsageError(
            f"check: was given {' and '.join(names) or 'nothing to check'}; give one of a suite (`clustermark check "
            f"smoke --baseline HEAD~1`), --command CMD, --stored BASELINE RUN, or --resume CHECK"
        )
    if options.method not in _METHODS:
        raise UsageError(f"--method {options.method}: is not known; give {' or '.join(_METHODS)}")
    if options.launches is not None:
        raise UsageError("--launches: a check counts pairs of launches; give --pairs and --confirm-pairs")
    compared = options.baseline or options.candidate or options.set_baseline or options.set_candidate
    if (options.suite or options.command) and not compared:
        raise UsageError(
            "check: has no second side; give --baseline HEAD~1, or --set-candidate NAME=VALUE to compare two settings"
        )


def rules_from(options: argparse.Namespace) -> Rules:
    """The rules with what the options change. Raises UsageError where they could decide nothing."""
    from clustermark.core.gate_rules import Rules

    names = ("pairs", "confirm_pairs", "tolerance", "budget")
    given: dict[str, Any] = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    rules = Rules(**given)
    rules.check()
    return rules


def _open_or_create(options: argparse.Namespace) -> CheckFolder:
    from clustermark.core.check_folder import CheckFolder

    if options.resume is not None:
        return CheckFolder.open(options.resume)
    from clustermark.runners.sides import default_cache, parse_settings, resolve

    rules = rules_from(options)
    request, name, text, seed = _request(options)
    cache = options.cache or default_cache()
    own_project = options.command is not None
    sides = {
        side: resolve(side, given, options.source, cache, parse_settings(settings, f"--set-{side}"), own_project)
        for side, given, settings in (
            ("baseline", options.baseline, options.set_baseline),
            ("candidate", options.candidate, options.set_candidate),
        )
    }
    folder = CheckFolder.create(
        options.out,
        name=name,
        method="command" if options.command is not None else options.method,
        rules=rules,
        seed=seed,
        sides={side: one.to_dict() for side, one in sides.items()},
        request=request,
    )
    if text is not None:
        from clustermark.core.files import atomic_write

        atomic_write(folder.path / "suite.toml", text)
    return folder


def _request(options: argparse.Namespace) -> tuple[dict[str, Any], str, bytes | None, int]:
    """What both sides are asked to run, its name, the text of the suite, the seed."""
    if options.command is not None:
        from clustermark.runners.command_check import FORMATS, command_name

        if options.format not in FORMATS:
            raise UsageError(f"--format {options.format}: is not known; give {' or '.join(FORMATS)}")
        timeout = options.timeout if options.timeout is not None else 3600.0
        request = {"command": options.command, "format": options.format, "timeout": timeout}
        return request, command_name(options.command), None, options.seed or 0
    from clustermark.runners.catalog import suite_path

    suite = suite_from(options)
    request = {
        "overrides": {key: list(values) for key, values in suite.overrides.items()},
        "only": options.only.split(",") if options.only else [],
        "seed": suite.seed,
        "seconds": options.seconds,
        "timeout": options.timeout,
        "mpirun": options.mpirun,
    }
    return request, suite.name, suite_path(options.suite).read_bytes(), suite.seed


def _measure(folder: CheckFolder, options: argparse.Namespace) -> None:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with folder.locked():
        if folder.method == "command":
            from clustermark.runners.command_check import run_command_check

            run_command_check(folder, say)
            return
        from clustermark.runners.check import run_check
        from clustermark.runners.launcher import find_launcher

        run_check(folder, find_launcher(options.mpirun or folder.request.get("mpirun")), say)


def _written_page(report: GateReport, folder: Path) -> str:
    """The page with its chart; without the packages that draw, a sentence. Returns the file for people to look at."""
    from clustermark.core.files import atomic_write

    try:
        from clustermark.reports.ratio_page import gate_page

        atomic_write(folder / PAGE, gate_page(report).encode("utf-8", "replace"))
    except ImportError as error:
        print(f"note: no {PAGE}: {cannot_draw(error)}", file=sys.stderr)
        return "verdict.md"
    return PAGE


def show(report: GateReport, options: argparse.Namespace, folder: Path | None) -> int:
    """Write the files, print the table or the document, return the exit code. Raises StoreError."""
    from clustermark.core.files import atomic_write, cannot_write
    from clustermark.reports.gate_outputs import GATE_FILES, gate_annotations, gate_json, gate_junit, gate_markdown
    from clustermark.reports.gate_report import terminal_text

    shown = ""
    if folder is not None:
        for name, write in GATE_FILES.items():
            atomic_write(folder / name, write(report).encode("utf-8", "replace"))
        shown = _written_page(report, folder)
    if options.junit is not None:
        atomic_write(options.junit, gate_junit(report).encode("utf-8", "replace"))
    if options.markdown is not None:
        try:
            with options.markdown.open("a", encoding="utf-8", errors="replace") as file:
                file.write(gate_markdown(report))
        except OSError as error:
            raise cannot_write(options.markdown, error) from error
    if options.json:
        sys.stdout.write(gate_json(report))
    else:
        print(terminal_text(report))
        if folder is not None:
            print(f"\n{folder / shown}")
    if options.annotate or os.environ.get("GITHUB_ACTIONS") == "true":
        # On stdout only where it is not the JSON document: the runner reads both streams.
        print(gate_annotations(report), end="", file=sys.stderr if options.json else sys.stdout)
    sys.stdout.flush()
    return report.exit_code
