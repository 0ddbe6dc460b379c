"""``clustermark baseline set RUN --why …`` and ``clustermark baseline show``: the measure of later runs."""

from __future__ import annotations

import argparse
import getpass
import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustermark.cli.layout import columns, print_json, print_lines, section
from clustermark.core.errors import EXIT_OK, UsageError, nearest, plain

if TYPE_CHECKING:
    from clustermark.core.baseline import Baseline

FILE = Path("clustermark-baseline.json")
_ACTIONS = ("set", "show")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", metavar="set|show", help="choose a run as the baseline, or show what was chosen")
    parser.add_argument("run", nargs="?", type=Path, help="a run's folder, its run.h5, or its name")
    parser.add_argument("--file", type=Path, default=FILE, metavar="FILE", help=f"the baseline file ({FILE})")
    parser.add_argument("--why", metavar="TEXT", help="the reason, for whoever reads it later")
    parser.add_argument("--who", metavar="NAME", help="who chooses (default: this user on this machine)")
    parser.add_argument("--replace", action="store_true", help="put it in the place of the present baseline")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where names of runs are (results/)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Set or show; returns the exit code. Raises ClustermarkError."""
    from clustermark.core.baseline import Chosen, read_baseline, set_baseline

    if options.action not in _ACTIONS:
        close = nearest(options.action, _ACTIONS)
        raise UsageError(f"baseline {plain(options.action)}: is not known{close}; give set or show")
    if options.action == "show":
        baseline = read_baseline(options.file)
    else:
        if options.run is None or not (options.why or "").strip():
            raise UsageError('baseline set: needs a run and the reason; write `clustermark baseline set RUN --why "…"`')
        from clustermark.cli.report_verb import load_runs
        from clustermark.core.rundir import utc_now
        from clustermark.core.stored import stored_run

        (run,) = load_runs([options.run], options.results)
        who = options.who or f"{getpass.getuser()} on {platform.node()}"
        chosen = Chosen(run.run_id, plain(who, 200), utc_now(), plain(options.why, 1000))
        baseline = set_baseline(options.file, stored_run(run, run.run_id), chosen, options.replace)
    if options.json:
        print_json("baseline", facts(baseline, options.file))
    else:
        print_lines(text(baseline, options.file))
    return EXIT_OK


def facts(baseline: Baseline, file: Path) -> dict[str, Any]:
    """Plain JSON types."""
    return {
        "file": str(file),
        "chosen": asdict(baseline.chosen),
        "replaced": [asdict(one) for one in baseline.replaced],
        "cases": [
            {"label": case.label, "status": case.status, "launches": len(case.medians)} for case in baseline.cases
        ],
        "fingerprints": sorted(baseline.environments),
    }


def text(baseline: Baseline, file: Path) -> list[str]:
    """The same for people."""
    chosen = baseline.chosen
    rows = [
        ("run", plain(chosen.run, 200)),
        ("who", plain(chosen.who, 200)),
        ("when", plain(chosen.when)),
        ("why", plain(chosen.why, 1000)),
        ("cases", str(len(baseline.cases))),
        ("launches", str(max((len(case.medians) for case in baseline.cases), default=0))),
        ("environments", ", ".join(map(plain, sorted(baseline.environments))) or "unknown"),
    ]
    earlier = [(plain(one.when), plain(one.who), plain(one.run, 200), plain(one.why, 200)) for one in baseline.replaced]
    return [
        f"baseline {file}",
        "",
        *section("chosen", columns(rows)),
        *section("replaced", columns(earlier, ("when", "who", "run", "why")) if earlier else []),
    ]
