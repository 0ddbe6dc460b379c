"""Our communication loop against a C program of the same protocol, launch by launch, on every MPI and wire at hand.

``python tests/perf/comm_vs_c.py`` prints the table; CLUSTERMARK_OTHER_PYTHON names the Python of a second
environment, with another MPI. Launches of the two sides alternate; the ratio is that of neighbours, so that a slow
spell of the machine meets both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conditions import UNCLEAR, Target, Watch, worst
from tabulate import tabulate

from clustermark.core.environment import cpu_facts, system_facts
from clustermark.core.stats import order_statistic_interval
from clustermark.core.units import format_bytes
from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment, usable_cores
from clustermark.transports.fabrics import fabric_aliases

HERE = Path(__file__).resolve().parent
PAIRS = 5
SECONDS_PER_CASE = 0.03
SECONDS_PER_FABRIC = 13.0
# Of one message or, for bandwidth, of all under way: from here on both sides ask for huge pages.
HUGE_FROM = 1 << 20
SIZES = (8, 64 << 10, 1 << 20, 16 << 20)
CASES = (
    *((test, size) for test in ("pingpong", "allreduce") for size in SIZES),
    ("bandwidth", 1 << 20),
)


@dataclass
class Side:
    """One MPI: its compiled C program, its Python, and how its mpirun is called."""

    name: str
    python: str
    program: str
    mpirun: list[str]
    compiler: str


@dataclass
class Pair:
    """One launch of each side, neighbours in time: (test, bytes) → row; what others did meanwhile."""

    c: dict[tuple[str, int], dict[str, Any]]
    python: dict[tuple[str, int], dict[str, Any]]
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


def targets(test: str, size: int, wire: str) -> tuple[Target, Target]:
    """Of the ratio Python ÷ C and of the difference in µs. A ratio may fall either way under load."""
    anything = Target(float("inf"))
    if size == 8 and wire == "shm":
        return Target(2.5, load_only_adds=False), Target(1.0, load_only_adds=False)
    if size == 8:
        return Target(1.3, load_only_adds=False), anything
    if size < 1 << 20:
        return Target(1.15, load_only_adds=False), anything
    return Target(1.05, 0.95, load_only_adds=False), anything


def prepare(python: str, folder: Path) -> Side | str:
    """Compile the C program with the mpicc beside `python`; a sentence where that cannot be."""
    beside = Path(python).parent
    mpicc = shutil.which("mpicc", path=str(beside)) or shutil.which("mpicc")
    if mpicc is None:
        return "no mpicc beside this Python or on PATH: the C side cannot be compiled"
    launcher = find_launcher(str(beside / "mpirun") if (beside / "mpirun").exists() else None)
    program = folder / f"commbench-{launcher.mpi}"
    command = [mpicc, "-O2", str(HERE / "commbench.c"), "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        return f"{mpicc} does not compile commbench.c: {done.stderr.strip()[:300]}"
    version = subprocess.run([mpicc, "--version"], capture_output=True, text=True, check=False, timeout=30)
    mpirun = launch_arguments(launcher, 2, 1, usable_cores(), os.geteuid() == 0)
    compiler = version.stdout.splitlines()[0] if version.stdout else "unknown compiler"
    return Side(launcher.mpi, python, str(program), mpirun, compiler)


def launch(side: Side, fabric: str, program: list[str]) -> list[dict[str, Any]]:
    """The JSON lines of one launch. Raises RuntimeError with every rank's stderr."""
    environment = launch_environment(os.environ, fabric, 1)
    done = subprocess.run(
        [*side.mpirun, *program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(program)} over {fabric} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def compare(side: Side, wire: str, pairs: int = PAIRS, seconds: float = SECONDS_PER_FABRIC) -> Comparison:
    """Alternate launches: at least `pairs` of them, and more until PAIRS were undisturbed or the time is up."""
    fabric = fabric_aliases(side.name)[wire]
    cases = [f"{test}:{size}" for test, size in CASES]
    arguments = [str(SECONDS_PER_CASE), str(HUGE_FROM), *cases]
    programs = {
        "c": [side.program, *arguments],
        "python": [side.python, str(HERE / "commbench.py"), fabric, *arguments],
    }
    comparison = Comparison(fabric, [])
    until = time.monotonic() + seconds
    while len(comparison.pairs) < pairs or (comparison.load and time.monotonic() < until):
        order = ("c", "python") if len(comparison.pairs) % 2 else ("python", "c")
        rows: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
        with Watch(pressure_counts=False) as watch:
            for language in order:
                lines = launch(side, fabric, programs[language])
                rows[language] = {(r["test"], r["bytes"]): r for r in lines if "test" in r}
                comparison.facts |= next((r for r in lines if "library" in r), {})
        comparison.pairs.append(Pair(rows["c"], rows["python"], watch.load))
    return comparison


def table(comparison: Comparison, wire: str) -> list[dict[str, str]]:
    """One row a case: medians of launch medians, the median ratio of neighbours with its interval, the verdict."""
    rows = []
    pairs = comparison.judged()
    for case in CASES:
        half = 0.5 if case[0] == "pingpong" else 1.0
        c, python = ([getattr(p, side)[case]["seconds"] * half * 1e6 for p in pairs] for side in ("c", "python"))
        ratios = [y / x for x, y in zip(c, python, strict=True)]
        added = [y - x for x, y in zip(c, python, strict=True)]
        ratio, difference = order_statistic_interval(ratios), order_statistic_interval(added)
        wanted, wanted_added = targets(*case, wire)
        verdicts = [
            wanted.verdict(ratio.low, ratio.high, comparison.load),
            wanted_added.verdict(difference.low, difference.high, comparison.load),
        ]
        verdict, middle = worst(verdicts), statistics.median(ratios)
        if verdict == UNCLEAR:
            inside = wanted.least <= middle <= wanted.most and statistics.median(added) <= wanted_added.most
            verdict = f"{UNCLEAR}, median {'inside' if inside else 'outside'}"
        rows.append(
            {
                "case": f"{case[0]} {format_bytes(case[1])}",
                "C [µs]": f"{statistics.median(c):.2f}",
                "Python [µs]": f"{statistics.median(python):.2f}",
                "ratio": f"{middle:.3f}",
                "interval": f"{ratio.low:.3f} … {ratio.high:.3f}",
                "target": _shown(wanted, wanted_added),
                "verdict": verdict,
            }
        )
    return rows


def _shown(ratio: Target, added: Target) -> str:
    return f"{ratio}" + (f", ≤ +{added.most:g} µs" if added.most < float("inf") else "")


def describe(comparison: Comparison, side: Side) -> str:
    """Heading of one table: versions, launches, pages."""
    facts, pairs = comparison.facts, comparison.pairs
    most = [max(row["huge_kib"] for row in rows.values()) >> 10 for rows in (pairs[-1].c, pairs[-1].python)]
    quiet = sum(not pair.load for pair in pairs)
    level = order_statistic_interval([0.0] * len(comparison.judged())).level
    return (
        f"{comparison.fabric}: {facts.get('library', '?')}; mpi4py {facts.get('mpi4py')}, NumPy {facts.get('numpy')}, "
        f"{side.compiler}\n{len(pairs)} pairs of launches, {quiet} quiet; interval of the ratio at {level:.1%}; "
        f"huge pages at the largest case: C {most[0]} MiB, Python {most[1]} MiB"
    )


def pythons() -> list[str]:
    """This Python, and that of CLUSTERMARK_OTHER_PYTHON."""
    other = os.environ.get("CLUSTERMARK_OTHER_PYTHON")
    return [sys.executable, *([other] if other else [])]


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description="clustermark's communication loop against the same loop in C")
    parser.add_argument("wires", nargs="*", default=["shm", "tcp"], help="shm, tcp, shm-copy; default shm tcp")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="least pairs of launches a wire")
    parser.add_argument("--seconds", type=float, default=SECONDS_PER_FABRIC, help="for quiet pairs, a wire")
    chosen = parser.parse_args()
    cpu, system = cpu_facts(), system_facts()
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cpu['model']}, {cpu['cores']} cores, Linux {system['kernel']}, "
        f"huge pages {system['huge_pages']}, TCP {system['tcp_congestion_control']}, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for python in pythons():
            side = prepare(python, Path(folder))
            if isinstance(side, str):
                print(f"{python}: {side}")
                continue
            for wire in chosen.wires:
                comparison = compare(side, wire, chosen.pairs, chosen.seconds)
                print(f"\n{describe(comparison, side)}")
                print(tabulate(table(comparison, wire), headers="keys", disable_numparse=True))
                if comparison.load:
                    print(f"not judged: machine loaded ({comparison.load})")


if __name__ == "__main__":
    main()
