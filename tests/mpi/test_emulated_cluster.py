"""Real mpirun over namespaces as nodes: the network carries the bytes, a leak is caught, nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from running import Run

from clustermark.core.environment import affinity
from clustermark.runners.emulation.shape import make_shape
from clustermark.runners.emulation.start import Request, core_lists, why_not_here

pytestmark = pytest.mark.mpi
PROGRAMS = Path(__file__).resolve().parent / "programs"
START = (
    "import sys; from clustermark.runners.emulation.start import *; "
    "p = started(Request.from_json(sys.argv[1])); sys.exit(p.__enter__().wait())"
)


@pytest.fixture(autouse=True, scope="module")
def namespaces() -> None:
    reason = why_not_here()
    if reason:
        pytest.skip(f"an emulated cluster {reason}")


def claim(python: str, rate: str, delay: str, *words: str, share_memory: bool = False) -> dict[str, Any]:
    """What the proof says of two ranks on two nodes."""
    command = (python, str(PROGRAMS / "over_hosts.py"), *words)
    request = Request(make_shape(2, rate, delay), core_lists(affinity(), 2, 1), "", command, share_memory)
    arguments = [python, "-c", START, request.to_json()]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


FABRIC = {"openmpi": "ompi-network", "mpich": "mpich-ofi-network"}


@pytest.mark.parametrize("mpi", ["openmpi", "mpich"])
def test_the_network_between_two_nodes_carries_every_byte(pythons: dict[str, str], mpi: str) -> None:
    if mpi not in pythons:
        pytest.skip(f"no environment with {mpi} (name its python in CLUSTERMARK_OTHER_PYTHON)")
    delay = "100us" if mpi == "openmpi" else "none"
    answer = claim(pythons[mpi], "1gbit", delay, FABRIC[mpi], FABRIC[mpi])
    assert answer["proven"], answer
    assert answer["detail"]["network"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("share_memory", [False, True])
def test_shared_memory_between_nodes_is_caught_where_the_row_says_tcp(
    pythons: dict[str, str], share_memory: bool
) -> None:
    if "mpich" not in pythons:
        pytest.skip("no environment with mpich (name its python in CLUSTERMARK_OTHER_PYTHON)")
    words = ("mpich-ucx-network", "mpich-ucx-network", "UCX_TLS=all", "UCX_NET_DEVICES=all")
    answer = claim(pythons["mpich"], "1gbit", "none", *words, share_memory=share_memory)
    assert answer["proven"] is not share_memory, answer
    if share_memory:
        assert answer["detail"]["network"] < 0.02, answer


def test_a_suite_over_two_nodes_says_what_the_network_was(clustermark: Run, tmp_path: Path) -> None:
    smoke = ("run", "smoke", "--only", "allreduce", "--fabric", "shm,tcp", "--ranks", "2", "--launches", "1")
    short = ("--set", "bytes=8", "--set", "in_place=false", "--precision", "fp64", "--seconds", "0.05")
    done = clustermark(
        "emulate", "--rate", "100mbit", "--delay", "1ms", "--", *smoke, *short, "--out", tmp_path, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert "emulated cluster: 2 nodes, 0.1 Gbit/s, 1000 µs; measured: 0.0" in done.stderr
    document = json.loads(done.stdout)
    rows = {row["case"]["fabric"]: row for run in document["runs"] for row in run["rows"]}
    assert rows["ompi-network"]["status"] == "ok"
    assert rows["ompi-network"]["time"]["value"] > 1e-3  # every byte waits a millisecond
    assert "joins ranks of one node, and there are 2 here" in rows["ompi-sm-cma"]["reason"]
    text = next(tmp_path.glob("*/journal.jsonl")).read_text()
    environment = next(json.loads(line) for line in text.splitlines() if '"environment"' in line)["environment"]
    assert environment["facts"]["emulated_network"]["delay_s"] == 1e-3
    seen = environment["state"]["emulated_network"]
    assert seen["round_trip"] > 2e-3
    assert seen["payload_rate"] == pytest.approx(95.7e6, rel=0.15)
    assert seen["payload_rate_both_ways"] == pytest.approx(2 * 95.7e6, rel=0.15)
    assert any("emulated network" in label for label in rows["ompi-network"]["conditions"])


DOWN = """
[sampling]
seconds = 0.05
timeout = 3
[[matrix]]
workload = "faulty"
ranks = 2
fabric = "tcp"
params = { mode = "link-down" }
[[matrix]]
workload = "noop"
ranks = 1
"""


def test_a_link_that_goes_down_fails_the_case_over_it_and_no_other(clustermark: Run, tmp_path: Path) -> None:
    (tmp_path / "down.toml").write_text(DOWN)
    words = ("run", tmp_path / "down.toml", "--launches", "1", "--no-report", "--out", tmp_path, "--json")
    done = clustermark("emulate", "--rate", "1gbit", "--", *words)
    assert done.returncode == 4, done.stderr
    rows = {row["case"]["workload"]: row for row in json.loads(done.stdout)["runs"][0]["rows"]}
    assert rows["noop"]["status"] == "ok"
    assert rows["faulty"]["status"] == "failed"
    assert "hung: nothing moved for 3 s" in rows["faulty"]["reason"]


def processes_of(mark: str) -> list[str]:
    """Command lines that hold a text, of processes that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in words and f"/{os.getpid()}/" not in str(path):
            found.append(words)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_cluster_leaves_no_process_and_an_interrupted_one_nothing(number: int, tmp_path: Path) -> None:
    mark = f"{time.time_ns()}"
    up = tmp_path / "up"
    up.touch()
    tells = f"open({str(up)!r}, 'w').write(tempfile.gettempdir())"
    script = f"import tempfile, time; {tells}; time.sleep(60)  # {mark}"
    command = (sys.executable, "-c", script)
    request = Request(make_shape(3, "1gbit", "50us"), core_lists(affinity(), 3, 1), "", command)
    process = subprocess.Popen(
        [sys.executable, "-c", START, request.to_json()], stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not up.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    # Sessions of two clusters have the same names: hosts, numbers of processes.
    assert up.read_text() == f"/run/clustermark-emulation.{process.pid}/tmp"
    assert len(processes_of(mark)) >= 2
    if number == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.wait(30)
    deadline = time.monotonic() + 20
    while processes_of(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(mark) == []
    folder = Path(f"/run/clustermark-emulation.{process.pid}")
    subprocess.run([sys.executable, "-m", "clustermark", "emulate", "--clean"], check=True, capture_output=True)
    assert not folder.exists()
