"""The project's own verdict in CI is advice: whatever happens, it says one thing and ends with 0."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, no repository yet."""
    (tmp_path / "project" / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "verdict", tmp_path / "project" / ".ci" / "verdict")
    return tmp_path / "project"


def commit(folder: Path, times: int) -> None:
    """That many commits."""
    identity = ["-c", "user.name=A. Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for number in range(times):
        words = ["commit", "-q", "--allow-empty", "-m", str(number)]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)


def verdict(folder: Path, python: str = "exit 0", seconds: int = 20) -> str:
    """What the script prints with a Python that does as told; it must end with 0."""
    stub = folder / "python"
    stub.write_text(f"#!/bin/sh\n{python}\n")
    stub.chmod(0o755)
    environment = {
        **os.environ,
        "PYTHON": str(stub),
        "VERDICT_SECONDS": str(seconds),
        "GIT_CEILING_DIRECTORIES": "/tmp",
    }
    words = [str(folder / ".ci" / "verdict")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.parametrize("commits", [None, 0, 1])
def test_without_a_previous_commit_it_says_so(checkout: Path, commits: int | None) -> None:
    if commits is not None:
        commit(checkout, commits)
    assert "no previous commit here" in verdict(checkout)


def test_in_a_shallow_clone_it_says_so(checkout: Path, tmp_path: Path) -> None:
    commit(checkout, 2)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{checkout}", str(clone)], check=True)
    shutil.copytree(checkout / ".ci", clone / ".ci")
    assert "a shallow clone" in verdict(clone)


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("exit 0", "nothing is known to be slower"),
        ("exit 1", "something is slower or no longer right"),
        ("echo 'clustermark: no mpirun found' >&2; exit 2", "exit code 2:\nclustermark: no mpirun found"),
        ("exec sleep 30", "was not done after 1 s"),
    ],
)
def test_each_end_of_the_check_is_told_and_none_fails_the_build(checkout: Path, python: str, said: str) -> None:
    commit(checkout, 2)
    assert said in verdict(checkout, python, 1 if "sleep" in python else 20)
