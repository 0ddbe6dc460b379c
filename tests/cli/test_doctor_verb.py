"""doctor as a whole, on this machine and with planted faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from verb_runs import Command, Said

from clustermark.runners import doctor
from clustermark.runners.children import Ended, ask, probe_arguments
from clustermark.runners.findings import STATUSES, Finding
from clustermark.runners.launcher import find_launcher
from clustermark.transports.fabrics import FABRICS

# Accepts the tokens of both MPIs, and starts every rank as a world of its own.
WORLDS_OF_ONE = """
[ "$1" = --version ] && { echo "mpirun (Open MPI) 5.0.0"; exit 0; }
while :; do
  case "$1" in
    -n) ranks=$2; shift 2;;
    --mca) shift 3;;
    --bind-to|-bind-to|--map-by) shift 2;;
    -*) shift;;
    *) break;;
  esac
done
for rank in $(seq "$ranks"); do "$@" & done
wait
"""


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without the variables that the doctor warns of, and with which a test machine may be set up."""
    for name in (*doctor.KERNEL_VARIABLES, *doctor.BINDING_VARIABLES, "CLUSTERMARK_MPIRUN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def findings(said: Said) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in said.document["findings"]}


@pytest.mark.mpi
def test_on_a_machine_with_mpi_everything_that_runs_need_is_found(
    command: Command, plain_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = time.monotonic()
    said = command("doctor", "--json", "--out", tmp_path / "results")
    assert time.monotonic() - started < 40  # 5 s on a quiet machine
    found = findings(said)
    for name in ("Python", "NumPy", "HDF5", "launcher", "MPI library", "launch", "results"):
        assert found[name]["status"] == "ok", found[name]
    assert said.code == (4 if any(f["status"] == "problem" for f in found.values()) else 0)
    mpi = find_launcher().mpi
    here = {name for name, row in FABRICS.items() if row.mpi == mpi and row.wire in ("none", "loopback")}
    assert here == set(found) & set(FABRICS)
    assert all("proven" in found[name]["what"] for name in here)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.mpi
def test_a_launcher_that_starts_worlds_of_one_is_seen_through(
    command: Command, plain_environment: pytest.MonkeyPatch, script: Callable[[str], Path], tmp_path: Path
) -> None:
    fake = script(WORLDS_OF_ONE)
    said = command("doctor", "--json", "--mpirun", fake, "--out", tmp_path)
    found = findings(said)
    assert said.code == 4
    assert found["launch"]["status"] == "problem"
    assert "made 2 worlds of size 1 instead of one world of size 2" in found["launch"]["what"]
    assert found["launch"]["mend"].startswith("export ")
    assert found["fabrics"]["status"] == "absent"


def test_a_program_that_is_no_launcher_is_a_problem(
    command: Command, plain_environment: pytest.MonkeyPatch, script: Callable[[str], Path], tmp_path: Path
) -> None:
    said = command("doctor", "--json", "--mpirun", script("echo I am a teapot"), "--out", tmp_path)
    found = findings(said)
    assert said.code == 4
    assert found["launcher"]["status"] == "problem"
    assert "I am a teapot" in found["launcher"]["what"]
    assert "clustermark[mpi]" in found["launcher"]["mend"]
    assert found["launch"]["status"] == "absent"


def test_a_machine_without_mpirun_is_told_how_to_get_one(
    command: Command, plain_environment: pytest.MonkeyPatch, no_launcher: None, tmp_path: Path
) -> None:
    said = command("doctor", "--out", tmp_path)
    assert said.code == 4
    assert "no mpirun found" in said.out
    assert "→ pip install 'clustermark[mpi]'" in said.out
    assert "launcher" in said.out.splitlines()[-1]
    assert said.err == ""


def test_a_forced_blas_kernel_is_a_warning_with_its_cure(
    command: Command, plain_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain_environment.setenv("OPENBLAS_CORETYPE", "Haswell")
    found = findings(command("doctor", "--json", "--no-launch", "--out", tmp_path))
    assert found["BLAS"]["status"] == "warning"
    assert "forced by OPENBLAS_CORETYPE=Haswell" in found["BLAS"]["what"]
    assert found["BLAS"]["mend"] == "unset OPENBLAS_CORETYPE"
    plain_environment.delenv("OPENBLAS_CORETYPE")
    (blas,) = [f for f in doctor.examine_libraries(ask, os.environ) if f.name == "BLAS"]
    assert blas.status == "ok"


def test_the_kernel_is_asked_for_again_without_the_variables_that_force_it() -> None:
    asked: list[Mapping[str, str]] = []

    def answer(argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> Ended:
        asked.append(environment)
        kernel = environment.get("OPENBLAS_CORETYPE", "Zen")
        pool = {"internal_api": "openblas", "version": "0.3", "architecture": kernel}
        return Ended(0, json.dumps({"numpy": {"version": "2.0", "blas": [pool]}, "h5py": {"error": "x"}}))

    found = {f.name: f for f in doctor.examine_libraries(answer, {"OPENBLAS_CORETYPE": "Nehalem", "HOME": "/home"})}
    assert "kernel Nehalem" in found["BLAS"].what
    assert "this CPU gets Zen" in found["BLAS"].what
    assert asked[1] == {"HOME": "/home"}


def test_missing_chart_tools_are_a_problem_and_nothing_is_imported(tmp_path: Path) -> None:
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'altair':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    path = os.pathsep.join(filter(None, [str(shim), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "clustermark", "doctor", "--no-launch", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 4
    assert "→ pip install altair" in done.stdout
    assert "charts" in done.stdout.splitlines()[-1]


def test_a_results_folder_that_cannot_be_written_is_a_problem(command: Command) -> None:
    said = command("doctor", "--json", "--no-launch", "--out", "/proc/self/results")
    assert said.code == 4
    assert findings(said)["results"]["status"] == "problem"


def test_numpy_that_cannot_be_imported_is_a_finding_and_not_the_end(
    command: Command, plain_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('libblas.so.3: cannot open shared object file')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    plain_environment.setenv("PYTHONPATH", path)
    said = command("doctor", "--json", "--no-launch", "--out", tmp_path / "results")
    found = findings(said)
    assert said.code == 4
    assert "libblas.so.3" in found["NumPy"]["what"]
    assert "pip install" in found["NumPy"]["mend"]


def test_a_library_that_crashes_its_process_is_a_finding_and_not_the_end(
    plain_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "h5py.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    found = {f.name: f for f in doctor.examine_libraries(ask, {**os.environ, "PYTHONPATH": path})}
    assert found["HDF5"].status == "problem"
    assert "SIGSEGV" in found["HDF5"].what


def test_no_launch_starts_no_ranks(
    command: Command, plain_environment: pytest.MonkeyPatch, script: Callable[[str], Path], tmp_path: Path
) -> None:
    fake = script('[ "$1" = --version ] && { echo "mpirun (Open MPI) 5.0.0"; exit 0; }; touch "$0.started"')
    said = command("doctor", "--json", "--no-launch", "--mpirun", fake, "--out", tmp_path)
    assert findings(said)["launch"]["status"] == "absent"
    assert not Path(f"{fake}.started").exists()


def test_the_counts_of_the_document_are_those_of_its_findings(command: Command, tmp_path: Path) -> None:
    data = command("doctor", "--json", "--no-launch", "--out", tmp_path).document
    assert (data["schema_version"], data["verb"]) == (1, "doctor")
    for status in STATUSES:
        assert data["counts"][status] == sum(f["status"] == status for f in data["findings"])
    assert all(f["mend"] for f in data["findings"] if f["status"] == "problem")


def test_a_child_that_hangs_is_ended_with_all_its_session(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    started = time.monotonic()
    ended = ask(["sh", "-c", f"sleep 60 & echo $! > {note}; wait"], os.environ, 0.5)
    assert ended.status is None
    assert "did not end within 0.5 s" in ended.complaint()
    assert time.monotonic() - started < 20
    assert _gone(int(note.read_text()))


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_child_that_cannot_be_started_says_so() -> None:
    assert "cannot be started" in ask(["/nowhere/at/all"], os.environ, 1.0).complaint()


def test_a_probe_prints_one_line_of_json() -> None:
    for word in ("libraries", "cma", "gpu"):
        ended = ask(probe_arguments(word), os.environ, 60.0)
        assert ended.status == 0, ended.stderr
        assert len(ended.documents()) == 1
        assert ended.stdout.count("\n") == 1


def test_the_doctor_asks_children_only_through_its_ask(tmp_path: Path) -> None:
    """So that nothing is loaded into the doctor's own process, whatever the children answer."""
    asked: list[tuple[str, ...]] = []

    def refuse(argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> Ended:
        asked.append(tuple(argv))
        return Ended(1, "", "Error: planted")

    found: list[Finding] = list(doctor.examine(tmp_path, None, True, refuse))
    assert {"libraries", "mpi", "cma", "gpu"} <= {argv[-1] for argv in asked}
    named = {f.name: f for f in found}
    assert named["NumPy"].status == named["HDF5"].status == named["MPI library"].status == "problem"
    assert "planted" in named["NumPy"].what
    assert named["single copy"].status == "warning"
