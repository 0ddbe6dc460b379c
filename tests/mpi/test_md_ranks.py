"""Molecular dynamics on 1, 2, 4 and 8 ranks of a real mpirun: the same pairs, forces, trajectories and sentences."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment
from clustermark.transports.fabrics import fabric_aliases

# No rank is bound, and those that wait yield: ranks of other tests run beside these on the same cores.
UNBOUND = 0
# The first program of a new checkout compiles every kernel, for minutes where other tests compile beside it.
pytestmark = [pytest.mark.mpi, pytest.mark.timeout(500)]
TESTS = Path(__file__).resolve().parent.parent
PROGRAM = TESTS / "mpi" / "programs" / "md_run.py"
GROUPS = ("trajectories", "restarts", "fates")
# Eight ranks on a machine of two cores are slow: they make trajectories only. The other MPI is tried once.
LAUNCHES = {("openmpi", 1): GROUPS, ("openmpi", 2): GROUPS, ("openmpi", 4): GROUPS, ("openmpi", 8): GROUPS[:1]}
LAUNCHES |= {("mpich", 2): GROUPS}


@dataclass(frozen=True)
class Found:
    """What a launch printed, and its arrays by "scenario/name"."""

    groups: dict[str, Any]
    arrays: dict[str, Any]


Launch = Callable[[str, int], Found]


@pytest.fixture(scope="module")
def launch(pythons: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """The program on so many ranks of an MPI, started once."""
    known: dict[tuple[str, int], Found] = {}

    def found(mpi: str, ranks: int) -> Found:
        if mpi not in pythons:
            pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
        if (mpi, ranks) not in known:
            folder = tmp_path_factory.mktemp(f"{mpi}{ranks}")
            known[mpi, ranks] = start(pythons[mpi], ranks, folder, LAUNCHES[mpi, ranks])
        return known[mpi, ranks]

    return found


def start(python: str, ranks: int, folder: Path, groups: tuple[str, ...]) -> Found:
    """Start the ranks, and read what rank 0 leaves."""
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    fabric = fabric_aliases(launcher.mpi)["shm"] if ranks > 1 else "self"
    environment = launch_environment(os.environ, fabric, 1)
    path = os.pathsep.join(filter(None, [str(TESTS / "apps" / "md"), str(TESTS), environment.get("PYTHONPATH", "")]))
    arguments = launch_arguments(launcher, ranks, 1, UNBOUND, os.geteuid() == 0)
    done = subprocess.run(
        [*arguments, python, str(PROGRAM), fabric, str(ranks), str(folder), *groups],
        check=False,
        capture_output=True,
        text=True,
        timeout=450,
        env=environment | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    with np.load(folder / "arrays.npz") as file:
        return Found(json.loads(line), dict(file))


def differences(
    one: Found, other: Found, scenario: str, start: float, end: float, force: float, away: float
) -> list[str]:
    """What two launches do not have in common.

    Parameters
    ----------
    start, end : differences allowed of energies and virial at the start and at the end, of the potential energy
    force : difference allowed of forces at the start, of their RMS or 1
    away : difference allowed of positions and velocities at the end
    """
    a, b = (found.groups["trajectories"][scenario] for found in (one, other))
    wrong = [] if a["start"]["pairs"] == b["start"]["pairs"] else ["pairs"]
    wrong += ["rebuilds"] if a["rebuilds"] != b["rebuilds"] else []
    for name in ("potential_energy", "kinetic_energy", "total_energy", "virial", "temperature"):
        for when, bound in (("start", start), ("end", end)):
            scale = max(abs(a[when][name]), abs(a[when]["potential_energy"]))
            wrong += [f"{name} at the {when}"] if abs(a[when][name] - b[when][name]) > bound * scale else []
    forces, others = (found.arrays[f"{scenario}/forces"] for found in (one, other))
    if np.abs(forces - others).max() > force * max(np.sqrt(np.mean(forces**2)), 1.0):
        wrong.append("forces")
    for name in ("positions", "velocities"):
        apart = np.abs(one.arrays[f"{scenario}/{name}"] - other.arrays[f"{scenario}/{name}"])
        if name == "positions":  # an atom at the edge of the box may be wrapped differently
            apart = apart[apart < 1.0]
        wrong += [name] if apart.max() > away else []
    return wrong


SHAPES = [("openmpi", 2), ("openmpi", 4), ("openmpi", 8), ("mpich", 2)]
# As `differences` takes them. In mixed precision positions are rounded relative to another centre, and a pair at the
# cutoff may be felt a step longer.
BOUNDS = {
    "lj": (1e-12, 1e-8, 1e-12, 1e-9),
    "lj in turns": (1e-12, 1e-8, 1e-12, 1e-9),
    "lj mixed": (1e-5, 1e-5, 2e-4, 2e-3),
    "empty bricks": (1e-12, 1e-11, 1e-12, 1e-11),
    "eam": (1e-12, 1e-11, 1e-12, 1e-11),
    "eam in turns": (1e-12, 1e-11, 1e-12, 1e-11),
    "langevin": (1e-12, 1e-9, 1e-12, 1e-9),
}


def test_one_rank_makes_all_there_is_to_compare_with(launch: Launch) -> None:
    """Also compiles the kernels, so that many ranks need not do it at once."""
    found = launch("openmpi", 1)
    assert set(found.groups["trajectories"]) == set(BOUNDS)
    assert all(result["grid"] == [1, 1, 1] for result in found.groups["trajectories"].values())


@pytest.mark.parametrize(("mpi", "ranks"), SHAPES)
@pytest.mark.parametrize("scenario", BOUNDS)
def test_ranks_change_neither_pairs_nor_forces_nor_trajectories(
    launch: Launch, mpi: str, ranks: int, scenario: str
) -> None:
    one, many = launch("openmpi", 1), launch(mpi, ranks)
    assert np.prod(many.groups["trajectories"][scenario]["grid"]) == ranks
    assert differences(one, many, scenario, *BOUNDS[scenario]) == []


def test_another_trajectory_is_told_apart(launch: Launch) -> None:
    one, many = launch("openmpi", 1), launch("openmpi", 2)
    arrays = dict(many.arrays)
    arrays["lj/forces"] = arrays["lj/forces"] * (1 + 1e-10)
    arrays["lj/velocities"] = arrays["lj/velocities"] + 1e-6
    groups = json.loads(json.dumps(many.groups))
    groups["trajectories"]["lj"]["start"]["pairs"] += 1
    groups["trajectories"]["lj"]["end"]["potential_energy"] *= 1 + 1e-7
    wrong = differences(one, Found(groups, arrays), "lj", *BOUNDS["lj"])
    assert wrong == ["pairs", "potential_energy at the end", "forces", "velocities"]


@pytest.mark.parametrize(("mpi", "ranks"), SHAPES)
@pytest.mark.parametrize("scenario", ["lj", "eam"])
def test_working_beside_messages_gives_what_taking_turns_gives(
    launch: Launch, mpi: str, ranks: int, scenario: str
) -> None:
    """Only the order of sums differs: rounding at the start, what chaos makes of it in the end."""
    found = launch(mpi, ranks)
    turns = {name.replace(" in turns", ""): values for name, values in found.arrays.items() if " in turns" in name}
    runs = found.groups["trajectories"]
    in_turns = Found({"trajectories": {scenario: runs[f"{scenario} in turns"]}}, turns)
    assert differences(found, in_turns, scenario, *BOUNDS[scenario]) == []


@pytest.mark.parametrize(("mpi", "ranks"), [("openmpi", 1), ("openmpi", 2), ("openmpi", 4), ("mpich", 2)])
def test_a_restart_goes_on_bit_by_bit(launch: Launch, mpi: str, ranks: int) -> None:
    restarts = launch(mpi, ranks).groups["restarts"]
    assert len(restarts) == 4
    assert all(result["same"] for result in restarts.values()), restarts


SENTENCES = {
    "narrow box": (
        2,
        "ranks cut the box (5.4 × 5.4 × 5.4) into bricks narrower than cutoff + skin (2.8), which the halo needs; "
        "use at most 1 ranks, or a larger system",
    ),
    "no position": (1, "UsageError: atom 8 has the position (nan, nan, nan): expected three finite numbers"),
    "overlap": (1, "UsageError: atoms 8 and 12 are 0.0173 apart and the potential energy is 5.49e+21: they overlap"),
    "flown away": (1, "ClustermarkError: atom 21 has lost its position (5.0000"),
    "beyond a brick": (4, "ClustermarkError: atom 21 has moved by more than a brick between two lists"),
    "long time step": (1, "ClustermarkError: "),
}


@pytest.mark.parametrize(("mpi", "ranks"), [("openmpi", 1), ("openmpi", 2), ("openmpi", 4), ("mpich", 2)])
@pytest.mark.parametrize("name", SENTENCES)
def test_a_fault_ends_in_the_same_sentence_on_every_rank(launch: Launch, mpi: str, ranks: int, name: str) -> None:
    fewest, sentence = SENTENCES[name]
    sentences = launch(mpi, ranks).groups["fates"][name]["sentences"]
    assert len(sentences) == ranks
    if ranks >= fewest:
        assert len(set(sentences)) == 1 and sentence in sentences[0]
        assert "\n" not in sentences[0]
