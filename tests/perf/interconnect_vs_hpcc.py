"""Our ping-pong and random ring beside HPCC's b_eff: the same MPI library, fabric and small pages, launches in turns.

    python tests/perf/interconnect_vs_hpcc.py [shm tcp shm-copy] [--pairs 48] [--as-it-is]

HPCC (Debian's hpcc 1.5.0) is linked with Open MPI and loads the library beside this Python, whose soname is the same.
b_eff takes the least of few windows and of two ways to send on the same buffers: our side takes as many windows in the
same order, as long and behind one uncounted step as there (beff_ranks.py), some times over in buffers of their own. The
median of all windows stands beside it, and from some launches the ping-pong in C under windows as in every run of ours.
Two launches of HPCC differ by more than HPCC and us, so that each of ours is held against the geometric mean of the one
before it and the one after it.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hpcc_side
from beff_ranks import PROTOCOLS
from c_side import HERE, Side, launch, prepare, versions
from comm_cases import Middle
from conditions import Target, Watch
from tabulate import tabulate

from clustermark.core.environment import cpu_facts, system_facts
from clustermark.core.stats import order_statistic_interval
from clustermark.transports.fabrics import fabric_aliases

# Two launches of 8 B over shared memory differ by up to three times, whichever program sends.
PAIRS = 48
REPEATS = 3
# The launch in C is no part of the comparison: one in so many pairs has it.
C_EVERY = 6
WITHIN = Target(1.10, 0.90, load_only_adds=False)
C_SECONDS = "0.03"
# Least bytes for huge pages in C: messages of 2,000,000 B are on small ones on all sides.
C_HUGE_FROM = 1 << 23
# Figure → the case of commbench.c that sends the same messages.
C_CASES = {"ping-pong latency": "pingpong:8", "ping-pong bandwidth": "pingpong:2000000"}


@dataclass
class Pair:
    """One launch of each: figure → [s] of a message."""

    hpcc: dict[str, float]
    ours: dict[str, float]
    median: dict[str, float]
    c: dict[str, float]


@dataclass
class Comparison:
    """All pairs of one fabric."""

    fabric: str
    pairs: list[Pair] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    load: str = ""


def our_figures(lines: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """(as b_eff takes it, median of windows) of each figure, [s]: medians of the repeats."""
    told = {line["figure"]: line for line in lines if "figure" in line}
    best, typical = (
        {protocol.name: statistics.median(told[protocol.name][kind]) for protocol in PROTOCOLS}
        for kind in ("seconds", "medians")
    )
    return best, typical


def compare(side: Side, wire: str, pairs: int = PAIRS, pages: Mapping[str, str] | None = None) -> Comparison:
    """Launches of HPCC and ours in turns, the first and the last one HPCC's. Raises NoPeerError before any launch."""
    fabric = fabric_aliases(side.name)[wire]
    chosen = dict(hpcc_side.AS_APPLICATIONS if pages is None else pages)
    hpcc_side.environment(side.python, fabric, chosen)
    ours = [side.python, str(HERE / "beff_ranks.py"), fabric, str(REPEATS)]
    in_c = [side.program, C_SECONDS, str(C_HUGE_FROM), *C_CASES.values()]
    found = Comparison(fabric)
    with Watch(pressure_counts=False) as watch:
        before = hpcc_side.seconds(side.python, fabric, chosen)
        for number in range(pairs):
            lines = launch(side, fabric, ours, hpcc_side.SMALL_PAGES | chosen)
            told = [] if number % C_EVERY else launch(side, fabric, in_c)
            rows = {f"{row['test']}:{row['bytes']}": row["seconds"] / 2 for row in told if "test" in row}
            after = hpcc_side.seconds(side.python, fabric, chosen)
            peer = {name: math.sqrt(before[name] * after[name]) for name in before}
            before = after
            found.facts |= next((line for line in lines if "library" in line), {})
            best, typical = our_figures(lines)
            in_c_too = {name: rows[case] for name, case in C_CASES.items() if case in rows}
            found.pairs.append(Pair(peer, best, typical, in_c_too))
    found.load = watch.load
    return found


def middle(values: Sequence[float]) -> Middle:
    """A pair of launches is the unit."""
    interval = order_statistic_interval(values)
    return Middle(statistics.median(values), interval.low, interval.high, interval.level)


def shown(figure: str, seconds: Sequence[float]) -> str:
    """Latency in µs, bandwidth in GB/s."""
    value = statistics.median(seconds)
    return f"{hpcc_side.BANDWIDTH_BYTES / value / 1e9:.2f} GB/s" if "bandwidth" in figure else f"{value * 1e6:.3f} µs"


def table(found: Comparison) -> list[dict[str, str]]:
    """One row a figure: times as quantities, ratio of times ours ÷ HPCC's pair by pair with interval and verdict."""
    rows = []
    for protocol in PROTOCOLS:
        name = protocol.name
        ratio = middle([pair.ours[name] / pair.hpcc[name] for pair in found.pairs])
        in_c = [pair.c[name] for pair in found.pairs if name in pair.c]
        rows.append(
            {
                "figure": name,
                "HPCC": shown(name, [pair.hpcc[name] for pair in found.pairs]),
                "ours": shown(name, [pair.ours[name] for pair in found.pairs]),
                "time ÷ HPCC's": f"{ratio.value:.3f}",
                "interval": f"{ratio.low:.3f} … {ratio.high:.3f}",
                "verdict": WITHIN.verdict(ratio.low, ratio.high, found.load),
                "our median": shown(name, [pair.median[name] for pair in found.pairs]),
                "C, our windows": shown(name, in_c) if in_c else "–",
            }
        )
    return rows


def describe(found: Comparison, side: Side) -> str:
    """Heading of one table."""
    level = order_statistic_interval([0.0] * len(found.pairs)).level
    load = f"; not judged: machine loaded ({found.load})" if found.load else ""
    return (
        f"{found.fabric}, HPCC beside clustermark: {versions(found.facts, side.compiler)}\n"
        f"{len(found.pairs)} pairs of launches in turns, interval of the ratio at {level:.1%}, target {WITHIN}{load}"
    )


def show(found: Comparison, side: Side) -> str:
    """Heading and table as text."""
    return f"{describe(found, side)}\n{tabulate(table(found), headers='keys', disable_numparse=True)}"


def main() -> int:
    """Print a table for every fabric."""
    parser = argparse.ArgumentParser(description="our ping-pong and random ring beside HPCC's b_eff")
    parser.add_argument("wires", nargs="*", default=["shm", "tcp"], help="shm, tcp, shm-copy; default shm tcp")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--as-it-is", action="store_true", help="HPCC's send buffers stay unwritten")
    chosen = parser.parse_args()
    cpu, system = cpu_facts(), system_facts()
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cpu['model']}, {cpu['cores']} cores, Linux {system['kernel']}, "
        f"huge pages {system['huge_pages']}, TCP {system['tcp_congestion_control']}, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        side = prepare(sys.executable, Path(folder))
        if isinstance(side, str):
            print(side, file=sys.stderr)
            return 1
        for wire in chosen.wires:
            try:
                found = compare(side, wire, chosen.pairs, {} if chosen.as_it_is else None)
            except hpcc_side.NoPeerError as error:
                print(error, file=sys.stderr)
                return 1
            print(f"\n{show(found, side)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
