"""The halos of the climate model on 1, 2, 3, 4 and 6 ranks of a real mpirun: the bits of one rank."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment
from clustermark.transports.fabrics import fabric_aliases

# No rank is bound, and those that wait yield: ranks of other tests run beside these on the same cores.
UNBOUND = 0
pytestmark = pytest.mark.mpi
TESTS = Path(__file__).resolve().parent.parent
PROGRAM = TESTS / "mpi" / "programs" / "climate_halo.py"
LAUNCHES = [("openmpi", 1), ("openmpi", 2), ("openmpi", 3), ("openmpi", 4), ("openmpi", 6), ("mpich", 2), ("mpich", 4)]
Launch = Callable[[str, int], dict[str, Any]]


@pytest.fixture(scope="module")
def launch(pythons: dict[str, str]) -> Launch:
    """What the program prints on so many ranks of an MPI, started once."""
    known: dict[tuple[str, int], dict[str, Any]] = {}

    def found(mpi: str, ranks: int) -> dict[str, Any]:
        if mpi not in pythons:
            pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
        if (mpi, ranks) not in known:
            known[mpi, ranks] = start(pythons[mpi], ranks)
        return known[mpi, ranks]

    return found


def start(python: str, ranks: int) -> dict[str, Any]:
    """Start the ranks, and read the line of rank 0."""
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    fabric = fabric_aliases(launcher.mpi)["shm"] if ranks > 1 else "self"
    environment = launch_environment(os.environ, fabric, 1)
    path = os.pathsep.join(filter(None, [str(TESTS / "apps" / "climate"), environment.get("PYTHONPATH", "")]))
    arguments = launch_arguments(launcher, ranks, 1, UNBOUND, os.geteuid() == 0)
    done = subprocess.run(
        [*arguments, python, str(PROGRAM), fabric, str(ranks)],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
        env=environment | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


@pytest.mark.parametrize(("mpi", "ranks"), LAUNCHES)
def test_halos_have_the_bits_of_one_rank(launch: Launch, mpi: str, ranks: int) -> None:
    for name, found in launch(mpi, ranks).items():
        py, px, together = found["shape"]
        assert py * px * (1 if together else 2) == ranks
        assert found["wrong"] == {"float64": [], "float32": []}, name
        assert found["come back"], name


@pytest.mark.parametrize(("mpi", "ranks"), LAUNCHES)
def test_a_wrong_sign_of_the_rotation_is_caught_on_every_number_of_ranks(launch: Launch, mpi: str, ranks: int) -> None:
    assert all(found["planted"] == ["u"] for found in launch(mpi, ranks).values())


@pytest.mark.parametrize(("mpi", "ranks"), LAUNCHES[1:])
def test_sums_have_the_bits_of_one_rank(launch: Launch, mpi: str, ranks: int) -> None:
    expected = launch("openmpi", 1)["chosen"]["sums"]
    assert len(expected) == 2
    assert all(found["sums"] == expected for found in launch(mpi, ranks).values())
