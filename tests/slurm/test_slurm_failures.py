"""What goes wrong on real Slurm: the result is right, the message names case, job and cause, nothing hangs."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run
from virtual import CALM, SLOW, Cluster, Submit, Submitted, cluster_command, suite, the_run, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(240)]


def collect(clustermark: Run, run: Submitted, code: int, *words: str) -> str:
    """Wait for nothing; judge what there is."""
    done = clustermark("collect", run.folder, "--no-report", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_slow_failures_are_under_way(background: dict[str, Submitted]) -> None:
    """First in this file: Slurm works on them while the other tests run."""
    assert set(background) == set(SLOW)


def test_a_case_that_raises_or_is_killed_fails_alone_and_names_its_job(
    cluster: Cluster, submit: Submit, clustermark: Run, tmp_path: Path
) -> None:
    modes = suite(tmp_path, ["raise", "none", "kill"])
    run = submit(modes, "--site", cluster.site(tmp_path, CALM), "--nodes", "1", "--ranks-per-node", "2")
    states = cluster.wait_for_end(run.job())
    assert {state.state for state in states.values()} == {"COMPLETED"}
    cluster.wait_for_end(run.job("collect"))
    reasons = run.reasons()
    assert reasons["none"] == "ok"
    assert "planted: the step divided by zero" in reasons["raise"]
    assert f"Slurm job {run.job()}_0 on vn" in reasons["raise"]
    assert "kill" in reasons["kill"].lower()
    assert f"Slurm job {run.job()}_0 on vn" in reasons["kill"]
    assert next(iter(cluster.states(run.job("collect")).values())).state == "FAILED", "a failed case is no success"


def test_a_launcher_that_fails_is_the_reason_of_every_case(
    cluster: Cluster, submit: Submit, clustermark: Run, tmp_path: Path
) -> None:
    site = cluster.site(tmp_path, CALM | {"srun_options": ["--no-such-option"]})
    run = submit(suite(tmp_path, ["none", "slow"]), "--site", site, "--nodes", "1", "--ranks-per-node", "2")
    cluster.wait_for_end(run.job())
    collect(clustermark, run, 4)
    for reason in run.reasons().values():
        assert "no-such-option" in reason
        assert f"Slurm job {run.job()}_0" in reason


def test_worlds_of_one_rank_are_found_whatever_the_exit_status(
    cluster: Cluster, submit: Submit, clustermark: Run, tmp_path: Path, mpi_python: str
) -> None:
    """The wrong --mpi gives N worlds of one rank, each of which would end with exit status 0."""
    wrong = "none" if mpi_python != sys.executable else "pmi2"
    site = cluster.site(tmp_path, CALM | {"mpi_type": wrong})
    words = ["--site", site, "--nodes", "2", "--ranks-per-node", "1"]
    run = submit(suite(tmp_path, ["none"]), *words, python=mpi_python)
    cluster.wait_for_end(run.job())
    cluster.wait_for_end(run.job("collect"))
    reason = run.reasons()["none"]
    assert "the launch has 1 rank(s) where 2 were asked" in reason
    assert f"Slurm job {run.job()}_0" in reason


def test_a_job_that_lost_a_node_goes_back_to_the_queue(background: dict[str, Submitted], cluster: Cluster) -> None:
    run = background["requeue"]
    wait_until(lambda: cluster.states(run.job())[f"{run.job()}_0"].state == "PENDING", 90, "the requeue")
    done_before = {(event["case"], event["launch"]) for event in run.events("done")}
    assert 2 <= len(done_before) < 6
    assert cluster_command("node-up", "vn2", "--root", str(cluster.root)).returncode == 0


def test_near_the_time_limit_a_task_ends_by_itself_and_keeps_what_it_had(
    background: dict[str, Submitted], cluster: Cluster, clustermark: Run
) -> None:
    run = background["near"]
    states = cluster.wait_for_end(run.job())
    assert {state.state for state in states.values()} == {"FAILED"}
    collect(clustermark, run, 4)
    reasons = run.reasons()
    assert f"Slurm job {run.job()}_0 ended FAILED" in reasons["hang-all"]
    assert "the time limit of the job was near" in reasons["hang-all"]
    begun = [event["case"] for event in run.events("start")]
    kept = {row.case.params["mode"] for row in run.result.rows if row.status == "ok"}
    assert kept == ({"none"} if len(begun) == 2 else set())


def test_a_cancelled_task_is_missing_and_only_its_points_run_again(
    cluster: Cluster, submit: Submit, clustermark: Run, tmp_path: Path
) -> None:
    site = cluster.site(tmp_path, CALM | {"partition": "last", "max_running": 1})
    run = submit(suite(tmp_path, ["none"], launches=3), "--site", site, "--nodes", "1", "--ranks-per-node", "1")
    cluster.slurm("scancel", f"{run.job()}_2")
    cluster.slurm("scancel", run.job("collect"))
    cluster.wait_for_end(run.job())
    said = collect(clustermark, run, 4)
    assert "1 planned point(s) have no result" in said
    assert f"Slurm job {run.job()}_2 ended CANCELLED (while it waited)" in run.reasons()["none"]
    [lost] = run.last.arrays[0].tasks[2].points
    done = clustermark("submit", "--retry-failed", run.folder, "--no-report")
    assert done.returncode == 0, done.stderr
    assert [task.points for array in run.last.arrays for task in array.tasks] == [(lost,)]
    cluster.wait_for_end(run.job())
    collect(clustermark, run, 0)
    assert len(run.events("start")) == 3, "what was finished did not run again"
    assert run.result.complete
    nothing = clustermark("submit", "--retry-failed", run.folder)
    assert "nothing failed" in nothing.stderr


def test_jobs_that_can_never_start_or_write_end_as_failures(
    cluster: Cluster, submit: Submit, clustermark: Run, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    """A partition that goes down while a job waits, and a folder for the output that vanishes."""
    script = tmp_path / "block.sh"
    script.write_text("#!/bin/sh\nsleep 60\n")
    blocker = cluster.slurm("sbatch", "--parsable", "-p", "last", "--exclusive", "-o", "/dev/null", str(script)).strip()
    wait_until(lambda: "RUNNING" in {s.state for s in cluster.states(blocker).values()}, 30, "the blocker")
    words = [
        "--site",
        cluster.site(tmp_path, {"partition": "last", "requeue": False}),
        "--nodes",
        "1",
        "--ranks-per-node",
        "1",
    ]
    mute = submit(suite(tmp_path, ["none"]), *words)
    doomed = submit(suite(tmp_path, ["none"]), *words)
    shutil.rmtree(mute.last.folder / "logs")
    cluster.slurm("scancel", blocker)
    states = cluster.wait_for_end(mute.job())
    assert {state.state for state in states.values()} == {"FAILED"}
    collect(clustermark, mute, 4)
    assert "it left no output" in mute.reasons()["none"]

    blocker = cluster.slurm("sbatch", "--parsable", "-p", "last", "--exclusive", "-o", "/dev/null", str(script)).strip()
    cluster.wait_for_end(doomed.job())
    wait_until(lambda: "RUNNING" in {s.state for s in cluster.states(blocker).values()}, 30, "the blocker")
    late = subprocess.Popen(
        [sys.executable, "-m", "clustermark", "submit", str(suite(tmp_path, ["slow"])), *map(str, words), "--wait",
         "--max-pending", "0.05", "--out", str(tmp_path / "late"), "--no-report"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=plugin_environment,
    )  # fmt: skip
    wait_until(lambda: (tmp_path / "late").exists() and _submitted(tmp_path / "late"), 30, "the submission")
    cluster.slurm("scontrol", "update", "PartitionName=last", "State=DOWN")
    try:
        _, said = late.communicate(timeout=90)
    finally:
        late.kill()
        cluster.slurm("scontrol", "update", "PartitionName=last", "State=UP")
        cluster.slurm("scancel", blocker)
    assert late.returncode == 4, said
    assert "will not start by themselves (PartitionDown)" in said, said
    run = Submitted(the_run(tmp_path / "late"), said)
    assert "ended CANCELLED (it waited too long: PartitionDown)" in run.reasons()["slow"]
    refused = clustermark("submit", suite(tmp_path, ["none"]), "--site", cluster.site(tmp_path, {"partition": "down"}),
                          "--nodes", "1", "--out", tmp_path / "refused")  # fmt: skip
    assert refused.returncode == 2
    assert "its partition is DOWN" in refused.stderr


def _submitted(out: Path) -> bool:
    return bool(list(out.glob("*/slurm/0000/jobs.jsonl"))) and "collect" in Submitted(the_run(out), "").last.ids()


def test_too_much_memory_is_named(cluster: Cluster, submit: Submit, clustermark: Run, tmp_path: Path) -> None:
    site = cluster.site(tmp_path, CALM | {"memory": "700M"})
    run = submit(suite(tmp_path, ["eat"]), "--site", site, "--nodes", "1", "--ranks-per-node", "2")
    cluster.wait_for_end(run.job(), 90)
    collect(clustermark, run, 4)
    reason = run.reasons()["eat"]
    assert "memory" in reason.lower(), reason
    assert f"Slurm job {run.job()}_0" in reason


def test_ctrl_c_cancels_every_job_and_keeps_what_was_finished(
    cluster: Cluster, clustermark: Run, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    words = ["--nodes", "1", "--ranks-per-node", "1", "--out", str(tmp_path / "out"), "--no-report", "--wait"]
    command = [
        sys.executable,
        "-m",
        "clustermark",
        "submit",
        str(suite(tmp_path, ["none", "hang-all"], launches=2, timeout=200)),
    ]
    waiting = subprocess.Popen(
        [*command, "--site", str(cluster.site(tmp_path, CALM)), *words],
        env=plugin_environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until(lambda: list((tmp_path / "out").glob("*/journals/*task*.jsonl")), 60, "a running task")
        run = Submitted(the_run(tmp_path / "out"), "")
        wait_until(lambda: run.events("start"), 60, "a case")
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=60)
    finally:
        waiting.kill()
    assert waiting.returncode == 130
    assert f"cancelled {run.job()} {run.job('collect')}" in said
    for part in ("0", "collect"):
        assert {s.state for s in cluster.wait_for_end(run.job(part)).values()} == {"CANCELLED"}
    collect(clustermark, run, 4)
    assert f"Slurm job {run.job()}_" in run.reasons()["hang-all"]


def test_a_client_that_is_killed_loses_nothing_and_a_silent_controller_is_asked_again(
    cluster: Cluster, clustermark: Run, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    words = ["--nodes", "1", "--ranks-per-node", "1", "--out", str(tmp_path / "out"), "--no-report", "--wait"]
    command = [sys.executable, "-m", "clustermark", "submit", str(suite(tmp_path, ["none", "slow"]))]
    with subprocess.Popen(
        [*command, "--site", str(cluster.site(tmp_path, CALM)), *words],
        env=plugin_environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as waiting:  # fmt: skip
        wait_until(lambda: list((tmp_path / "out").glob("*/slurm/*/jobs.jsonl")), 60, "a submission")
        run = Submitted(the_run(tmp_path / "out"), "")
        wait_until(lambda: "collect" in run.last.ids() and run.job("collect"), 30, "the collector")
        waiting.kill()
    cluster.wait_for_end(run.job())
    cluster.wait_for_end(run.job("collect"))
    cluster.stop_controller()
    try:
        done = clustermark("status", run.folder, "--json")
        assert done.returncode == 0, done.stderr
        assert '"over": true' in done.stdout, "ends that were seen are remembered"
        assert "no answer" in done.stdout
        collect(clustermark, run, 0, "--grace", "0")
    finally:
        cluster.start_controller()
    collect(clustermark, run, 0)


def test_a_job_that_lost_a_node_is_started_again_and_runs_only_the_rest(
    background: dict[str, Submitted], cluster: Cluster, clustermark: Run
) -> None:
    run = background["requeue"]
    states = cluster.wait_for_end(run.job(), 120)
    assert {state.state for state in states.values()} == {"COMPLETED"}
    collect(clustermark, run, 0)
    assert run.last.record(0, 0)["restarts"] == 1
    assert run.result.complete
    done = [(event["case"], event["launch"]) for event in run.events("done")]
    assert sorted(done) == sorted(set(done)), "no finished case ran again"


def test_without_requeue_a_lost_node_ends_the_job(
    background: dict[str, Submitted], cluster: Cluster, clustermark: Run
) -> None:
    run = background["no requeue"]
    states = cluster.wait_for_end(run.job(), 90)
    assert {state.state for state in states.values()} == {"NODE_FAIL"}
    collect(clustermark, run, 4)
    assert f"Slurm job {run.job()}_0 ended NODE_FAIL" in run.reasons()["hang-all"]


def test_a_time_limit_keeps_what_was_finished_and_names_the_rest(
    background: dict[str, Submitted], cluster: Cluster, clustermark: Run
) -> None:
    run = background["timeout"]
    states = cluster.wait_for_end(run.job(), 150)
    assert {state.state for state in states.values()} == {"TIMEOUT"}
    cluster.wait_for_end(run.job("collect"))
    assert f"Slurm job {run.job()}_0 ended TIMEOUT" in run.reasons()["hang-all"]
