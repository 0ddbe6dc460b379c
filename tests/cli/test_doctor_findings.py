"""Each verdict of the doctor, from what was read to what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clustermark.cli.doctor_verb import shown, verdict
from clustermark.runners import doctor, doctor_gpu, doctor_host, doctor_mpi
from clustermark.runners.children import Ended
from clustermark.runners.findings import Finding
from clustermark.runners.launcher import Launcher

OPENMPI = Launcher("/opt/ompi/bin/mpirun", "openmpi", "5.0.11")
LIBRARY = {"name": "Open MPI", "mpi": "openmpi", "version": "5.0.11", "path": "", "standard": "3.1", "mpi4py": "4.1"}
CPU = {"model": "a CPU", "cores": 4, "logical": 8, "sockets": 1, "vector": ["avx2"], "governor": "performance"}


def said(*documents: dict[str, Any], status: int | None = 0, stderr: str = "") -> Ended:
    return Ended(status, "noise\n" + "".join(json.dumps(d) + "\n" for d in documents) + "[1, 2]\n", stderr)


def test_two_ranks_that_see_a_world_of_two_are_well() -> None:
    found = doctor_mpi.world_finding(said({"size": 2}, {"size": 2}), OPENMPI, LIBRARY, 1.0)
    assert found.status == "ok"


@pytest.mark.parametrize(
    ("ended", "part"),
    [
        (said({"size": 1}, {"size": 1}), "made 2 worlds of size 1"),
        (said({"size": 1}), "made 1 world of size 1"),
        (said({"size": 2}), "worlds of size 2"),
        (said({"size": 2}, {"size": 3}), "worlds of size 2, 3"),
        (said({"size": 2}, {"size": 2}, status=1), "ended with exit status 1"),
        (said(status=16, stderr="Fatal error in Init\nExit code: 16\n---"), "saying: Fatal error in Init"),
        (said(status=-9), "was killed by signal 9 (SIGKILL)"),
        (Ended(None, why="did not end within 30 s"), "did not end within 30 s"),
    ],
)
def test_any_other_launch_is_a_problem_that_says_what_was_seen(ended: Ended, part: str) -> None:
    found = doctor_mpi.world_finding(ended, OPENMPI, LIBRARY, 1.0)
    assert found.status == "problem"
    assert part in found.what
    assert found.mend


def test_launcher_and_library_must_be_of_one_mpi(tmp_path: Path) -> None:
    assert doctor_mpi.library_finding(LIBRARY, OPENMPI).status == "ok"
    assert doctor_mpi.library_finding(LIBRARY, None).status == "ok"
    assert doctor_mpi.library_finding({**LIBRARY, "version": "4.1.4"}, OPENMPI).status == "warning"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mpirun").touch()
    mpich = {**LIBRARY, "name": "MPICH", "mpi": "mpich", "path": str(tmp_path / "lib" / "libmpi.so")}
    found = doctor_mpi.library_finding(mpich, OPENMPI)
    assert found.status == "problem"
    assert found.mend.startswith(f"export CLUSTERMARK_MPIRUN={tmp_path}/bin/mpirun")
    alone = doctor_mpi.library_finding({**mpich, "path": "/nowhere/lib/libmpi.so"}, OPENMPI)
    assert alone.mend == "export MPI4PY_LIBMPI=/opt/ompi/lib/libmpi.so"
    assert doctor_mpi.library_finding({"error": "no libmpi"}, None).status == "problem"


PROOF = {"observed": "tcp over lo", "evidence": "counter", "proven": True, "detail": {"lo": 1.005, "network": 0.0}}


def test_a_fabric_is_well_only_if_it_is_proven() -> None:
    assert doctor_mpi.fabric_finding("ompi-tcp", said(PROOF)).status == "ok"
    other = {**PROOF, "proven": False, "observed": "shared memory", "detail": {"lo": 0.0, "network": 0.0}}
    found = doctor_mpi.fabric_finding("ompi-tcp", said(other))
    assert found.status == "warning"
    assert "not proven: shared memory" in found.what
    blind = {"observed": "no interface counters here", "evidence": "none", "proven": False, "detail": {}}
    assert "not verified" in doctor_mpi.fabric_finding("ompi-tcp", said(blind)).mend


@pytest.mark.parametrize("ended", [said(), said(PROOF, status=1), Ended(None, why="did not end within 20 s")])
def test_a_fabric_whose_launch_ends_badly_is_a_warning(ended: Ended) -> None:
    found = doctor_mpi.fabric_finding("ompi-tcp", ended)
    assert found.status == "warning"
    assert found.mend


def test_uncounted_copies_of_shared_memory_are_said() -> None:
    proof = {**PROOF, "observed": "shared memory", "detail": {"lo": 0.0, "network": 0.0}}
    assert "cannot be counted" in doctor_mpi.fabric_finding("ompi-sm-cma", said(proof)).what
    counted = {**proof, "detail": {**proof["detail"], "process_vm_readv": 34}}
    assert "34 copies by the kernel" in doctor_mpi.fabric_finding("ompi-sm-cma", said(counted)).what


def blas(kernel: str) -> dict[str, Any]:
    return {"blas": [{"internal_api": "openblas", "version": "0.3", "architecture": kernel}]}


def test_a_forced_kernel_is_compared_with_the_one_that_the_cpu_would_get() -> None:
    forced = {"OPENBLAS_CORETYPE": "Haswell"}
    found = doctor.blas_finding(blas("Haswell"), blas("SkylakeX"), forced)
    assert found.status == "warning"
    assert "without it this CPU gets SkylakeX" in found.what
    assert "the kernel is the same" in doctor.blas_finding(blas("Haswell"), blas("Haswell"), forced).what
    assert doctor.blas_finding(blas("Haswell"), {}, {}).status == "ok"
    assert doctor.blas_finding({"blas": []}, {}, {}).status == "warning"


def test_thread_counts_are_harmless_and_bindings_are_not() -> None:
    assert doctor.threads_finding({}).status == "ok"
    assert "OMP_NUM_THREADS=4" in doctor.threads_finding({"OMP_NUM_THREADS": "4"}).what
    found = doctor.threads_finding({"OMP_PROC_BIND": "true", "OMP_NUM_THREADS": "4"})
    assert (found.status, found.mend) == ("warning", "unset OMP_PROC_BIND")


def test_a_gpu_is_absent_broken_hidden_or_there() -> None:
    answers: list[dict[str, Any]] = [
        {"driver": False},
        {"driver": True, "error": "cuInit returned 999"},
        {"driver": True, "names": [], "cuda": "13.0"},
        {"driver": True, "names": ["A", "A", "B"], "cuda": "13.0"},
    ]
    found = [doctor_gpu.gpu_finding(answer) for answer in answers]
    assert [f.status for f in found] == ["absent", "warning", "warning", "ok"]
    assert found[0].what == "no NVIDIA driver; --device cuda is refused"
    assert "2 × A, 1 × B" in found[3].what


def test_fewer_cpus_than_the_node_has_are_a_warning() -> None:
    assert doctor_host.cores_finding(CPU, list(range(8))).status == "ok"
    assert "2 hardware threads each" in doctor_host.cores_finding(CPU, list(range(8))).what
    assert "2 of 8 logical CPUs (2-3)" in doctor_host.cores_finding(CPU, [2, 3]).what


def test_a_quota_below_the_cpus_is_a_warning() -> None:
    assert doctor_host.quota_finding(None, 4).status == "ok"
    assert doctor_host.quota_finding(4.0, 4).status == "ok"
    assert doctor_host.quota_finding(1.5, 4).status == "warning"


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_both_versions_of_control_groups_are_read(tmp_path: Path, files: dict[str, str], cpus: float | None) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert doctor_host.group_quota(tmp_path) == cpus


def test_foreign_load_is_a_warning() -> None:
    quiet = {"seconds": 0.5, "foreign_cpu": 0.01, "cpu_seconds": 1.0, "pressure": 0.0}
    assert doctor_host.load_finding(quiet, 0.1).status == "ok"
    assert doctor_host.load_finding({**quiet, "foreign_cpu": 0.5}, 1.0).status == "warning"
    assert doctor_host.load_finding({**quiet, "steal": 0.2}, 1.0).status == "warning"


def test_a_clock_that_follows_the_load_is_a_warning() -> None:
    states = [("performance", "ok"), ("unknown", "ok"), ("powersave", "warning")]
    for governor, status in states:
        assert doctor_host.governor_finding({"governor": governor, "hypervisor": True}).status == status


@pytest.mark.parametrize(
    ("scope", "filtered", "mend"),
    [("1", False, "sysctl"), ("3", False, "sysctl"), ("0", True, "SYS_PTRACE"), ("", False, "SYS_PTRACE")],
)
def test_forbidden_single_copies_say_which_lock_it_is(scope: str, filtered: bool, mend: str) -> None:
    found = doctor_host.cma_finding({"works": False, "why": "Operation not permitted"}, scope, filtered)
    assert found.status == "warning"
    assert "Operation not permitted" in found.what
    assert mend in found.mend
    assert doctor_host.cma_finding({"works": True, "why": ""}, scope, filtered).status == "ok"


def test_a_small_dev_shm_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor_host, "SMALL_SHM", 2**60)
    assert "--shm-size" in doctor_host.shm_finding(tmp_path).mend
    monkeypatch.setattr(doctor_host, "SMALL_SHM", 0)
    assert doctor_host.shm_finding(tmp_path).status == "ok"
    assert doctor_host.shm_finding(tmp_path / "nowhere").status == "warning"


def test_the_results_folder_is_really_written_and_left_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_host, "SMALL_DISK", 0)
    monkeypatch.setattr(doctor_host, "SLOW_WRITE_SECONDS", 1e9)
    found = doctor_host.disk_finding(tmp_path / "not" / "yet")
    assert found.status == "ok"
    assert "tried in" in found.what
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(doctor_host, "SLOW_WRITE_SECONDS", 0.0)
    assert doctor_host.disk_finding(tmp_path).what.endswith("slow")
    monkeypatch.setattr(doctor_host, "SMALL_DISK", 2**80)
    assert "little room" in doctor_host.disk_finding(tmp_path).what


def test_a_results_path_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    for path in (tmp_path / "results", tmp_path / "results" / "run"):
        assert doctor_host.disk_finding(path).status == "problem"


def test_a_mend_is_on_a_line_of_its_own_and_never_broken() -> None:
    mend = "export " + "x" * 200 + " " + "y" * 50
    lines = shown(Finding("name", "warning", "what " * 60, mend))
    assert lines[-1].endswith(f"→ {mend}")
    assert all(len(line) <= 110 for line in lines[:-1])
    assert lines[0].split()[:2] == ["warning", "name"]


def test_the_last_line_says_how_it_stands() -> None:
    ok, warning, problem = (Finding("x", s, "y") for s in ("ok", "warning", "problem"))
    assert verdict([ok]) == "All works here."
    assert "1 warning(s)" in verdict([ok, warning])
    assert verdict([ok, warning, problem]).startswith("1 problem(s): x; 1 warning(s)")
