"""Our communication loop against the same loop in C, in lockstep, on every MPI and wire at hand.

``python tests/perf/comm_vs_c.py`` prints the tables; CLUSTERMARK_OTHER_PYTHON names the Python of a second
environment, with another MPI. Both sides alternate inside one launch (lockstep.py); the launch is repeated, since
where its pages and connections lie is drawn once per launch. ``--programs`` adds C and Python as separate programs.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import programs
from c_side import HERE, Side, launch, prepare, pythons, versions
from comm_cases import CASES, HUGE_FROM, RULE, Case, half, middle, row
from conditions import UNCLEAR, Watch
from tabulate import tabulate

from clustermark.core.environment import cpu_facts, system_facts
from clustermark.core.stats import LAUNCHES_FOR_INTERVAL
from clustermark.transports.fabrics import fabric_aliases

LAUNCHES = 3
# Launches that replace disturbed ones, or are for the cases that the first ones leave unclear, start within this.
SECONDS_PER_FABRIC = 50.0


@dataclass
class Launch:
    """One launch: case → the blocks of both sides, pair by pair; what others did meanwhile."""

    blocks: dict[Case, dict[str, Any]]
    load: str
    foreign: float = 0.0


@dataclass
class Comparison:
    """All launches of one fabric."""

    fabric: str
    launches: list[Launch]
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def load(self) -> str:
        """ "" if enough launches were undisturbed, else what disturbed them."""
        quiet = sum(not one.load for one in self.launches)
        disturbed = next((one.load for one in reversed(self.launches) if one.load), "too few launches")
        return "" if quiet >= LAUNCHES else disturbed

    def judged(self, case: Case) -> list[Launch]:
        """The undisturbed launches of a case, or all where these are too few."""
        taken = [one for one in self.launches if case in one.blocks]
        return taken if self.load else [one for one in taken if not one.load]

    def further(self, launches: int) -> list[Case]:
        """What the next launch is for: every case until so many were quiet, then those that are unclear.

        Fewer launches than an interval of their medians needs tell less than the first ones alone, so that a case that
        is taken again is taken until it has as many.
        """
        if len(self.launches) < launches or self.load:
            return list(CASES)
        taken = {case: len(self.judged(case)) for case in CASES}
        begun = {case for case in CASES if min(taken.values()) < taken[case] < LAUNCHES_FOR_INTERVAL}
        return [case for case in CASES if case in begun or case_row(self, case)["verdict"].startswith(UNCLEAR)]


def compare(
    side: Side, wire: str, launches: int = LAUNCHES, seconds: float = SECONDS_PER_FABRIC, longer: float = 1.0
) -> Comparison:
    """At least `launches`, and more until LAUNCHES were undisturbed and no case is unclear, or the time is up.

    `longer` multiplies the time for the pairs of blocks of each case.
    """
    fabric = fabric_aliases(side.name)[wire]
    comparison = Comparison(fabric, [])
    until = time.monotonic() + seconds
    cases = list(CASES)
    while cases and (len(comparison.launches) < launches or time.monotonic() < until):
        named = [f"{test}:{size}" for test, size in cases]
        command = [side.python, str(HERE / "lockstep.py"), fabric, side.library, str(longer), str(HUGE_FROM), *named]
        with Watch(pressure_counts=False) as watch:
            lines = launch(side, fabric, command)
        comparison.facts |= next((r for r in lines if "library" in r), {})
        blocks = {(r["test"], r["bytes"]): r for r in lines if "test" in r}
        comparison.launches.append(Launch(blocks, watch.load, watch.shares.get("foreign_cpu", 0.0)))
        cases = comparison.further(launches)
    return comparison


def case_row(comparison: Comparison, case: Case) -> dict[str, str]:
    """Medians of launch medians, the ratio pair by pair with its interval, the verdict."""
    c, python, ratios, added = [], [], [], []
    for one in comparison.judged(case):
        x, y = ([s * half(case) * 1e6 for s in one.blocks[case][side]] for side in ("c", "ours"))
        c.append(statistics.median(x))
        python.append(statistics.median(y))
        ratios.append([b / a for a, b in zip(x, y, strict=True)])
        added.append([b - a for a, b in zip(x, y, strict=True)])
    medians = statistics.median(c), statistics.median(python)
    shown = row(case, *medians, middle(ratios), middle(added), comparison.load)
    shown["launches"] = " ".join(f"{statistics.median(values):.3f}" for values in ratios)
    shown["pairs"] = " ".join(str(len(values)) for values in ratios)
    return shown


def table(comparison: Comparison) -> list[dict[str, str]]:
    """One row a case."""
    return [case_row(comparison, case) for case in CASES]


def describe(comparison: Comparison, side: Side) -> str:
    """Heading of one table: versions, launches, load, pages."""
    launches = comparison.launches
    quiet = sum(not one.load for one in launches)
    foreign = ", ".join(f"{one.foreign:.1%}" for one in launches)
    blocks = launches[0].blocks.values()
    return (
        f"{comparison.fabric}, lockstep: {versions(comparison.facts, side.compiler)}\n"
        f"{len(launches)} launches, {quiet} quiet (foreign CPU share {foreign}), those after the first for "
        f"cases that were unclear; 95 % interval of the launches' medians, of fewer than {LAUNCHES_FOR_INTERVAL} "
        f"the envelope of their own; "
        f"huge pages at the largest case, shared by both sides: "
        f"{max(row['huge_kib'] for row in blocks) >> 10} MiB"
    )


def show(heading: str, rows: list[dict[str, str]], load: str) -> str:
    """A table as text."""
    text = f"{heading}\n{tabulate(rows, headers='keys', disable_numparse=True)}"
    return f"{text}\nnot judged: machine loaded ({load})" if load else text


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description="clustermark's communication loop against the same loop in C")
    parser.add_argument("wires", nargs="*", default=["shm", "tcp"], help="shm, tcp, shm-copy; default shm tcp")
    parser.add_argument("--launches", type=int, default=LAUNCHES, help="least launches a wire")
    parser.add_argument("--seconds", type=float, default=SECONDS_PER_FABRIC, help="for further launches, a wire")
    parser.add_argument(
        "--longer",
        type=float,
        default=1.0,
        help="multiplies the time for the pairs of a case; more narrows the intervals",
    )
    parser.add_argument("--programs", action="store_true", help="also as separate programs, launch by launch")
    chosen = parser.parse_args()
    cpu, system = cpu_facts(), system_facts()
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cpu['model']}, {cpu['cores']} cores, Linux {system['kernel']}, "
        f"huge pages {system['huge_pages']}, TCP {system['tcp_congestion_control']}, Python {platform.python_version()}"
        f"\n{RULE}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for python in pythons():
            side = prepare(python, Path(folder))
            if isinstance(side, str):
                print(f"{python}: {side}")
                continue
            for wire in chosen.wires:
                found = compare(side, wire, chosen.launches, chosen.seconds, chosen.longer)
                print(f"\n{show(describe(found, side), table(found), found.load)}")
                if chosen.programs:
                    apart = programs.compare(side, wire)
                    print(f"\n{show(programs.describe(apart, side), programs.table(apart), apart.load)}")


if __name__ == "__main__":
    main()
