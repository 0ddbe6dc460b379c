"""The command line in this process, launchers that are none, and a run on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from verb_runs import Command, Said, record

from clustermark.cli import main
from clustermark.core.errors import LaunchError
from clustermark.core.rundir import RunDirectory
from clustermark.runners.launcher import Launcher


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """`main` with these words; argparse ends by SystemExit, which is an exit code like any other."""

    def run(*words: object) -> Said:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def openmpi(monkeypatch: pytest.MonkeyPatch) -> Launcher:
    """Every launcher found is this one, which is never started; /nowhere is none."""
    launcher = Launcher("/opt/mpi/bin/mpirun", "openmpi", "5.0.0")

    def find(given: str | None = None) -> Launcher:
        if given is not None and given != launcher.path:
            raise LaunchError(f"launcher {given}: does not run; name another with --mpirun")
        return launcher

    monkeypatch.setattr("clustermark.runners.launcher.find_launcher", find)
    return launcher


@pytest.fixture
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without mpirun."""

    def find(given: str | None = None) -> Launcher:
        raise LaunchError("no mpirun found beside this Python or on PATH; install one")

    for module in ("launcher", "doctor_mpi"):
        monkeypatch.setattr(f"clustermark.runners.{module}.find_launcher", find)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a shell script that can be started, as `mpirun` in a folder of its own."""

    def write(text: str) -> Path:
        path = tmp_path / "fake" / "mpirun"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of runs with one run, not yet assembled, as a killed `run` leaves it: ok, wrong, failed, skipped."""
    record(tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def killed(results: Path) -> RunDirectory:
    """The run in `results`."""
    (folder,) = results.iterdir()
    return RunDirectory.open(folder)
