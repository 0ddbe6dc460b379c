"""C and Python as separate programs, launches alternating: with what differs between two processes.

That is the thread level of MPI_Init, the place of every page, and the spell of the machine each launch meets:
neighbouring launches scatter by 10 to 20 % on a virtual machine, so only lockstep.py can tell 5 %.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from c_side import HERE, Side, launch, versions
from comm_cases import CASES, HUGE_FROM, Case, Middle, half, row
from conditions import Watch

from clustermark.core.stats import order_statistic_interval
from clustermark.transports.fabrics import fabric_aliases

PAIRS = 5
SECONDS_PER_CASE = 0.03
SECONDS_PER_FABRIC = 13.0


@dataclass
class Pair:
    """One launch of each side, neighbours in time: case → row; what others did meanwhile."""

    c: dict[Case, dict[str, Any]]
    ours: dict[Case, dict[str, Any]]
    load: str


@dataclass
class Comparison:
    """All pairs of one fabric."""

    fabric: str
    pairs: list[Pair]
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def load(self) -> str:
        """ "" if enough pairs were undisturbed, else what disturbed the last one."""
        quiet = sum(not pair.load for pair in self.pairs)
        return "" if quiet >= PAIRS else self.pairs[-1].load or f"only {quiet} of {len(self.pairs)} pairs were quiet"

    def judged(self) -> list[Pair]:
        """The undisturbed pairs, or all where these are too few."""
        return self.pairs if self.load else [pair for pair in self.pairs if not pair.load]


def compare(side: Side, wire: str, pairs: int = PAIRS, seconds: float = SECONDS_PER_FABRIC) -> Comparison:
    """Alternate launches: at least `pairs` of them, and more until PAIRS were undisturbed or the time is up."""
    fabric = fabric_aliases(side.name)[wire]
    cases = [f"{test}:{size}" for test, size in CASES]
    arguments = [str(SECONDS_PER_CASE), str(HUGE_FROM), *cases]
    programs = {
        "c": [side.program, *arguments],
        "ours": [side.python, str(HERE / "commbench.py"), fabric, *arguments],
    }
    comparison = Comparison(fabric, [])
    until = time.monotonic() + seconds
    while len(comparison.pairs) < pairs or (comparison.load and time.monotonic() < until):
        order = ("c", "ours") if len(comparison.pairs) % 2 else ("ours", "c")
        rows: dict[str, dict[Case, dict[str, Any]]] = {}
        with Watch(pressure_counts=False) as watch:
            for language in order:
                lines = launch(side, fabric, programs[language])
                rows[language] = {(r["test"], r["bytes"]): r for r in lines if "test" in r}
                comparison.facts |= next((r for r in lines if "library" in r), {})
        comparison.pairs.append(Pair(rows["c"], rows["ours"], watch.load))
    return comparison


def table(comparison: Comparison) -> list[dict[str, str]]:
    """One row a case: medians of launch medians, the median ratio of neighbours with its interval, the verdict."""
    rows = []
    for case in CASES:
        pairs = comparison.judged()
        c, python = ([getattr(p, side)[case]["seconds"] * half(case) * 1e6 for p in pairs] for side in ("c", "ours"))
        ratio = _middle([y / x for x, y in zip(c, python, strict=True)])
        added = _middle([y - x for x, y in zip(c, python, strict=True)])
        rows.append(row(case, statistics.median(c), statistics.median(python), ratio, added, comparison.load))
    return rows


def _middle(values: list[float]) -> Middle:
    """One value a pair of launches: the launch is the unit already."""
    interval = order_statistic_interval(values)
    return Middle(statistics.median(values), interval.low, interval.high, interval.level)


def describe(comparison: Comparison, side: Side) -> str:
    """Heading of one table: versions, launches, pages."""
    pairs = comparison.pairs
    most = [max(row["huge_kib"] for row in rows.values()) >> 10 for rows in (pairs[-1].c, pairs[-1].ours)]
    quiet = sum(not pair.load for pair in pairs)
    level = order_statistic_interval([0.0] * len(comparison.judged())).level
    return (
        f"{comparison.fabric}, separate programs: {versions(comparison.facts, side.compiler)}\n"
        f"{len(pairs)} pairs of launches, {quiet} quiet; interval of the ratio at {level:.1%}; "
        f"huge pages at the largest case: C {most[0]} MiB, Python {most[1]} MiB"
    )
