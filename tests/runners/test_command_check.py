"""A check of any command: git refs of a foreign project, samples as JSON lines or of pytest-benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clustermark.cli import main

# Prints what the two versions "took", without taking it: verdicts then depend on no clock.
PROGRAM = """
import json, os, random, sys
sys.path.insert(0, "src")
from project import FACTOR
rng = random.Random(int.from_bytes(os.urandom(8), "big"))
def samples(seconds):
    return [seconds * rng.uniform(0.99, 1.01) for _ in range(5)]
print("a program's own talk")
cases = {"solve": samples(1e-3 * FACTOR), "read": samples(2e-3)}
for name, seconds in cases.items():
    print(json.dumps({"case": name, "seconds": seconds}))
rate = 10 / FACTOR * rng.uniform(0.99, 1.01)
print(json.dumps({"case": "copy", "values": [rate], "unit": "GB/s", "better": "higher"}))
if len(sys.argv) > 1:
    json.dump({"benchmarks": [{"fullname": k, "stats": {"data": v}} for k, v in cases.items()]}, open(sys.argv[1], "w"))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose working tree takes 1.5 times as long as its commit."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "bench.py").write_text(PROGRAM)
    (folder / "src" / "project.py").write_text("FACTOR = 1.0\n")
    identity = ["-c", "user.name=A. Tester", "-c", "user.email=tester@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    (folder / "src" / "project.py").write_text("FACTOR = 1.5\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return folder


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, tuple[str, float]], str]:
    """Exit code, case → (verdict, change), stderr."""
    capsys.readouterr()
    code = main(["check", *words, "--pairs", "5", "--confirm-pairs", "7", "--json"])
    said = capsys.readouterr()
    cases = json.loads(said.out)["cases"] if said.out else []
    return code, {case["label"]: (case["verdict"], case["change"]) for case in cases}, said.err


def test_a_slower_working_tree_is_found_against_its_commit(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, cases, err = check(capsys, "--command", f"{sys.executable} bench.py", "--baseline", "HEAD")
    assert code == 1, err
    assert cases["solve"][0] == "regressed" and cases["solve"][1] == pytest.approx(0.5, abs=0.03)
    assert cases["copy"][0] == "regressed" and cases["copy"][1] == pytest.approx(0.5, abs=0.03)
    assert cases["read"][0] in ("unchanged", "inconclusive")  # inconclusive where the machine is loaded meanwhile
    code, cases, err = check(capsys, "--command", f"{sys.executable} bench.py", "--candidate", "HEAD")
    assert code == 0
    assert {name: kind for name, (kind, _) in cases.items() if name != "read"} == {
        "solve": "improved",
        "copy": "improved",
    }
    (first, _) = sorted(path for path in (project / "results").iterdir())
    assert len(list(first.glob("*/0.*.stdout"))) == 10
    assert len(list(first.glob("*/1.*.json"))) == 16  # two suspects need an eighth pair each


def test_samples_of_pytest_benchmark_come_through_the_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--command", "{python} bench.py {file}", "--format", "pytest-benchmark", "--baseline", "HEAD"]
    code, cases, err = check(capsys, *words)
    assert code == 1, err
    assert cases["solve"][0] == "regressed"
    assert set(cases) == {"solve", "read"}


def test_a_command_that_fails_now_is_a_regression_and_one_that_always_did_is_broken(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "src" / "project.py").write_text("raise SystemExit('no project today')\n")
    code, cases, err = check(capsys, "--command", "{python} bench.py", "--baseline", "HEAD")
    assert code == 1, err
    assert {kind for kind, _ in cases.values()} == {"regressed"}
    (project / "pyproject.toml").touch()
    code, cases, err = check(capsys, "--command", "{python} bench.py", "--baseline", str(project))
    assert code == 2
    assert "printed no samples on either side" in err


def test_a_loaded_machine_ends_inconclusive_however_equal_the_versions_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The samples are the same to the last bit; only what else runs on the machine can make them doubtful."""
    monkeypatch.chdir(tmp_path)
    line = json.dumps({"case": "equal", "seconds": [1e-3] * 5})
    (tmp_path / "equal.py").write_text(f"import time\ntime.sleep(0.2)\nprint({line!r})\n")
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        words = ["--command", "{python} equal.py", "--set-candidate", "ANY=1", "--strict"]
        code = main(["check", *words, "--pairs", "5", "--confirm-pairs", "7"])
    finally:
        for process in burning:
            process.kill()
            process.wait()
    said = capsys.readouterr().out
    assert code == 3
    assert "noisy machine in 10 of 10 launches" in said
    assert "1 inconclusive, of 1 case" in said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("'", "is no command line"),
        ("", "is empty"),
        ("{python} -c 'print(\"{1\")'", "is no JSON object"),
        ("no-such-program-anywhere", "printed no samples on either side"),
    ],
)
def test_a_command_that_prints_no_samples_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    code, _, err = check(capsys, "--command", command, "--baseline", "HEAD")
    assert code == 2
    assert said in err
    assert "Traceback" not in err
