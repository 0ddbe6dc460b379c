"""Two ranks of one engine against one, in turns: parallel efficiency on two cores of one machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from c_side import mpirun_of, pythons
from conditions import Watch
from md_cases import NO_TARGET, Case, agree, at_least, rate, ratio_of, verdict_of
from md_sides import HERE, Process, Side, environment, lammps, ours, take_turns

from clustermark.runners.launcher import find_launcher, launch_environment
from clustermark.transports.fabrics import fabric_aliases

SPEEDUP = at_least(1.85)
Start = Callable[[], Process]


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
    """One row a launch: of each MPI at hand, and of LAMMPS' `opt`; a launch that does not start says why.

    Raises
    ------
    PeerError, DisagreementError : as in md_vs_lammps.compare
    """
    cores = sorted(os.sched_getaffinity(0))[:2]
    launches: list[tuple[Start, Start]] = []
    for python in pythons():
        two = partial(our_two, python, specification, cores)
        launches.append((partial(ours, "double", specification, cores[:1]), two))
    if peers:
        two = partial(lammps_two, "opt", specification, cores, peers)
        launches.append((partial(lammps, "opt", specification, cores[:1], peers), two))
    return [_in_turns(case, single, double, pairs) for single, double in launches]


def _in_turns(case: Case, single: Start, double: Start, pairs: int) -> dict[str, str]:
    # Two ranks fill every core: that they wait for one is no sign of others.
    with Watch(pressure_counts=False) as watch, ExitStack() as stack:
        sides: dict[str, Side] = {}
        for name, start in (("one", single), ("two", double)):
            sides[name] = start()
            stack.callback(sides[name].close)
        blocks = take_turns(sides, case.steps, pairs)
        agree(sides["one"].facts(), sides["two"].facts())
    return speedup_row(case, sides["one"].name, sides["two"].name, blocks, watch.load)


def speedup_row(case: Case, one: str, two: str, blocks: dict[str, list[float]], load: str) -> dict[str, str]:
    """One line of the table; ours has a target, the peer has none."""
    target = SPEEDUP if two.startswith("clustermark") else NO_TARGET
    ratio = ratio_of(blocks["one"], blocks["two"])
    return {
        "case": case.name,
        "side": two,
        "1 rank": f"{rate(case.atoms, case.steps, blocks['one']):.2f}",
        "2 ranks": f"{rate(case.atoms, case.steps, blocks['two']):.2f} Matom-steps/s",
        "speedup": f"{ratio.value:.3f}",
        "interval": f"{ratio.low:.3f} … {ratio.high:.3f}",
        "pairs": str(ratio.pairs),
        "target": "" if target is NO_TARGET else str(target),
        "verdict": verdict_of(ratio, target, load),
        "others": load,
    }
