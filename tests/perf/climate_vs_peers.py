"""Our stage of shallow water against C by hand, Devito and GT4Py: same equations, same fields, turns in one run.

``python tests/perf/climate_vs_peers.py [CASE …]`` prints the table; cases are ``f64-1``, ``f64-2``, ``f32-1``,
``f32-2`` (precision and threads). Devito and GT4Py are in an environment of their own:
CLUSTERMARK_CLIMATE_PEERS_PYTHON names its Python, else .venv-climate-peers is made with their wheels. The C is
climate_shallow.c, compiled here. After the turns all must have computed the same stage.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from climate_shallow_data import agree, panel
from climate_shallow_sides import (
    TRIAD_BYTES,
    Triad,
    blocks_of,
    by_hand,
    find_climate_peers,
    ours,
    peer,
    python_version,
)
from conditions import Target, Watch
from md_cases import at_least, ratio_of, verdict_of
from md_sides import PeerError, Side, take_turns
from tabulate import tabulate

from clustermark.core.environment import cpu_facts, system_facts

ROWS, COLUMNS = 1024, 3072
ROUNDS, STEPS = 12, 4
# Words of a cell that a stage must move: h, u, v, h0, u0, v0, b, f read; h, u, v written. A triad moves three.
STAGE_WORDS, TRIAD_WORDS = 11, 3
CASES = {
    "f64-1": ("float64", 1),
    "f64-2": ("float64", 2),
    "f32-1": ("float32", 1),
    "f32-2": ("float32", 2),
}
# How many times longer than ours each must take; 1/1.1 says that we are within 1.1 times of C.
TARGETS: dict[str, Target] = {"C": at_least(round(1 / 1.1, 3)), "Devito": at_least(2.0), "GT4Py": at_least(3.0)}


@dataclass
class Comparison:
    """One precision and number of threads.

    Attributes
    ----------
    blocks : side → [s] of its blocks, in the order of the rounds
    facts : side → version, fingerprint
    missing : peer → why it takes no part
    load : what others did meanwhile
    """

    name: str
    cells: int
    blocks: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    load: str = ""


def compare(
    name: str, peers: str | None, folder: Path, rows: int = ROWS, columns: int = COLUMNS, rounds: int = ROUNDS
) -> Comparison:
    """All sides of one case in turns, what they compile in `folder`.

    Raises PeerError without a C compiler, DisagreementError.
    """
    dtype, threads = CASES[name]
    found = Comparison(name, rows * columns)
    # The watch ends last: what the sides' processes took is known when they have ended.
    with Watch(pressure_counts=False) as watch, ExitStack() as stack:
        blocks = blocks_of(panel(rows, columns, dtype))
        sides: dict[str, Side] = {"clustermark": ours(blocks, threads), "C": by_hand(blocks, threads, folder)}
        for other in ("Devito", "GT4Py"):
            if peers is None:
                found.missing[other] = "no environment"
                continue
            try:
                side = peer(other, rows, columns, dtype, threads, peers, folder)
            except PeerError as error:
                found.missing[other] = str(error)
                continue
            stack.callback(side.close)
            sides[other] = side
        sides["triad"] = Triad(dtype, threads, folder)
        found.blocks = take_turns(sides, STEPS, rounds)
        found.facts = {side: sides[side].facts() for side in sides if side != "triad"}
    found.load = watch.load
    for side, facts in found.facts.items():
        agree(side, found.facts["clustermark"]["fingerprint"], facts["fingerprint"], dtype)
    return found


def rows_of(found: Comparison) -> list[dict[str, str]]:
    """One row a side: time of a stage, bandwidth of its words, share of the triad, how many times longer than ours."""
    dtype, _ = CASES[found.name]
    word = int(dtype[-2:]) // 8
    triad = TRIAD_WORDS * (TRIAD_BYTES // word) * word * STEPS / statistics.median(found.blocks["triad"])
    rows = []
    for side in found.facts:
        seconds = found.blocks[side]
        stage = statistics.median(seconds) / STEPS
        bandwidth = STAGE_WORDS * word * found.cells / stage
        row = {
            "case": found.name,
            "side": side,
            "ms": f"{stage * 1e3:.2f}",
            "GB/s": f"{bandwidth / 1e9:.1f}",
            "of triad": f"{bandwidth / triad:.0%}",
            "÷ ours": "",
            "interval": "",
            "target": "",
            "verdict": "",
        }
        if side in TARGETS:
            ratio = ratio_of(seconds, found.blocks["clustermark"])
            row |= {
                "÷ ours": f"{ratio.value:.2f}",
                "interval": f"{ratio.low:.2f} … {ratio.high:.2f}",
                "target": str(TARGETS[side]),
                "verdict": verdict_of(ratio, TARGETS[side], found.load),
            }
        rows.append(row)
    return rows


def notes_of(found: Comparison) -> list[str]:
    """What stands below a table: the triad, who is missing and why."""
    dtype, threads = CASES[found.name]
    passes = 3 * TRIAD_BYTES * STEPS / statistics.median(found.blocks["triad"])
    lines = [f"{found.name}: triad in C on {threads} threads {passes / 1e9:.1f} GB/s (3 words a cell, {dtype})"]
    lines += [f"{found.name}: {name} takes no part: {reason}" for name, reason in found.missing.items()]
    return lines


def describe(found: Comparison) -> str:
    """Machine and builds."""
    cpu, system = cpu_facts(), system_facts()
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cpu['model']}, {' '.join(cpu['vector'])}, "
        f"caches {' '.join(f'{name} {size}' for name, size in cpu['caches'].items())}; "
        f"{system['memory_gib']} GiB, Linux {system['kernel']}; {python_version()}"
    ]
    lines += [f"{side}: {facts['version']}" for side, facts in found.facts.items()]
    return "\n".join(lines)


def show(rows: list[dict[str, str]], load: str = "") -> str:
    """The table as text, with what disturbed it."""
    text = tabulate(rows, headers="keys", disable_numparse=True)
    return f"{text}\nothers took part of the machine: {load}" if load else text


def main() -> None:
    """Print the tables of the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; none: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="blocks of every side")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the panel")
    parser.add_argument("--columns", type=int, default=COLUMNS, help="of the panel")
    parser.add_argument("--builds", type=Path, help="folder that keeps what the sides compile for later runs")
    parser.add_argument("--alone", action="store_true", help="against C only: no environment is made")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"case {unknown[0]} is not known; choose from {', '.join(CASES)}")
    peers = None if options.alone else find_climate_peers(make=True)
    with ExitStack() as stack:
        folder = options.builds or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clustermark-climate-")))
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(options.cases or CASES):
            found = compare(name, peers, folder, options.rows, options.columns, options.rounds)
            if not number:
                print(describe(found))
            print(show(rows_of(found), found.load))
            print("\n".join(notes_of(found)), flush=True)


if __name__ == "__main__":
    try:
        main()
    except PeerError as error:
        raise SystemExit(str(error)) from None
