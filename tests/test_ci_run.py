"""`.ci/run` under stand-ins for make and apt-get: whatever fails beside the rest fails the build."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each says what it was called with, and fails if that holds the word in FAIL.
STUB = """#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
[ -z "$FAIL" ] || ! grep -q -e "$FAIL" <<< "$(basename "$0") $*" || { sleep 0.2; echo "broken: $FAIL"; exit 3; }
"""


# All else is missing, so that packages are wanted.
TOOLS = ("bash", "basename", "cat", "dirname", "env", "grep", "mktemp", "python3", "rm", "sleep", "uname", "xargs")


def run(tmp_path: Path, fails: str) -> tuple[int, list[str], str]:
    """Exit status, calls, output."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    for place in ("bin/make", "bin/apt-get", ".ci/verdict"):
        (tmp_path / place).write_text(STUB)
        (tmp_path / place).chmod(0o755)
    (tmp_path / "bin" / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "bin" / "id").chmod(0o755)
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    calls = tmp_path / "calls"
    environment = {**os.environ, "PATH": str(tmp_path / "bin"), "FAIL": fails, "CALLS": str(calls)}
    done = subprocess.run(
        [tmp_path / ".ci" / "run"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, calls.read_text().splitlines(), done.stdout + done.stderr


def test_all_parts_are_run(tmp_path: Path) -> None:
    code, calls, said = run(tmp_path, "")
    assert code == 0, said
    packages = next(call for call in calls if call.startswith("apt-get install") and "chromium" in call)
    assert "slurm-wlm" in packages
    own = [call for call in calls if not call.startswith("apt-get")]
    assert own[0] == "make lint"
    assert [call for call in own[1:4] if call != "make types"] == ["make environments", "make test"]
    assert "make types" in own[1:4]
    assert own[4:] == ["verdict "]


@pytest.mark.parametrize("part", ["make environments", "make lint", "make types", "make test"])
def test_a_part_that_fails_fails_the_build(tmp_path: Path, part: str) -> None:
    code, calls, said = run(tmp_path, part)
    assert code != 0
    assert f"broken: {part}" in said
    assert "verdict " not in calls


def test_packages_that_cannot_be_installed_stop_before_the_tests(tmp_path: Path) -> None:
    code, calls, said = run(tmp_path, "chromium")
    assert code != 0, said
    assert "make environments" in calls
    assert "make test" not in calls
