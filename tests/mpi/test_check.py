"""`clustermark check` from start to end: real launches, planted changes, a patched source, a check cut short."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from clustermark.core.check_folder import CheckFolder
from clustermark.core.runfile import read_run, read_samples

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(480)]  # two dozen launches, on a machine that others use

ROOT = Path(__file__).resolve().parents[2]
PLANTED = ROOT / "tests" / "planted"
# The fewest pairs with which anything can be said, so that the test is short.
PAIRS = ("--pairs", "5", "--confirm-pairs", "7")
SUITE = """
name = "planted"
[sampling]
seconds = 0.03
min_samples = 10
timeout = 30
[[matrix]]
workload = "planted"
[matrix.params]
kind = ["equal", "slower", "faster", "wrong", "raise", "vanish"]
"""


def run_check(*words: object, folder: Path, path: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with the planted workload on its path."""
    paths = [entry for entry in (path, *os.environ.get("PYTHONPATH", "").split(os.pathsep)) if entry]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "GITHUB_ACTIONS": ""}
    arguments = [sys.executable, "-m", "clustermark", "check", *map(str, words)]
    settings: dict[str, Any] = {"timeout": 400, "cwd": folder} | options
    return subprocess.run(arguments, check=False, capture_output=True, text=True, env=environment, **settings)


def test_planted_changes_get_their_verdicts_in_lockstep(tmp_path: Path) -> None:
    """Three times slower, three times faster, wrong, raising, vanished: all in one check of two settings."""
    (tmp_path / "planted.toml").write_text(SUITE)
    done = run_check(
        *("planted.toml", "--set-candidate", "CLUSTERMARK_PLANTED=2", *PAIRS, "--json", "--junit", "junit.xml"),
        *("--cache", tmp_path / "cache"),
        folder=tmp_path,
        path=str(PLANTED),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    cases = {case["label"].split("kind=")[1].split()[0]: case for case in document["cases"]}
    verdicts = {kind: case["verdict"] for kind, case in cases.items()}
    expected = dict.fromkeys(("slower", "wrong", "raise", "vanish"), "regressed") | {"faster": "improved"}
    assert {kind: verdicts[kind] for kind in expected} == expected, done.stderr
    assert verdicts["equal"] in ("unchanged", "inconclusive")
    assert cases["slower"]["change"] > 0.5  # on a crowded machine longer steps are also interrupted more often
    assert (cases["slower"]["stage"], cases["slower"]["pairs"]) == (
        2,
        8,
    )  # two suspects need one more
    assert "entries that are not ±1" in cases["wrong"]["reason"]
    assert "planted: the step divided by zero" in cases["raise"]["reason"]
    assert "is refused: planted" in cases["vanish"]["reason"]
    assert document["candidate"].endswith("with CLUSTERMARK_PLANTED=2")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert suite.get("failures") == "4"
    (folder,) = (tmp_path / "results").iterdir()
    assert json.loads((folder / "verdict.json").read_text()) == document
    assert_every_sample_is_kept(CheckFolder.open(folder))


def assert_every_sample_is_kept(folder: CheckFolder) -> None:
    """Both sides' launches stand in run.h5 files, and pairs have equally many samples."""
    assert [stage["pairs"] for stage in folder.stages] == [5, 8]
    runs = {side: folder.run(0, side) for side in ("baseline", "candidate")}
    for run in runs.values():
        assert read_run(run.run_file).suite == "planted"
    slower = [
        {r.launch: r for r in read_samples(run.run_file) if r.case.params["kind"] == "slower"} for run in runs.values()
    ]
    assert len(slower[0]) == len(slower[1]) == 5
    for launch, old in slower[0].items():
        new = slower[1][launch]
        assert old.measurement is not None and new.measurement is not None
        assert old.measurement.seconds.shape == new.measurement.seconds.shape
        assert old.measurement.steps_per_sample == new.measurement.steps_per_sample


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout of this very tree, whose commit is the baseline."""
    folder = tmp_path / "checkout"
    rooms = ("core", "devices", "transports", "benchmarks", "apps", "runners", "reports", "cli", "src")
    for room in rooms:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / room, folder / room, symlinks=True, ignore=ignored)
    identity = ["-c", "user.name=A. Tester", "-c", "user.email=tester@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "baseline"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    return folder


def test_a_slowdown_in_the_source_is_found_against_its_commit_and_a_check_goes_on_after_a_kill(
    tmp_path: Path, checkout: Path
) -> None:
    """A matrix product that is done twice more, interleaved, baseline exported from git; killed once on the way."""
    gemm = checkout / "benchmarks" / "kernels" / "gemm_ways_cpu.py"
    text = gemm.read_text()
    once = "partial(product, *stored, out=c)"
    assert text.count(once) == 1
    gemm.write_text(text.replace(once, f"(lambda: [{once}() for _ in range(3)])"))
    (tmp_path / "gemm.toml").write_text(
        '[sampling]\nseconds = 0.03\nmin_samples = 10\n[[matrix]]\nworkload = "gemm"\nparams = { n = [128] }\n'
    )
    words = [
        sys.executable,
        "-m",
        "clustermark",
        "check",
        "gemm.toml",
        "--baseline",
        "HEAD",
        "--candidate",
        str(checkout),
    ]
    words += ["--source", str(checkout), "--cache", "cache", "--method", "interleaved", *PAIRS]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if line.startswith("[2/5"):
                first.kill()
                break
    (folder,) = (tmp_path / "results").iterdir()
    before = {path: path.read_bytes() for path in folder.glob("*/*/cases/*.h5")}
    assert before
    done = run_check("--resume", folder, "--json", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert case["verdict"] == "regressed"
    assert case["change"] > 0.5
    assert len(case["log_ratios"]) == 5
    assert {path: path.read_bytes() for path in before} == before  # nothing measured was measured again
    assert (tmp_path / "cache" / "sources").is_dir()


def test_a_version_that_lacks_what_lockstep_needs_is_refused_and_not_called_failed(
    tmp_path: Path, checkout: Path
) -> None:
    """The planted fault: a baseline whose harness has no `harness_floor`."""
    measure = checkout / "runners" / "measure.py"
    measure.write_text(measure.read_text().replace("def harness_floor", "def floor_of_harness"))
    (checkout / "pyproject.toml").touch()
    (tmp_path / "noop.toml").write_text('[[matrix]]\nworkload = "noop"\n')
    done = run_check("noop.toml", "--baseline", checkout, "--cache", tmp_path, *PAIRS, folder=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "lockstep needs functions that this version does not have" in done.stderr
    assert "give --method interleaved" in done.stderr
    assert "Traceback" not in done.stderr
