"""What holds for every verb: exit codes, one sentence for a mistake, one document with --json, quick starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from verb_runs import Command

from clustermark.cli import VERBS
from clustermark.runners.launcher import Launcher


def start(*words: str, importtime: bool = False) -> subprocess.CompletedProcess[str]:
    options = ["-X", "importtime"] if importtime else []
    return subprocess.run(
        [sys.executable, *options, "-m", "clustermark", *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("words", [["list"], ["describe", "smoke"], ["describe", "gemm"], ["schema"], ["--help"]])
def test_a_verb_that_only_looks_things_up_imports_nothing_heavy(words: list[str]) -> None:
    done = start(*words, importtime=True)
    assert done.returncode == 0, done.stderr
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert not imported & {"numpy", "h5py", "mpi4py", "numba", "altair", "pandas", "tabulate", "tqdm"}
    assert "clustermark" in imported


def test_the_plan_and_the_doctor_import_no_numpy_in_their_own_process() -> None:
    for words in (["plan", "smoke"], ["doctor", "--no-launch"]):
        done = start(*words, importtime=True)
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
        assert not imported & {"numpy", "h5py", "mpi4py", "mpi4py.MPI"}, words


def test_every_verb_has_help_and_a_module(command: Command) -> None:
    for verb in VERBS:
        said = command(verb, "--help")
        assert said.code == 0
        assert f"clustermark {verb}" in said.out


def test_no_verb_at_all_shows_how_to_start(command: Command) -> None:
    said = command()
    assert said.code == 2
    assert "clustermark doctor" in said.out
    assert command("--version").out.startswith("clustermark ")


def test_an_unknown_verb_gets_the_nearest_one(command: Command) -> None:
    said = command("docter")
    assert said.code == 2
    assert "did you mean 'doctor'?" in said.err
    assert said.out == ""


@pytest.mark.parametrize("verb", ["list", "plan", "describe", "doctor", "report", "export", "schema"])
def test_an_unknown_option_is_a_usage_error(command: Command, verb: str) -> None:
    said = command(verb, "x", "--nonsense")
    assert said.code == 2
    assert "Traceback" not in said.err
    assert said.out == ""


MISTAKES = [
    (["describe", "gem"], "did you mean 'gemm'?"),
    (["describe", "smok"], "did you mean 'smoke'?"),
    (["describe", "nowhere.toml"], "cannot be read"),
    (["describe", "a\nb"], "a\\nb"),
    (["plan", "smok"], "did you mean 'smoke'?"),
    (["plan", "nowhere.toml"], "cannot be read"),
    (["plan", "smoke", "--only", "gem"], "did you mean 'gemm'?"),
    (["plan", "smoke", "--set", "n"], "is no assignment"),
    (["plan", "smoke", "--set", "m_size=3"], "no workload of suite smoke has this parameter"),
    (["plan", "smoke", "--set", "n=big"], "expected a value such as 1024"),
    (["plan", "smoke", "--set", "n=-1"], "expected 1 to 200000"),
    (["plan", "smoke", "--precision", "fp63"], "did you mean 'fp64'?"),
    (["plan", "smoke", "--device", "cpus"], "did you mean 'cpu'?"),
    (["plan", "smoke", "--fabric", "tpc"], "did you mean 'tcp'?"),
    (["plan", "smoke", "--ranks", "0"], "expected 1 to"),
    (["plan", "smoke", "--ranks", "two"], "expected a whole number"),
    (["plan", "smoke", "--launches", "0"], "expected 1 to 1000"),
    (["plan", "smoke", "--seconds", "nan"], "seconds"),
    (["plan", "smoke", "--launches", "many"], "invalid int value"),
    (["report", "nowhere"], "is not there"),
    (["report", "nowhere/at/all"], "is not there"),
    (["report", "x" * 300], "cannot be read"),
    (["export", "nowhere", "--format", "csv"], "is not there"),
    (["export", "nowhere", "--format", "cvs"], "did you mean 'csv'?"),
    (["export", "nowhere"], "--format"),
    (["schema", "results"], "did you mean 'result'?"),
    (["schema", "file", "--json"], "has no JSON form"),
]


@pytest.mark.parametrize(("words", "part"), MISTAKES, ids=[" ".join(words)[:40] for words, _ in MISTAKES])
def test_a_mistake_is_one_sentence_on_stderr_with_exit_code_2(
    command: Command, openmpi: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command(*words)
    assert said.code == 2
    assert part in said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    if not said.err.startswith("usage:"):
        assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [["list"], ["describe", "allreduce"], ["describe", "smoke"], ["plan", "smoke"]])
def test_json_is_one_versioned_document_and_nothing_else(command: Command, openmpi: Launcher, words: list[str]) -> None:
    said = command(*words, "--json")
    assert said.code == 0
    assert said.document["schema_version"] == 1
    assert said.document["verb"] == words[0]


def test_no_verb_colours_its_text(command: Command, openmpi: Launcher) -> None:
    for words in (["list"], ["describe", "gemm"], ["plan", "smoke"], ["schema"]):
        assert "\x1b" not in command(*words).out


def test_a_reader_that_has_gone_is_no_error() -> None:
    pipe = f"{sys.executable} -m clustermark schema | head -n 1"
    done = subprocess.run(["sh", "-c", pipe], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("run.h5")
    assert done.stderr == ""


def test_the_command_line_works_as_a_program_too() -> None:
    done = start("list", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["workloads"]
    missed = start("plan", "smok")
    assert (missed.returncode, missed.stdout) == (2, "")
    assert "Traceback" not in missed.stderr
