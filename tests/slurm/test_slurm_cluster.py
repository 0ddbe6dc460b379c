"""`submit` to report on real Slurm with virtual nodes, with both MPIs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run
from virtual import Cluster, Submit, writable_for_everybody

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
name = "tiny"
[sampling]
seconds = 0.05
min_samples = 3
max_samples = 30
timeout = 60
[[matrix]]
workload = "noop"
[[matrix]]
workload = "allreduce"
params = { bytes = ["8B", "64KiB"] }
"""
# What a job around this one would leave behind, all of it misleading.
LEAKS = {
    "SLURM_NTASKS": "99", "SLURM_NNODES": "7", "SLURM_JOB_ID": "1", "SLURM_CPUS_PER_TASK": "3", "SLURM_PROCID": "5",
    "PMI_RANK": "3", "PMI_SIZE": "7", "PMIX_RANK": "3", "SBATCH_TIMELIMIT": "999", "SBATCH_PARTITION": "down",
}  # fmt: skip


def test_a_suite_over_one_and_two_nodes_ends_in_one_report(
    cluster: Cluster,
    submit: Submit,
    clustermark: Run,
    tmp_path: Path,
    mpi_python: str,
    plugin_environment: dict[str, str],
) -> None:
    """Under the variables of another job, and with umask 0."""
    file = tmp_path / "tiny.toml"
    file.write_text(SUITE)
    words = ["--site", cluster.site(tmp_path), "--nodes", "1,2", "--ranks-per-node", "2"]
    run = submit(file, *words, python=mpi_python, env={**plugin_environment, **LEAKS}, preexec_fn=lambda: os.umask(0))
    for part in run.last.ids():
        states = cluster.wait_for_end(run.job(part), 90)
        assert {state.state for state in states.values()} == {"COMPLETED"}
    result = run.result
    assert result.complete
    assert {(row.case.ranks, row.case.nodes) for row in result.rows if row.status == "ok"} == {(2, 1), (4, 2)}
    assert all("virtual nodes, not performance" in row.conditions for row in result.rows)
    for environment in result.environments.values():
        [facts] = environment["provenance"]["scheduler"]
        assert facts["jobs"] == run.last.ids()
        assert {task["state"] for task in facts["tasks"]} == {"COMPLETED"}
        assert {task["partition"] for task in facts["tasks"]} == {"debug"}
        assert all(task["nodes"].startswith("vn") for task in facts["tasks"])
    assert writable_for_everybody(run.folder) == []
    if mpi_python == sys.executable:  # once is enough
        done = clustermark("collect", run.folder)
        assert done.returncode == 0, done.stderr
        for text in (done.stdout, *((run.folder / f"report.{kind}").read_text() for kind in ("html", "md"))):
            assert "virtual nodes, not performance" in text, "in the table and in both reports"
    refused = clustermark("run", "--resume", run.folder)
    assert refused.returncode == 2
    assert "was submitted to Slurm" in refused.stderr


def test_the_files_of_a_cluster_are_not_writable_for_everybody(cluster: Cluster, tmp_path: Path) -> None:
    """It was brought up with umask 0; root's daemons believe what stands there."""
    assert writable_for_everybody(cluster.root) == []
    planted = tmp_path / "planted"
    planted.touch()
    planted.chmod(0o666)
    assert writable_for_everybody(tmp_path) == [planted]


def test_mpiexec_and_packed_launches_in_one_allocation(
    cluster: Cluster, submit: Submit, tmp_path: Path, mpi_python: str
) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(SUITE)
    site = cluster.site(tmp_path, {"launcher": "mpiexec"})
    words = ["--nodes", "2", "--ranks-per-node", "1", "--launches", "2", "--pack", "--only", "noop"]
    run = submit(file, "--site", site, *words, python=mpi_python)
    assert len(run.last.arrays[0].tasks) == 1
    cluster.wait_for_end(run.job(), 90)
    cluster.wait_for_end(run.job("collect"), 60)
    assert {row.status for row in run.result.rows} == {"ok"}
    assert run.result.complete


def test_what_no_node_can_serve_is_refused_before_anything_is_queued(
    cluster: Cluster, clustermark: Run, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(SUITE)
    site = cluster.site(tmp_path)
    for words, part in (
        (["--nodes", "99"], "of 99 nodes × 2 ranks × 1 thread cannot run"),
        (["--nodes", "1", "--ranks-per-node", "64"], "needs 64 CPUs on a node"),
        (["--nodes", "1", "--minutes", "600"], "the partition allows 60"),
    ):
        done = clustermark("submit", file, "--site", site, *words, "--out", tmp_path / "out")
        assert done.returncode == 2, done.stdout
        assert part in done.stderr
    assert not cluster.slurm("squeue", "-h", "-t", "pending", "-o", "%i")


def test_the_plain_script_starts_the_command_line_on_every_rank(cluster: Cluster, tmp_path: Path) -> None:
    stub = tmp_path / "python"
    stub.write_text('#!/bin/sh\necho "$PMIX_RANK $*"\n')
    stub.chmod(0o755)
    environment = {**cluster.environment, "CLUSTERMARK_PYTHON": str(stub), "CLUSTERMARK_FABRIC": "tcp"}
    done = subprocess.run(
        ["sbatch", "--parsable", str(ROOT / "slurm" / "examples" / "smoke.sbatch")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    job = done.stdout.strip()
    assert {state.state for state in cluster.wait_for_end(job).values()} == {"COMPLETED"}
    lines = sorted((tmp_path / f"clustermark-smoke-{job}.out").read_text().splitlines())
    assert lines == [f"{rank} -m clustermark run smoke --ranks 4 --fabric tcp" for rank in range(4)]


def test_gpus_are_granted_as_asked(cluster: Cluster, tmp_path: Path) -> None:
    out = cluster.slurm("srun", "-N1", "-n1", "--gres=gpu:2", "printenv", "CUDA_VISIBLE_DEVICES")
    assert out.strip() == "0,1"


def test_status_and_submit_speak_json(cluster: Cluster, clustermark: Run, tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(SUITE)
    words = ["--site", cluster.site(tmp_path), "--nodes", "1", "--only", "noop", "--out", tmp_path / "out"]
    done = clustermark("submit", file, *words, "--json", python=sys.executable)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    state = json.loads(clustermark("status", said["run"], "--json").stdout)
    assert state["planned"] == 1
    assert json.loads(clustermark("cancel", said["run"], "--json").stdout)["jobs"] == list(said["jobs"].values())
