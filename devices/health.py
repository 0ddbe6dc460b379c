"""How a GPU is: facts, state and error counters by NVML, each of them optional.

Source: NVML API reference, through nvidia-ml-py. A function that this driver or GPU does not have is left out, never
zero. Energy is counted every 20 to 100 ms, so that a window below two seconds says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from clustermark.core.errors import DeviceError

ENERGY_SECONDS = 2.0
MOST_LINKS = 36  # NVML_NVLINK_MAX_LINKS

# Reasons of nvmlClocksEventReasons that hold the clock below what the GPU would choose by itself at full load.
THROTTLES: Mapping[int, str] = {
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x020: "software thermal slowdown",
    0x040: "hardware thermal slowdown",
    0x080: "external power brake",
}
# Policies of nvmlDeviceGetViolationStatus: time since the driver was loaded during which the clock was held down.
_VIOLATIONS: Mapping[str, int] = {"power cap": 0, "thermal limit": 1, "board limit": 3, "reliability limit": 5}
_CORRECTED, _UNCORRECTED, _VOLATILE = 0, 1, 0
# nvmlNvLinkErrorCounter_t, and the field that has the same number on GPUs without that function.
_LINK_ERRORS: Mapping[str, tuple[tuple[int, ...], int]] = {
    "NVLink replays": ((0,), 161),
    "NVLink recoveries": ((1,), 162),
    "NVLink CRC errors": ((2, 3), 163),
}
_SM, _MEMORY = 1, 2  # NVML_CLOCK_SM, NVML_CLOCK_MEM
_GPU_IS_LOST, _RESET_REQUIRED = 15, 16
_UNSIGNED_INT = 1  # NVML_VALUE_TYPE_UNSIGNED_INT; other counts have 64 bits


@dataclass(frozen=True)
class Reading:
    """One look at a GPU.

    Attributes
    ----------
    time : [s] of a monotonic clock
    counters : errors since the driver was loaded
    throttled : [s] for each limit, since the driver was loaded
    energy : [J] since the driver was loaded, None where it is not counted
    reasons : what holds the clock down now, a mask
    """

    time: float
    counters: Mapping[str, int] = field(default_factory=dict)
    throttled: Mapping[str, float] = field(default_factory=dict)
    energy: float | None = None
    reasons: int = 0


class Health:
    """One GPU through NVML; without NVML every reading is empty and `missing` says why.

    Parameters
    ----------
    uuid : as the CUDA driver gives it, "GPU-…" also for a MIG instance
    pci : asked for where NVML does not know the identity
    nvml : stands in for the module pynvml
    """

    def __init__(self, uuid: str, pci: str, nvml: Any = None) -> None:
        """Start NVML and find the GPU; never raises."""
        self.missing = ""
        self._nvml: Any = nvml
        self._handle: Any = None
        try:
            self._nvml = nvml or import_module("pynvml")
        except ImportError:
            self.missing = "nvidia-ml-py is not installed: pip install nvidia-ml-py"
            return
        try:
            self._nvml.nvmlInit()
            self._handle = self._find(uuid, pci)
        except self._nvml.NVMLError as error:
            self.missing = f"NVML says: {error}"

    def _find(self, uuid: str, pci: str) -> Any:
        nvml = self._nvml
        try:
            return nvml.nvmlDeviceGetHandleByUUID(uuid)
        except nvml.NVMLError:
            pass
        try:
            instance = nvml.nvmlDeviceGetHandleByUUID(uuid.replace("GPU-", "MIG-", 1))
            # Counters and energy belong to the whole GPU, of which an instance is a part.
            return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
        except nvml.NVMLError:
            return nvml.nvmlDeviceGetHandleByPciBusId(pci)

    def ask(self, name: str, *arguments: Any) -> Any:
        """What NVML answers, None where it cannot; raises DeviceError where the GPU is gone."""
        if self._handle is None:
            return None
        try:
            return getattr(self._nvml, name)(self._handle, *arguments)
        except self._nvml.NVMLError as error:
            if getattr(error, "value", None) in (_GPU_IS_LOST, _RESET_REQUIRED):
                raise DeviceError(
                    f"device 'cuda': the GPU was lost (NVML says: {error}); `nvidia-smi` and `dmesg | grep Xid` say "
                    f"more, `sudo nvidia-smi --gpu-reset` or a reboot brings it back"
                ) from error
            return None
        except AttributeError:  # an older nvidia-ml-py has no such function
            return None

    def facts(self) -> dict[str, Any]:
        """What decides comparability: driver, limits, modes, links; only what NVML tells."""
        ecc, mig = self.ask("nvmlDeviceGetEccMode"), self.ask("nvmlDeviceGetMigMode")
        limit = self.ask("nvmlDeviceGetEnforcedPowerLimit")
        return _told(
            {
                "driver": self._driver_version(),
                "ecc": None if ecc is None else bool(ecc[0]),
                "mig": None if mig is None else bool(mig[0]),
                "power_limit_w": None if limit is None else limit / 1000,
                "sm_clock_max_mhz": self.ask("nvmlDeviceGetMaxClockInfo", _SM),
                "memory_clock_max_mhz": self.ask("nvmlDeviceGetMaxClockInfo", _MEMORY),
                "pcie_generation_max": self.ask("nvmlDeviceGetMaxPcieLinkGeneration"),
                "pcie_width_max": self.ask("nvmlDeviceGetMaxPcieLinkWidth"),
                "nvlinks": len(self.links()) if self._handle is not None else None,
            }
        )

    def _driver_version(self) -> str | None:
        if self._handle is None:
            return None
        try:
            return str(self._nvml.nvmlSystemGetDriverVersion())
        except self._nvml.NVMLError:
            return None

    def links(self) -> list[int]:
        """NVLinks that are up."""
        found = []
        for link in range(MOST_LINKS):
            state = self.ask("nvmlDeviceGetNvLinkState", link)
            if state is None:
                break
            if state:
                found.append(link)
        return found

    def state(self) -> dict[str, Any]:
        """What changes by itself: clocks, temperature, power, the link as it is trained now."""
        power = self.ask("nvmlDeviceGetPowerUsage")
        reasons = self.ask("nvmlDeviceGetCurrentClocksEventReasons")
        return _told(
            {
                "sm_clock_mhz": self.ask("nvmlDeviceGetClockInfo", _SM),
                "memory_clock_mhz": self.ask("nvmlDeviceGetClockInfo", _MEMORY),
                "temperature_c": self.ask("nvmlDeviceGetTemperature", 0),
                "power_w": None if power is None else power / 1000,
                "throttled": None if reasons is None else list(names_of(reasons)),
                "pcie_generation": self.ask("nvmlDeviceGetCurrPcieLinkGeneration"),
                "pcie_width": self.ask("nvmlDeviceGetCurrPcieLinkWidth"),
                "persistence": self.ask("nvmlDeviceGetPersistenceMode"),
            }
        )

    def counters(self) -> dict[str, int]:
        """Errors since the driver was loaded; only those that NVML counts here."""
        rows = self.ask("nvmlDeviceGetRemappedRows") or (None, None, None, None)
        found = {
            "ECC errors corrected": self.ask("nvmlDeviceGetTotalEccErrors", _CORRECTED, _VOLATILE),
            "ECC errors uncorrected": self.ask("nvmlDeviceGetTotalEccErrors", _UNCORRECTED, _VOLATILE),
            "rows remapped after corrected errors": rows[0],
            "rows remapped after uncorrected errors": rows[1],
            "row remappings pending": rows[2],
            "row remappings failed": rows[3],
            "PCIe replays": self.ask("nvmlDeviceGetPcieReplayCounter"),
        }
        links = self.links()
        for name, (kinds, field_id) in _LINK_ERRORS.items():
            counts = [count for link in links if (count := self._link_errors(link, kinds, field_id)) is not None]
            found[name] = sum(counts) if counts else None
        return _told(found)

    def _link_errors(self, link: int, kinds: tuple[int, ...], field_id: int) -> int | None:
        counts = [self.ask("nvmlDeviceGetNvLinkErrorCounter", link, kind) for kind in kinds]
        if all(count is not None for count in counts):
            return sum(counts)
        return self.field(field_id, link)

    def field(self, field_id: int, scope: int = 0) -> int | None:
        """Value of a field that is a whole number; None where this GPU does not keep it."""
        values = self.ask("nvmlDeviceGetFieldValues", [(field_id, scope)])
        if values is None or values[0].nvmlReturn != 0:
            return None
        kind, value = values[0].valueType, values[0].value
        return int(value.uiVal if kind == _UNSIGNED_INT else value.ullVal)

    def reasons(self) -> int:
        """What holds the clock down now, a mask; 0 where NVML does not tell."""
        return self.ask("nvmlDeviceGetCurrentClocksEventReasons") or 0

    def read(self) -> Reading:
        """One look. Raises DeviceError where the GPU is gone."""
        throttled = {}
        for name, policy in _VIOLATIONS.items():
            status = self.ask("nvmlDeviceGetViolationStatus", policy)
            if status is not None:
                throttled[name] = 1e-9 * status.violationTime
        energy = self.ask("nvmlDeviceGetTotalEnergyConsumption")
        return Reading(
            time=time.monotonic(),
            counters=self.counters(),
            throttled=throttled,
            energy=None if energy is None else 1e-3 * energy,
            reasons=self.reasons(),
        )


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def names_of(reasons: int) -> tuple[str, ...]:
    """The throttles in a mask of reasons; being idle or set to a clock by its owner is none."""
    return tuple(name for bit, name in THROTTLES.items() if reasons & bit)


def conditions(before: Reading, after: Reading, seen: int = 0) -> tuple[str, ...]:
    """Labels that a reader of a figure must see: what changed between two readings of one GPU.

    Parameters
    ----------
    seen : reasons of throttling seen in between, a mask
    """
    found = {
        f"GPU error counter changed: {name}"
        for name, count in after.counters.items()
        if name in before.counters and count != before.counters[name]
    }
    found |= {f"GPU throttled: {name}" for name in names_of(before.reasons | after.reasons | seen)}
    found |= {
        f"GPU throttled: {name}"
        for name, seconds in after.throttled.items()
        if name in before.throttled and seconds > before.throttled[name]
    }
    return tuple(sorted(found))


def energy(before: Reading, after: Reading) -> float | str:
    """[J] between two readings, or why there is no such figure: it is "invalid" for windows below two seconds."""
    if before.energy is None or after.energy is None:
        return "not counted by this GPU"
    if after.time - before.time < ENERGY_SECONDS:
        return "invalid"
    if after.energy < before.energy:
        return "invalid"  # the driver was loaded anew in between
    return after.energy - before.energy
