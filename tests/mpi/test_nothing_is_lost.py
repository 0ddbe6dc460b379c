"""Kill anything at any moment, fill the disk, run twice at once: what was finished stays, and resume completes it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Run

from clustermark.core.journal import read_journal
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import read_run
from clustermark.core.store import read_case

pytestmark = pytest.mark.mpi

SUITE = """
name = "slow"
launches = 2
[sampling]
seconds = 0.05
min_samples = 2
interval = 0.0001
timeout = 10
[[matrix]]
workload = "faulty"
ranks = 2
fabric = "tcp"
[matrix.params]
mode = "slow"
number = [1, 2, 3, 4, 5, 6]
"""
CASES = 12


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Six cases of about a tenth of a second, two launches each."""
    path = tmp_path / "slow.toml"
    path.write_text(SUITE)
    return path


def start(suite: Path, out: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A run in the background."""
    words = [sys.executable, "-m", "clustermark", "run", str(suite), "--out", str(out), "--no-report"]
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def the_run(out: Path) -> Path:
    """The only run under a folder."""
    [path] = [entry.parent for entry in out.glob("*/plan.json")]
    return path


def wait_for(condition: object, seconds: float = 20.0) -> None:
    """Poll until true; AssertionError after a while."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def ranks_of(run: Path) -> list[int]:
    """Process ids of the ranks of a run that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"clustermark.runners.worker" in words and str(run).encode() in words and b"mpirun" not in words:
                found.append(int(entry.name))
    return found


def assert_announced_cases_are_readable(run: Path) -> int:
    """Every `done` line of the journal has its case file; returns how many there are."""
    done = [event for event in read_journal(run / "journal.jsonl") if event["event"] == "done"]
    for event in done:
        assert read_case(run / event["file"]).status == event["result"]["status"]
    return len(done)


def assert_complete(run: Path, expected: int = CASES) -> None:
    """The assembled run holds each planned launch of each case once."""
    result = read_run(run)
    assert result.complete
    assert sum(row.launches for row in result.rows) == expected
    assert {row.status for row in result.rows} == {"ok"}


def test_kill_9_of_the_launcher_loses_nothing_and_leaves_no_rank(
    clustermark: Run, suite: Path, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    chance = random.Random(7)
    for trial in range(3):
        out = tmp_path / f"trial{trial}"
        process = start(suite, out, plugin_environment)
        wait_for(lambda out=out: list(out.glob("*/plan.json")))
        run = the_run(out)
        time.sleep(chance.uniform(0.0, 2.5))
        process.kill()
        process.wait()
        wait_for(lambda run=run: not ranks_of(run), 10)
        finished = assert_announced_cases_are_readable(run)
        done = clustermark("run", "--resume", run, "--no-report")
        assert done.returncode == 0, done.stderr
        assert_complete(run)
        new_lines = sum(line.startswith("[") for line in done.stderr.splitlines())
        assert new_lines == CASES - finished, "resume must not run finished cases again"


def test_kill_9_of_a_rank_fails_one_case_and_the_run_goes_on(
    suite: Path, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    suite.write_text(SUITE.replace("0.05", "1.5").replace("launches = 2", "").replace(", 3, 4, 5, 6]", "]"))
    process = start(suite, tmp_path, plugin_environment)
    wait_for(lambda: list(tmp_path.glob("*/plan.json")))
    run = the_run(tmp_path)
    wait_for(lambda: any(event["event"] == "start" for event in read_journal(run / "journal.jsonl")))
    os.kill(ranks_of(run)[-1], signal.SIGKILL)
    assert process.wait(60) == 4
    rows = read_run(run).rows
    assert sorted(row.status for row in rows) == ["failed", "ok"]
    [failed] = [row for row in rows if row.status == "failed"]
    assert "was killed by signal 9 (SIGKILL)" in failed.reason


def test_an_interrupt_marks_the_run_and_resume_completes_it(
    clustermark: Run, suite: Path, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    suite.write_text(SUITE.replace("seconds = 0.05", "seconds = 0.5"))  # not over before a busy machine has looked
    for number in (signal.SIGINT, signal.SIGTERM):
        out = tmp_path / number.name
        process = start(suite, out, plugin_environment)
        wait_for(lambda out=out: list(out.glob("*/cases/*.h5")))
        process.send_signal(number)
        assert process.wait(30) == 130
        run = the_run(out)
        assert not read_run(run).complete
        assert read_journal(run / "journal.jsonl")[-1]["event"] == "interrupted"
        wait_for(lambda run=run: not ranks_of(run), 10)
        assert clustermark("run", "--resume", run, "--no-report").returncode == 0
        assert_complete(run)


def test_a_run_that_goes_on_cannot_be_resumed(
    clustermark: Run, suite: Path, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    process = start(suite, tmp_path, plugin_environment)
    wait_for(lambda: list(tmp_path.glob("*/cases/*.h5")))
    second = clustermark("run", "--resume", the_run(tmp_path), "--no-report")
    assert second.returncode == 2
    assert "is still running" in second.stderr
    assert process.wait(60) == 0


def test_two_runs_at_once_do_not_touch_each_other(
    suite: Path, tmp_path: Path, plugin_environment: dict[str, str]
) -> None:
    processes = [start(suite, tmp_path, plugin_environment) for _ in range(2)]
    assert [process.wait(90) for process in processes] == [0, 0]
    runs = [entry.parent for entry in tmp_path.glob("*/run.h5")]
    assert len(runs) == 2
    for run in runs:
        assert_complete(run)


def test_failed_cases_run_again_only_when_asked(clustermark: Run, tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text('[[matrix]]\nworkload = "faulty"\nranks = 1\nparams = { mode = "raise" }\n')
    first = clustermark("run", path, "--out", tmp_path, "--no-report")
    assert first.returncode == 4
    run = the_run(tmp_path)
    assert clustermark("run", "--resume", run, "--no-report").returncode == 4
    launches = len(list((run / "ranks").iterdir()))
    assert launches == 1
    again = clustermark("run", "--resume", run, "--retry-failed", "--no-report")
    assert again.returncode == 4
    assert len(list((run / "ranks").iterdir())) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=10k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs root and mount to make a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_resume_completes_the_run(
    clustermark: Run, suite: Path, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    room = os.statvfs(small_disk)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize - 120_000))
    done = clustermark("run", suite, "--out", small_disk, "--no-report")
    assert done.returncode == 4, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    run = the_run(small_disk)
    finished = assert_announced_cases_are_readable(run)
    assert finished < CASES
    assert not list(run.glob("**/*.tmp"))
    filler.unlink()
    assert clustermark("run", "--resume", run, "--no-report").returncode == 0
    assert_complete(run)


def test_the_small_disk_does_fill(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(bytes(5 << 20))


def test_a_damaged_case_file_is_named_and_the_others_stay(clustermark: Run, suite: Path, tmp_path: Path) -> None:
    assert clustermark("run", suite, "--out", tmp_path, "--no-report").returncode == 0
    run = the_run(tmp_path)
    victim = sorted((run / "cases").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:1000])
    rows = RunDirectory.open(run).assemble()
    assert [row.status for row in rows].count("failed") == 1
    [damaged] = [row for row in rows if row.status == "failed"]
    assert str(victim.name) in damaged.reason
    assert json.dumps([row.to_dict() for row in rows])
