"""``clustermark doctor``: what works here, what is missing, and the command that mends it."""

import argparse
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

from clustermark import __version__
from clustermark.cli.layout import WIDTH, print_json, wrapped
from clustermark.core.errors import EXIT_FAILED, EXIT_OK
from clustermark.runners.findings import STATUSES, Finding

_STATUS_WIDTH = max(len(status) for status in STATUSES)
_NAME_WIDTH = 14
_INDENT = " " * (2 + _STATUS_WIDTH + 2 + _NAME_WIDTH + 2)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where runs go (results/)")
    parser.add_argument("--mpirun", metavar="PATH", help="the launcher to use (default: beside this Python, then PATH)")
    parser.add_argument("--no-launch", action="store_true", help="start no ranks: for a login node that forbids it")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Examine; returns 4 if there is a problem, else 0: warnings spoil figures, not runs."""
    from clustermark.runners.doctor import examine

    findings = examine(options.out, options.mpirun, not options.no_launch)
    if options.json:
        kept = list(findings)
        print_json(
            "doctor",
            {
                "clustermark": __version__,
                "node": platform.node(),
                "counts": counts(kept),
                "findings": [finding.to_dict() for finding in kept],
            },
        )
    else:
        kept = list(_told(findings))
        print(f"\n{verdict(kept)}")
    return EXIT_FAILED if any(finding.status == "problem" for finding in kept) else EXIT_OK


def _told(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Each finding is shown as soon as it is known: the launches take seconds."""
    for finding in findings:
        print("\n".join(shown(finding)), flush=True)
        yield finding


def shown(finding: Finding) -> list[str]:
    """Status, name, what; below it the mend, on a line of its own and never broken, to be copied."""
    first, *rest = wrapped(finding.what, _INDENT, max(WIDTH, len(_INDENT) + 40))
    head = f"  {finding.status:<{_STATUS_WIDTH}}  {finding.name:<{_NAME_WIDTH}}  "
    mend = [f"{_INDENT}→ {finding.mend}"] if finding.mend else []
    return [head + first.removeprefix(_INDENT), *rest, *mend]


def counts(findings: list[Finding]) -> dict[str, int]:
    """Status → how many."""
    return {status: sum(finding.status == status for finding in findings) for status in STATUSES}


def verdict(findings: list[Finding]) -> str:
    """One line at the end."""
    found = counts(findings)
    if found["problem"]:
        names = ", ".join(finding.name for finding in findings if finding.status == "problem")
        return f"{found['problem']} problem(s): {names}; {found['warning']} warning(s). The lines with → mend them."
    if found["warning"]:
        return (
            f"Runs work here; {found['warning']} warning(s) about what would spoil figures. The lines with → mend them."
        )
    return "All works here."
