"""Two ranks of one engine against one, in turns: parallel efficiency on two cores of one machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from c_side import mpirun_of, pythons
from md_cases import NO_TARGET, Case, agree, at_least, rate, ratio_of, row
from md_sides import HERE, PeerError, Process, environment, lammps, ours

from clustermark.core.errors import ClustermarkError
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
    side = lammps(variant, specification, cores, python, tokens)
    side.name += ", 2 ranks"
    return side


def speedups(
    case: Case, specification: dict[str, Any], peers: str | None, pairs: int, load: Callable[[], str]
) -> list[dict[str, str]]:
    """One row a launch that could be started: of each MPI at hand, and of LAMMPS' `opt`.

    `load` tells at the end what others did meanwhile.
    """
    cores = sorted(os.sched_getaffinity(0))[:2]
    one: list[tuple[Start, Start]] = []
    for python in pythons():
        one.append(
            (
                lambda: ours("double", specification, cores[:1]),
                lambda python=python: our_two(python, specification, cores),
            )
        )
    if peers:
        one.append(
            (
                lambda: lammps("opt", specification, cores[:1], peers),
                lambda: lammps_two("opt", specification, cores, peers),
            )
        )
    rows = []
    for single, double in one:
        try:
            names, first, second = _in_turns(single, double, case.steps, pairs)
        except (PeerError, ClustermarkError) as error:
            print(f"left out: {str(error)[-500:]}", flush=True)
            continue
        rates = (rate(case.atoms, case.steps, first), rate(case.atoms, case.steps, second))
        target = SPEEDUP if names[1].startswith("clustermark") else NO_TARGET
        made = row(case.name, (f"{names[0]}, 1 rank", names[1]), rates, ratio_of(first, second), target, load())
        made["2 ranks"] = made.pop("clustermark")
        rows.append(made)
    return rows


def _in_turns(single: Start, double: Start, steps: int, pairs: int) -> tuple[list[str], list[float], list[float]]:
    sides = [single()]
    try:
        sides.append(double())
        blocks: list[list[float]] = [[], []]
        for number in range(pairs):
            for side in (0, 1) if number % 2 else (1, 0):
                blocks[side].append(sides[side].block(steps))
        agree(sides[0].facts(), sides[1].facts())
        return [side.name for side in sides], blocks[0], blocks[1]
    finally:
        for side in sides:
            side.close()
