"""NVML readings: through the real nvidia-ml-py over a stub library, and what a change between two readings means."""

from __future__ import annotations

import ctypes
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_gpu.stubs import compile_stub

from clustermark.core.errors import DeviceError
from clustermark.devices import health
from clustermark.devices.health import Health, Reading, conditions, energy, names_of

Play = Callable[[str], None]
IDENTITY = ("GPU-00000000-0000-0000-0000-000000000000", "0000:17:00.0")


@pytest.fixture(scope="module", params=["", "-DOLD"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """A stand-in for libnvidia-ml.so.1 and whether it is an old one."""
    options = [request.param] if request.param else []
    return compile_stub("libnvidia-ml.so.1", tmp_path_factory.mktemp("nvml"), *options), bool(request.param)


@pytest.fixture
def nvml(library: tuple[Path, bool], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The real nvidia-ml-py on the stand-in."""
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed: make test CUDA=1")
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(library[0])))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    return pynvml


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Writes what the stand-in answers from now on."""
    script = tmp_path / "nvml.txt"
    script.write_text("")
    monkeypatch.setenv("FAKE_NVML", str(script))

    def write(text: str) -> None:
        script.write_text(text)

    return write


def test_facts_state_and_counters_are_read(nvml: Any, play: Play, library: tuple[Path, bool]) -> None:
    play("ecc_corrected 7\nlinks 3\nnvlink_crc 2\nreasons 5\n")
    gpu = Health(*IDENTITY, nvml)
    assert gpu.missing == ""
    assert gpu.facts() == {
        "driver": "580.00",
        "ecc": True,
        "mig": False,
        "power_limit_w": 700.0,
        "sm_clock_max_mhz": 1980,
        "memory_clock_max_mhz": 2619,
        "pcie_generation_max": 5,
        "pcie_width_max": 16,
        "nvlinks": 3,
    }
    counters = gpu.counters()
    assert counters["ECC errors corrected"] == 7
    assert counters["NVLink CRC errors"] == 3 * 2 * 2
    old = library[1]
    assert ("row remappings pending" in counters) is not old
    assert gpu.state().get("throttled") == (None if old else ["power cap"])


def test_functions_that_a_driver_lacks_are_left_out_and_never_zero(nvml: Any, play: Play) -> None:
    play("\n".join(f"{name} !3" for name in ASKED if "Handle" not in name))
    gpu = Health(*IDENTITY, nvml)
    assert gpu.missing == ""
    assert gpu.counters() == {}
    assert gpu.read().energy is None
    assert set(gpu.facts()) == {"nvlinks"}
    assert gpu.facts()["nvlinks"] == 0


def test_a_counter_that_changes_between_readings_is_a_condition(nvml: Any, play: Play) -> None:
    gpu = Health(*IDENTITY, nvml)
    before = gpu.read()
    assert conditions(before, gpu.read()) == ()
    play("ecc_corrected 1\npcie_replays 4\n")
    assert conditions(before, gpu.read()) == (
        "GPU error counter changed: ECC errors corrected",
        "GPU error counter changed: PCIe replays",
    )


def test_links_without_the_counter_function_are_asked_by_field(
    nvml: Any, play: Play, library: tuple[Path, bool]
) -> None:
    play("nvmlDeviceGetNvLinkErrorCounter !3\nfield_replays 5\nlinks 2\n")
    counters = Health(*IDENTITY, nvml).counters()
    assert counters.get("NVLink replays") == (None if library[1] else 10)


def test_a_mig_instance_is_read_through_its_gpu(nvml: Any, play: Play) -> None:
    play("mig 1\n")
    gpu = Health(*IDENTITY, nvml)
    assert gpu.missing == ""
    assert gpu.facts()["mig"] is True


def test_a_gpu_that_is_lost_ends_in_one_sentence(nvml: Any, play: Play) -> None:
    gpu = Health(*IDENTITY, nvml)
    gpu.read()
    play("nvmlDeviceGetTotalEccErrors !15\n")
    with pytest.raises(DeviceError, match=r"the GPU was lost \(NVML says: GPU is lost\).*gpu-reset") as caught:
        gpu.read()
    assert "\n" not in str(caught.value)


def test_nvml_that_does_not_start_is_told_and_reads_nothing(nvml: Any, play: Play) -> None:
    play("nvmlInitWithFlags !9\n")
    gpu = Health(*IDENTITY, nvml)
    assert gpu.missing.startswith("NVML says: ")
    assert (gpu.facts(), gpu.state(), gpu.counters(), gpu.reasons()) == ({}, {}, {}, 0)


def test_without_nvidia_ml_py_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(health, "import_module", absent)
    gpu = Health(*IDENTITY)
    assert gpu.missing == "nvidia-ml-py is not installed: pip install nvidia-ml-py"
    assert gpu.read().counters == {}


# --- what readings mean -------------------------------------------------------------------------------------

QUIET = Reading(10.0, {"PCIe replays": 3}, {"power cap": 1.5}, 1000.0)


def test_a_throttle_seen_at_any_moment_is_a_condition() -> None:
    hot = replace(QUIET, reasons=0x40)
    assert conditions(hot, QUIET) == ("GPU throttled: hardware thermal slowdown",)
    assert conditions(QUIET, hot) == ("GPU throttled: hardware thermal slowdown",)
    assert conditions(QUIET, QUIET, seen=0x08) == ("GPU throttled: hardware slowdown",)
    assert conditions(QUIET, replace(QUIET, throttled={"power cap": 1.6})) == ("GPU throttled: power cap",)


def test_being_idle_or_set_to_a_clock_is_no_throttle() -> None:
    assert names_of(0x001 | 0x002 | 0x010 | 0x100) == ()


def test_a_counter_that_is_read_only_once_says_nothing() -> None:
    assert conditions(Reading(0.0), QUIET) == ()


@pytest.mark.parametrize(
    ("seconds", "joules", "expected"),
    [(2.0, 600.0, 600.0), (1.9, 600.0, "invalid"), (5.0, -3.0, "invalid"), (5.0, None, "not counted by this GPU")],
)
def test_energy_needs_two_seconds(seconds: float, joules: float | None, expected: float | str) -> None:
    after = replace(QUIET, time=10.0 + seconds, energy=None if joules is None else 1000.0 + joules)
    assert energy(QUIET, after) == expected


# --- the real module ----------------------------------------------------------------------------------------

ASKED = sorted(set(re.findall(r"nvml[A-Z]\w+", inspect.getsource(health))) - {"nvmlClocksEventReasons", "nvmlReturn"})


def test_every_function_that_is_asked_is_one_of_nvidia_ml_py() -> None:
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed: make test CUDA=1")
    names = [name for name in ASKED if not name.endswith("_t") and name != "nvmlNvLinkErrorCounter"]
    assert [name for name in names if not hasattr(pynvml, name)] == []
    assert len(names) > 20
    for bit, name in (("SwPowerCap", "power cap"), ("HwSlowdown", "hardware slowdown")):
        assert health.THROTTLES[getattr(pynvml, f"nvmlClocksEventReason{bit}")] == name
    assert (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED) == (15, 16)
    assert pynvml.NVML_NVLINK_MAX_LINKS >= 18
