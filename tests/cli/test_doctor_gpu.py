"""The doctor's section about GPUs: every finding with its mend, and the whole section in children with fake GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_gpu.stubs import LIBRARIES, compile_stub, gpu_environment

from clustermark.runners import doctor_gpu
from clustermark.runners.children import Ended, ask
from clustermark.runners.findings import Finding


def row(**changes: Any) -> dict[str, Any]:
    """A healthy GPU as the probe shows it; the keywords name what differs."""
    found: dict[str, Any] = {
        "facts": {"ecc": True, "nvlinks": 18, "pcie_generation_max": 5, "pcie_width_max": 16, "power_limit_w": 700.0},
        "state": {"throttled": [], "pcie_generation": 1, "pcie_width": 16, "temperature_c": 41},
        "counters": {"ECC errors corrected": 0, "ECC errors uncorrected": 0, "row remappings pending": 0},
    }
    return {part: {**values, **changes.get(part, {})} for part, values in found.items()}


def health(*rows: dict[str, Any]) -> dict[str, Finding]:
    return {f.name: f for f in doctor_gpu.health_findings({"missing": "", "gpus": list(rows)})}


def test_a_healthy_gpu_is_ok_and_tells_its_links() -> None:
    found = health(row(), row())
    assert {f.status for f in found.values()} == {"ok"}
    assert found["GPU memory"].what == "ECC on"
    assert found["GPU links"].what == "18 NVLink(s) up on each GPU, PCIe 5 × 16"  # an idle GPU is at PCIe 1: no fault
    assert found["GPU clocks"].what == "nothing holds them down, hottest GPU 41 °C, power limit 700 W"


def linked(pci: str, remotes: dict[str, int], counted: Sequence[str]) -> dict[str, Any]:
    return {**row(), "links": {"pci": pci, "remotes": remotes, "counted": list(counted)}}


def test_links_are_named_by_what_they_lead_to_and_by_what_counts_their_bytes() -> None:
    switched = [linked(f"0000:{bus}:00.0", {"NVSwitch": 18}, ["nvlink", "pcie"]) for bus in (17, 65)]
    assert health(*switched)["GPU links"].what == (
        "18 NVLink(s) up on each GPU, 18 to NVSwitch, PCIe 5 × 16, bytes over NVLink and PCIe are counted"
    )
    pair = [
        linked("0000:17:00.0", {"GPU 0000:65:00.0": 18}, ["nvlink"]),
        linked("0000:65:00.0", {"GPU 0000:17:00.0": 14, "unknown": 4}, ["nvlink", "pcie"]),
    ]
    assert "GPU 0: 18 to GPU 1, GPU 1: 14 to GPU 0 and 4 to unknown" in health(*pair)["GPU links"].what
    assert "bytes over NVLink are counted" in health(*pair)["GPU links"].what
    assert "bytes over links are not counted" in health(linked("x", {}, []))["GPU links"].what


@pytest.mark.parametrize(
    ("name", "sick", "sentence"),
    [
        ("GPU memory", row(counters={"ECC errors uncorrected": 2}), "GPU 1: ECC errors uncorrected 2"),
        ("GPU memory", row(counters={"row remappings pending": 1}), "GPU 1: row remappings pending 1"),
        ("GPU clocks", row(state={"throttled": ["hardware thermal slowdown"]}), "GPU 1: hardware thermal slowdown"),
        ("GPU links", row(state={"pcie_width": 8}), "GPU 1 has 8 of 16 PCIe lanes"),
    ],
)
def test_a_sick_gpu_is_a_warning_with_a_mend(name: str, sick: dict[str, Any], sentence: str) -> None:
    found = health(row(), sick)[name]
    assert found.status == "warning"
    assert sentence in found.what
    assert found.mend


def test_what_nvml_does_not_tell_is_no_fault() -> None:
    bare = {"facts": {}, "state": {}, "counters": {}}
    assert {f.status for f in health(bare).values()} == {"ok"}
    (missing,) = doctor_gpu.health_findings({"missing": "nvidia-ml-py is not installed: pip install nvidia-ml-py"})
    assert (missing.status, missing.mend) == ("warning", "pip install nvidia-ml-py")


def test_nccl_is_there_or_named_with_its_package() -> None:
    assert doctor_gpu.nccl_finding({"version": "2.28.3"}, "13.0").status == "ok"
    assert (
        doctor_gpu.nccl_finding({"error": "CuPy cannot load libnccl.so.2"}, "12.4").mend
        == "pip install nvidia-nccl-cu12"
    )


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        ({"right": True, "version": "0.30.4"}, "ok", "0.30.4 compiles"),
        ({"right": False, "version": "0.30.4"}, "warning", "a wrong answer"),
        (
            {"error": "AttributeError: module 'numpy' has no attribute 'row_stack'"},
            "warning",
            "no attribute 'row_stack'",
        ),
    ],
)
def test_kernels_of_numba_work_or_the_package_is_named(answer: dict[str, Any], status: str, sentence: str) -> None:
    found = doctor_gpu.numba_finding(answer)
    assert (found.status, sentence in found.what) == (status, True)
    assert ("clustermark[cuda13]" in found.mend) == (status != "ok")


SAYS_YES, SAYS_NO, RIGHT, WRONG = '{"asked": true}\n', '{"asked": false}\n', '{"right": true}\n', '{"right": false}\n'


@pytest.mark.parametrize(
    ("ended", "status", "sentence"),
    [
        (Ended(0, SAYS_YES + RIGHT), "ok", "two ranks exchanged device memory (the library says that it can)"),
        (Ended(0, '{"asked": null}\n' + RIGHT), "ok", "does not say whether it can"),
        (Ended(-11, SAYS_NO), "absent", "was killed by signal 11 (SIGSEGV) (the library says that it cannot)"),
        (Ended(139, SAYS_YES), "warning", "ended with exit status 139, signal 11 (SIGSEGV) (the library says that it"),
        (
            Ended(139, SAYS_NO, "[vm:1] Failing at address: 0x7f\n[vm:1] *** End of error message ***\n"),
            *("absent", "saying: [vm:1] Failing at address: 0x7f (the library says that it cannot)"),
        ),
        (Ended(0, SAYS_YES + WRONG), "warning", "it arrived wrong"),
        (Ended(None, SAYS_YES, why="did not end within 60 s"), "warning", "did not end within 60 s"),
        (Ended(1, "", "fatal: no"), "warning", "could not be tried"),
    ],
)
def test_what_mpi_does_with_device_memory_counts_and_not_what_it_says(ended: Ended, status: str, sentence: str) -> None:
    found = doctor_gpu.cuda_mpi_finding(ended)
    assert found.status == status
    assert sentence in found.what


def test_without_cupy_the_command_is_the_mend() -> None:
    def answer(argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> Ended:
        missing = "needs CuPy, which is not installed: pip install 'clustermark[cuda13]'"
        if argv[-1] == "gpu":
            return Ended(0, f'{{"driver": true, "names": ["A"], "cuda": "13.0", "missing": "{missing}"}}\n')
        return Ended(0, '{"missing": "NVML says: no"}\n')

    found = {f.name: f for f in doctor_gpu.examine_gpu(answer, None, False)}
    assert found["CuPy"].mend == "pip install 'clustermark[cuda13]'"
    assert "MPI on GPU" not in found


def test_without_a_gpu_the_section_is_one_line() -> None:
    found = list(doctor_gpu.examine_gpu(lambda *words: Ended(0, '{"driver": false}\n'), None, True))
    assert [(f.name, f.status) for f in found] == [("GPU", "absent")]


@pytest.mark.mpi
def test_the_whole_section_runs_in_children_on_fake_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBRARIES:
        compile_stub(name, tmp_path)
    script = tmp_path / "nvml.txt"
    script.write_text("ecc_uncorrected 1\n")
    for name, value in gpu_environment(tmp_path, FAKE_GPU_COUNT="2", FAKE_NVML=str(script)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = {f.name: f for f in doctor_gpu.examine_gpu(ask, None, True)}
    assert "2 × Fake H100; the driver serves CUDA 13.0; compute capability 9.0" in found["GPU"].what
    assert found["CuPy"].what.endswith("computes on the GPU")
    # The stand-in for the driver runs no kernel, which is found out and not believed.
    assert found["numba-cuda"].status == "warning"
    assert found["NCCL"].status in ("ok", "absent")
    if "GPU memory" in found:  # nvidia-ml-py is installed
        assert "GPU 0: ECC errors uncorrected 1" in found["GPU memory"].what
    assert found["MPI on GPU"].what.startswith("two ranks exchanged device memory")
