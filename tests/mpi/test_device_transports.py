"""Transports for device memory on the fake GPU under a real mpirun: right, and every planted fault is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from test_transports import start

pytestmark = pytest.mark.mpi
LAUNCHES = [("openmpi", 2), ("openmpi", 3), ("openmpi", 4), ("mpich", 2)]


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, int], Any]:
    """What the rank program found, by MPI and ranks, started once each."""
    return {}


@pytest.fixture(params=LAUNCHES, ids=lambda launch: f"{launch[0]}-{launch[1]}")
def answer(request: pytest.FixtureRequest, pythons: dict[str, str], answers: dict[tuple[str, int], Any]) -> Any:
    """Of one launch."""
    mpi, ranks = request.param
    if mpi not in pythons:
        pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
    if (mpi, ranks) not in answers:
        answers[mpi, ranks] = start(pythons[mpi], ranks, "shm", "device_transports.py", str(ranks))
    return answers[mpi, ranks]


def test_every_call_moves_the_right_elements_and_leaves_no_work_behind(answer: Any) -> None:
    assert answer["wrong"] == []


def test_a_sum_over_two_ranks_has_the_bits_of_the_cpu(answer: Any) -> None:
    assert answer["bits"] == []


def test_sums_of_two_bytes_are_exact(answer: Any) -> None:
    assert answer["two bytes"] == []


def test_the_benchmarks_prove_their_answers_on_every_transport(answer: Any) -> None:
    assert answer["benchmarks"] == []


def test_the_probe_of_a_cuda_aware_mpi_passes_where_addresses_are_taken(answer: Any) -> None:
    assert answer["probe"] == []


def test_the_wire_between_gpus_is_the_one_whose_counter_moved(answer: Any) -> None:
    assert answer["wires"] == []


@pytest.mark.parametrize("mpi", ["openmpi", "mpich"])
def test_every_planted_fault_is_noticed(pythons: dict[str, str], answers: dict[tuple[str, int], Any], mpi: str) -> None:
    if mpi not in pythons:
        pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
    if (mpi, 2) not in answers:
        answers[mpi, 2] = start(pythons[mpi], 2, "shm", "device_transports.py", "2")
    missed = answers[mpi, 2]["missed"]
    assert len(missed) >= 20
    assert {fault: calls for fault, calls in missed.items() if calls} == {}
