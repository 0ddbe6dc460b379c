"""Every transport under a real mpirun, and the fabrics' proof with a planted lie."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment
from clustermark.transports import TRANSPORTS
from clustermark.transports.fabrics import fabric_aliases

pytestmark = pytest.mark.mpi
TESTS = Path(__file__).resolve().parent.parent
PROGRAMS = TESTS / "mpi" / "programs"


def start(python: str, ranks: int, fabric: str, program: str, *words: str) -> Any:
    """Run a program on `ranks` ranks over a fabric; its rank 0 prints one JSON line."""
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    name = fabric_aliases(launcher.mpi).get(fabric, fabric)
    arguments = launch_arguments(launcher, ranks, 1, 2, os.geteuid() == 0)
    environment = launch_environment(os.environ, name, 1)
    path = os.pathsep.join(filter(None, [str(TESTS), environment.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [*arguments, python, str(PROGRAMS / program), name, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
        env=environment | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


HOST_TRANSPORTS = [name for name, row in TRANSPORTS.items() if not row.refuse(1, "fp64", "cpu")]


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("transport", HOST_TRANSPORTS)
def test_every_call_of_a_transport_gives_the_right_bytes(mpi_python: str, transport: str, ranks: int) -> None:
    if TRANSPORTS[transport].refuse(ranks, "fp64", "cpu"):
        assert ranks > 1
        return
    answer = start(mpi_python, ranks, "shm" if ranks > 1 else "self", "transport_calls.py", transport, str(ranks))
    assert answer["size"] == ranks
    assert answer["wrong"] == []


@pytest.mark.parametrize(
    ("chosen", "claimed", "proven"),
    [
        *(("shm", "shm", True), ("shm-copy", "shm-copy", True), ("tcp", "tcp", True)),
        *(("ucx-shm", "ucx-shm", True), ("ucx-shm-copy", "ucx-shm-copy", True), ("ofi-shm", "ofi-shm", True)),
        *(("shm", "tcp", False), ("tcp", "shm", False), ("shm", "shm-copy", False), ("shm-copy", "shm", False)),
    ],
)
def test_a_fabric_is_proven_and_a_lie_about_it_is_not(mpi_python: str, chosen: str, claimed: str, proven: bool) -> None:
    aliases = fabric_aliases(find_launcher(str(Path(mpi_python).parent / "mpirun")).mpi)
    if claimed not in aliases:
        assert claimed == "ofi-shm", "Open MPI from PyPI has no libfabric provider of shared memory"
        return
    answer = start(mpi_python, 2, chosen, "fabric_claim.py", aliases[claimed])
    assert answer["proven"] is proven, answer
