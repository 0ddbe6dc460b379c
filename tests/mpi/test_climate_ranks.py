"""The climate on 1, 2, 3 and 4 ranks of a real mpirun, with every cut of the panels: the same bits."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
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
PROGRAM = TESTS / "mpi" / "programs" / "climate_run.py"
SHAPES = [("openmpi", 2), ("openmpi", 3), ("openmpi", 4), ("mpich", 2)]

Launch = Callable[[str, int], dict[str, Any]]


@pytest.fixture(scope="module")
def launch(pythons: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """The fields that the program ends with on so many ranks of an MPI, started once."""
    known: dict[tuple[str, int], dict[str, Any]] = {}

    def found(mpi: str, ranks: int) -> dict[str, Any]:
        if mpi not in pythons:
            pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
        if (mpi, ranks) not in known:
            known[mpi, ranks] = start(pythons[mpi], ranks, tmp_path_factory.mktemp(f"{mpi}{ranks}"))
        return known[mpi, ranks]

    return found


def start(python: str, ranks: int, folder: Path) -> dict[str, Any]:
    """Start the ranks, and read what rank 0 leaves."""
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    fabric = fabric_aliases(launcher.mpi)["shm"] if ranks > 1 else "self"
    environment = launch_environment(os.environ, fabric, 1)
    path = os.pathsep.join(filter(None, [str(TESTS / "apps" / "climate"), environment.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [
            *launch_arguments(launcher, ranks, 1, UNBOUND, os.geteuid() == 0),
            *(python, str(PROGRAM), fabric, str(ranks), str(folder)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=450,
        env=environment | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "fields.npz") as file:
        return dict(file)


def differing(one: dict[str, Any], many: dict[str, Any]) -> list[str]:
    """Arrays of a launch on many ranks that are not the bits of the launch on one, whatever the cut."""
    wrong = []
    for name, values in many.items():
        scenario, _, field = name.split("/")
        if not np.array_equal(values, one[f"{scenario}/1x1/{field}"]):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize(("mpi", "ranks"), SHAPES)
def test_every_cut_of_the_panels_gives_the_bits_of_one_rank(launch: Launch, mpi: str, ranks: int) -> None:
    one, many = launch("openmpi", 1), launch(mpi, ranks)
    assert len(many) > len(one) or ranks == 2
    assert differing(one, many) == []


def test_a_last_bit_is_noticed(launch: Launch) -> None:
    one, many = launch("openmpi", 1), dict(launch("openmpi", 2))
    name = next(name for name in many if name.startswith("atmosphere/") and name.endswith("/theta"))
    many[name] = np.nextafter(many[name], np.inf)
    assert differing(one, many) == [name]
