"""plan: what would run, what is refused, how long it takes, and the command lines."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verb_runs import Command

from clustermark.cli import main
from clustermark.cli.plan_verb import CASE_SECONDS, LAUNCH_SECONDS, duration, shell_line
from clustermark.runners.launcher import Launcher
from clustermark.transports.fabrics import FABRICS


def test_the_plan_shows_every_case_and_job(command: Command, openmpi: Launcher) -> None:
    data = command("plan", "smoke", "--json").document
    text = command("plan", "smoke").out
    assert data["refused"] == []
    assert all(case["label"] in text for case in data["cases"])
    planned = sorted(number for job in data["jobs"] for number in job["cases"])
    assert planned == list(range(len(data["cases"])))


def test_a_refusal_stands_there_with_its_reason_and_its_cases(command: Command, openmpi: Launcher) -> None:
    said = command("plan", "smoke", "--precision", "fp64,mixed", "--only", "gemm")
    assert said.code == 0
    assert said.out.count("workload 'gemm' has no mixed on cpu") == 1
    assert " mixed mpi 1r]" in said.out


def test_a_suite_of_which_nothing_can_run_is_refused_as_run_would(command: Command, openmpi: Launcher) -> None:
    said = command("plan", "smoke", "--precision", "mixed", "--json")
    assert said.code == 2
    assert said.document["cases"] == []
    assert "none of its 29 cases can run here" in said.err


def test_combinations_that_name_a_case_twice_are_counted(command: Command, openmpi: Launcher) -> None:
    said = command("plan", "smoke", "--only", "gemm", "--set", "n=8,8")
    assert "4 combination(s) named a case twice" in said.out
    assert command("plan", "smoke", "--only", "gemm", "--set", "n=8,8", "--json").document["merged"] == 4


def test_the_estimate_follows_from_its_stated_assumptions(command: Command, openmpi: Launcher) -> None:
    data = command("plan", "smoke", "--launches", "3", "--seconds", "0.1", "--json").document
    assert data["assumed"] == {
        "proving_launches": 1,  # shared memory with CMA
        "seconds_per_launch": LAUNCH_SECONDS,
        "seconds_per_case": 0.1 + CASE_SECONDS,
    }
    launches = 3 * len(data["jobs"]) + 1
    cases = 3 * len(data["cases"])
    assert data["seconds"] == pytest.approx(launches * LAUNCH_SECONDS + cases * (0.1 + CASE_SECONDS), abs=0.1)


def test_a_command_line_carries_the_variables_and_tokens_of_its_fabric(command: Command, openmpi: Launcher) -> None:
    jobs = command("plan", "smoke", "--json").document["jobs"]
    assert {job["fabric"] for job in jobs} == {"self", "ompi-sm-cma", "ompi-tcp"}
    for job in jobs:
        assert job["argv"][0] == openmpi.path
        assert job["argv"][job["argv"].index("-n") + 1] == str(job["ranks"])
        for name, value in FABRICS[job["fabric"]].environment.items() if job["fabric"] != "self" else ():
            assert job["environment"].get(name, os.environ.get(name)) == value


def test_inherited_variables_of_other_fabrics_are_dropped(
    command: Command, openmpi: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMPI_MCA_btl_tcp_if_include", "eth7")
    jobs = {job["fabric"]: job for job in command("plan", "smoke", "--json").document["jobs"]}
    assert "OMPI_MCA_btl_tcp_if_include" in jobs["ompi-sm-cma"]["dropped"]
    assert jobs["ompi-tcp"]["environment"]["OMPI_MCA_btl_tcp_if_include"] == "lo"
    assert "-u OMPI_MCA_btl_tcp_if_include" in shell_line(jobs["self"])


def test_a_line_for_the_shell_comes_back_as_the_same_words(command: Command, openmpi: Launcher) -> None:
    (job,) = command("plan", "smoke", "--only", "gemm", "--ranks", "1", "--json").document["jobs"]
    words = shlex.split(shell_line(job))
    assert words[words.index(openmpi.path) :] == job["argv"]
    assert shell_line(job) in command("plan", "smoke", "--only", "gemm", "--ranks", "1").out


def test_without_a_launcher_fabrics_are_refused_and_the_rest_is_planned(command: Command, no_launcher: None) -> None:
    said = command("plan", "smoke", "--json")
    assert said.code == 0
    assert {case["ranks"] for case in said.document["cases"]} == {1}
    assert all("has no launcher" in case["reason"] for case in said.document["refused"])
    assert all(job["argv"] == [] for job in said.document["jobs"])
    assert "before there is a launcher" in said.err
    assert "none: no mpirun found" in command("plan", "smoke").out


def test_durations_are_written_for_people() -> None:
    assert [duration(s) for s in (0.2, 59, 95, 3700)] == ["1 s", "59 s", "1 min 35 s", "1 h 1 min"]


WORDS = st.sampled_from(
    [
        *(
            "smoke",
            "gemm",
            "allreduce",
            "noop",
            "peak",
            "nothing",
            "mine.toml",
            ".",
            "/",
            "",
            " ",
            "-",
            "--",
            "×",
            "\x1b[31m",
        ),
        *("--ranks", "--threads", "--precision", "--fabric", "--transport", "--device", "--set", "--only", "--json"),
        *("--launches", "--seed", "--seconds", "--timeout", "--mpirun", "--ran", "--help", "--set=n=8", "--only=gemm"),
        *("1", "2", "0", "-1", "1,2", "1e9", "nan", "inf", "9" * 400, "fp64", "fp16,bf16", "shm", "tcp,shm", "self"),
        *("mpich-ofi-tcp", "local", "cpu", "cuda", "n=8", "n=", "=8", "bytes=8B,64KiB", "bytes=7", "in_place=true"),
        *("n=true", "ranks=3", "fabric=tcp", "iterations=1", "true", ",", ",,", "None"),
    ]
)
JUNK = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.one_of(WORDS, WORDS, JUNK), max_size=7), first=st.sampled_from(["smoke", "smoke", "x"]))
def test_no_words_after_plan_end_in_a_traceback(openmpi: Launcher, words: list[str], first: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(["plan", first, *words])
        except SystemExit as end:
            code = int(end.code or 0)
    assert code in (0, 2, 4)
    if code == 0 and "--json" in words and "--" not in words and "-h" not in out.getvalue()[:200]:
        json.loads(out.getvalue())
    if code == 2:
        assert err.getvalue()


@pytest.mark.mpi
def test_a_pasted_command_line_runs_the_cases_of_its_job(command: Command, tmp_path: Path) -> None:
    words = ["plan", "smoke", "--only", "noop", "--seconds", "0.01", "--json"]
    job = next(job for job in command(*words).document["jobs"] if job["ranks"] == 2)
    line = f"{shell_line(job)} --no-report --json --out {tmp_path}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["runs"][0]["rows"]
    assert [(row["case"]["ranks"], row["status"]) for row in rows if row["status"] != "skipped"] == [(2, "ok")]
