"""The launcher's tokens and variables are text: compared as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.errors import LaunchError, UsageError
from clustermark.runners.launcher import (
    THREAD_VARIABLES,
    Launcher,
    find_launcher,
    launch_arguments,
    launch_environment,
    rank_hint,
)
from clustermark.transports.fabrics import FABRICS
from clustermark.transports.world import World, inside_launch

OPENMPI = Launcher("/opt/bin/mpirun", "openmpi", "5.0.11")
MPICH = Launcher("/opt/bin/mpirun", "mpich", "5.0.2")


@pytest.mark.parametrize(
    ("launcher", "ranks", "threads", "cores", "as_root", "expected"),
    [
        (OPENMPI, 2, 1, 2, False, "-n 2 --bind-to core"),
        (OPENMPI, 2, 1, 2, True, "--allow-run-as-root -n 2 --bind-to core"),
        (OPENMPI, 2, 4, 8, False, "-n 2 --map-by slot:PE=4 --bind-to core"),
        (
            *(OPENMPI, 4, 1, 2, True),
            "--allow-run-as-root -n 4 --map-by :OVERSUBSCRIBE --bind-to none --mca mpi_yield_when_idle 1",
        ),
        (MPICH, 2, 1, 2, True, "-n 2 -bind-to core:1"),
        (MPICH, 2, 4, 8, False, "-n 2 -bind-to core:4"),
        (MPICH, 4, 1, 2, False, "-n 4 -bind-to none"),
    ],
)
def test_the_tokens_of_each_launcher(
    launcher: Launcher, ranks: int, threads: int, cores: int, as_root: bool, expected: str
) -> None:
    assert launch_arguments(launcher, ranks, threads, cores, as_root) == ["/opt/bin/mpirun", *expected.split()]


def test_ranks_are_bound_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for word, binds in (("", True), ("core", True), ("none", False)):
        monkeypatch.setenv("CLUSTERMARK_BIND", word) if word else monkeypatch.delenv("CLUSTERMARK_BIND", raising=False)
        launcher = find_launcher()
        assert launcher.binds is binds
        assert ("none" in launch_arguments(launcher, 1, 1, 1, True)) is not binds
    monkeypatch.setenv("CLUSTERMARK_BIND", "socket")
    with pytest.raises(UsageError, match="CLUSTERMARK_BIND is 'socket', expected core or none; unset it to bind"):
        find_launcher()


def test_a_launch_inherits_no_other_launch_and_no_other_fabric() -> None:
    inherited = {
        "HOME": "/home/user",
        "PMI_RANK": "1",
        "PMIX_RANK": "0",
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_MCA_btl": "self,tcp",
        "OMPI_MCA_btl_tcp_if_include": "eth0",
        "OMP_NUM_THREADS": "64",
    }
    environment = launch_environment(inherited, "ompi-sm-copy", 2)
    assert environment["HOME"] == "/home/user"
    assert not {"PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "OMPI_MCA_btl_tcp_if_include"} & set(environment)
    assert FABRICS["ompi-sm-copy"].environment.items() <= environment.items()
    assert {environment[name] for name in THREAD_VARIABLES} == {"2"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, World("openmpi", 3, 4)),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, World("mpich", 0, 2)),
        ({"PMI_RANK": "zero", "PMI_SIZE": "2"}, None),
        ({"PMI_RANK": "0"}, None),
    ],
)
def test_a_launch_is_known_by_its_own_variables_only(variables: dict[str, str], expected: World | None) -> None:
    assert inside_launch(variables) == expected


@given(st.dictionaries(st.sampled_from(["PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK"]), st.text(max_size=5)))
def test_foreign_values_never_raise(variables: dict[str, str]) -> None:
    inside_launch(variables)
    assert rank_hint(variables)


def write_script(path: Path, text: str) -> str:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("says", "mpi", "version"),
    [
        ("mpirun (Open MPI) 5.0.11", "openmpi", "5.0.11"),
        ("mpirun (Open MPI) 4.1.4\\n\\nReport bugs to http://www.open-mpi.org/", "openmpi", "4.1.4"),
        ("HYDRA build details:\\n    Version:                                 4.0.2", "mpich", "4.0.2"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.9 Build 20230307", "mpich", "2021.9"),
    ],
)
def test_a_launcher_is_known_by_what_it_says(tmp_path: Path, says: str, mpi: str, version: str) -> None:
    launcher = find_launcher(write_script(tmp_path / "mpirun", f"printf '{says}'"))
    assert (launcher.mpi, launcher.version) == (mpi, version)


@pytest.mark.parametrize("text", ["echo something else", "exit 3", "kill -9 $$"])
def test_a_foreign_launcher_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(LaunchError, match=r"--mpirun") as caught:
        find_launcher(write_script(tmp_path / "mpirun", text))
    assert "\n" not in str(caught.value)


def test_a_launcher_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="does not run"):
        find_launcher(str(tmp_path / "nothing"))
