"""A virtual cluster per test file, and `submit`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Run
from virtual import SLOW, Cluster, Submit, Submitted, cluster_command, suite, the_run, wait_until

from clustermark.slurm.virtual import namespaces

NODES = 8


def _unable() -> str:
    if os.geteuid() != 0:
        return "virtual Slurm nodes need root"
    missing = [tool for tool in ("slurmctld", "slurmd", "munged", "sbatch") if not _found(tool)]
    return f"no Slurm here ({', '.join(missing)}): slurm/virtual/up --install" if missing else ""


def _found(tool: str) -> bool:
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Eight nodes, of which nothing is left afterwards."""
    reason = _unable()
    if reason:
        assert not os.environ.get("CLUSTERMARK_REQUIRE_SLURM"), reason
        pytest.skip(reason)
    if namespaces.why_none():  # which is no missing package
        pytest.skip(namespaces.why_none())
    folder = Path(tempfile.mkdtemp(prefix="cmslurm-"))
    folder.chmod(0o755)
    root = folder / "c"
    try:
        done = cluster_command("up", "--root", str(root), "--nodes", str(NODES), umask=0)
        assert done.returncode == 0, done.stderr
        yield Cluster(root)
    finally:
        done = cluster_command("down", "--root", str(root))
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def submit(clustermark: Run, tmp_path: Path) -> Submit:
    """`clustermark submit` into a fresh folder; returns the run. Keywords: python, env, code (expected exit code)."""

    def call(*words: object, python: str = sys.executable, code: int = 0, **options: Any) -> Submitted:
        out = tmp_path / f"out{len(list(tmp_path.glob('out*')))}"
        done: subprocess.CompletedProcess[str] = clustermark(
            "submit", *words, "--out", out, "--no-report", python=python, **options
        )
        assert done.returncode == code, done.stdout + done.stderr
        return Submitted(the_run(out), done.stdout + done.stderr)

    return call


@pytest.fixture(scope="module")
def background(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, plugin_environment: dict[str, str]
) -> dict[str, Submitted]:
    """What takes up to a minute in Slurm, begun before the other tests: a time limit, nodes that crash."""
    runs = {}
    for name, (keys, modes, words) in SLOW.items():
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        file = suite(folder, modes, timeout=300)
        text = file.read_text().replace("max_samples = 20", "max_samples = 100").replace("seconds = 0.2", "seconds = 2")
        file.write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "clustermark", "submit", str(file), "--site", str(cluster.site(folder, keys)),
             "--out", str(folder / "out"), "--no-report", "--ranks-per-node", "1", *words],
            env=plugin_environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        runs[name] = Submitted(the_run(folder / "out"), done.stdout)
    wait_until(lambda: len(runs["requeue"].events("done")) >= 2, 60, "two finished cases")
    wait_until(lambda: runs["no requeue"].events("start"), 60, "a case")
    assert runs["no requeue"].last.record(0, 0)["nodes"] == "vn[3-4]"
    # A second node goes: what started the launch lives on and must not blame the case. A first one: all goes.
    for node in ("vn2", "vn3"):
        done = cluster_command("node-kill", node, "--root", str(cluster.root))
        assert done.returncode == 0, done.stderr
    return runs
