"""Two ranks of one engine against one, in turns: parallel efficiency on two cores of one machine.

Two independent copies, one on each core, take turns too: they exchange nothing, so that what they reach together is
what the machine gives. Where that is less than the target, ranks cannot be judged by it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from c_side import mpirun_of, pythons
from conditions import MET, Watch
from md_cases import NO_TARGET, Case, agree, at_least, rate, ratio_of, verdict_of
from md_sides import HERE, Process, Side, Together, environment, lammps, ours, take_turns

from clustermark.runners.launcher import find_launcher, launch_environment
from clustermark.transports.fabrics import fabric_aliases

SPEEDUP = at_least(1.85)
# On these cores; ready to start.
Single = Callable[[Sequence[int]], Process]
Double = Callable[[], Process]


def our_two(python: str, specification: dict[str, Any], cores: Sequence[int]) -> Process:
    """Our engine on two ranks, over the shared memory of the MPI beside `python`."""
    mpi, tokens = mpirun_of(python)
    fabric = fabric_aliases(mpi)["shm"]
    spec = specification | {"variant": "double", "ranks": 2, "fabric": fabric}
    command = [*unbound(tokens), python, str(HERE / "md_ours.py")]
    return Process(f"clustermark double, {fabric}", command, cores, spec, launch_environment(environment(), fabric, 1))


def unbound(tokens: Sequence[str]) -> list[str]:
    """A launch whose ranks bind themselves: both of a side must be on the cores that the other side has."""
    found: list[str] = []
    for token in tokens:
        found.append("none" if found and found[-1] in ("--bind-to", "-bind-to") else token)
    return found


def lammps_two(variant: str, specification: dict[str, Any], cores: Sequence[int], python: str) -> Process:
    """LAMMPS on two ranks, started by the MPICH of its environment."""
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    tokens = [launcher.path, "-n", "2", "-bind-to", "none"]
    return lammps(variant, specification, cores, python, tokens)


def speedups(case: Case, specification: dict[str, Any], peers: str | None, pairs: int) -> list[dict[str, str]]:
    """One row a launch: of each MPI at hand, and of LAMMPS' `opt`.

    Raises
    ------
    PeerError, DisagreementError : as in md_vs_lammps.compare
    """
    cores = sorted(os.sched_getaffinity(0))[:2]
    launches: list[tuple[Single, Double]] = []
    for python in pythons():
        launches.append((partial(ours, "double", specification), partial(our_two, python, specification, cores)))
    if peers:
        single = partial(_lammps_one, specification, peers)
        launches.append((single, partial(lammps_two, "opt", specification, cores, peers)))
    return [_in_turns(case, single, double, cores, pairs) for single, double in launches]


def _lammps_one(specification: dict[str, Any], python: str, cores: Sequence[int]) -> Process:
    return lammps("opt", specification, cores, python)


def _in_turns(case: Case, single: Single, double: Double, cores: Sequence[int], pairs: int) -> dict[str, str]:
    # Two ranks fill every core: that they wait for one is no sign of others.
    with Watch(pressure_counts=False) as watch, ExitStack() as stack:
        copies = []
        for core in cores:
            copies.append(single([core]))
            stack.callback(copies[-1].close)
        two = double()
        stack.callback(two.close)
        sides: dict[str, Side] = {"one": copies[0], "two": two, "copies": Together("two copies", copies)}
        blocks = take_turns(sides, case.steps, pairs)
        agree(copies[1].facts(), two.facts())
    return speedup_row(case, two.name, blocks, watch.load)


def speedup_row(case: Case, name: str, blocks: dict[str, list[float]], load: str) -> dict[str, str]:
    """One line of the table; ours has a target, the peer has none.

    Parameters
    ----------
    blocks : [s] of "one" rank, "two" ranks, and of two "copies" of the one at the same time
    """
    target = SPEEDUP if name.startswith("clustermark") else NO_TARGET
    ratio = ratio_of(blocks["one"], blocks["two"])
    machine = ratio_of([2 * seconds for seconds in blocks["one"]], blocks["copies"])
    verdict = verdict_of(ratio, target, load)
    if verdict not in (MET, "") and not load and machine.high < target.least:
        verdict = "not judged: two copies reach no more"
    return {
        "case": case.name,
        "side": name,
        "1 rank": f"{rate(case.atoms, case.steps, blocks['one']):.2f}",
        "2 ranks": f"{rate(case.atoms, case.steps, blocks['two']):.2f} Matom-steps/s",
        "speedup": f"{ratio.value:.2f}",
        "interval": f"{ratio.low:.2f} … {ratio.high:.2f}",
        "two copies": f"{machine.value:.2f} ({machine.low:.2f} … {machine.high:.2f})",
        "pairs": str(ratio.pairs),
        "target": "" if target is NO_TARGET else str(target),
        "verdict": verdict,
        "others": load,
    }
