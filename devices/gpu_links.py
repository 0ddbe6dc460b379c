"""The links of a GPU through NVML: what NVLinks lead to, and bytes that left through NVLink and through PCIe.

Source: NVML API reference; numbers of fields are those of nvml.h. A count that this driver or GPU does not keep is left
out, never zero. Written from that documentation: unmeasured on several GPUs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from clustermark.devices.health import Health

# NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX [KiB], of one link or, with this scope, of all.
NVLINK_DATA_SENT, ALL_LINKS, KIB = 138, 2**32 - 1, 1024
# NVML_FI_DEV_PCIE_COUNT_TX_BYTES [B].
PCIE_SENT = 197
SWITCH = "NVSwitch"
# nvmlIntNvLinkDeviceType_t.
_DEVICES = {0: "GPU", 1: "NPU", 2: SWITCH}


def remotes(health: Health) -> dict[str, int]:
    """What the NVLinks that are up lead to: {"NVSwitch": 18} or {"GPU 0000:65:00.0": 4}, with "unknown" beside."""
    found: Counter[str] = Counter()
    for link in health.links():
        kind = _DEVICES.get(health.ask("nvmlDeviceGetNvLinkRemoteDeviceType", link), "unknown")
        pci = health.ask("nvmlDeviceGetNvLinkRemotePciInfo", link) if kind == "GPU" else None
        found[f"GPU {_address(pci)}" if pci is not None else kind] += 1
    return dict(sorted(found.items()))


def _address(pci: Any) -> str:
    """As /sys/bus/pci names it."""
    return f"{pci.domain & 0xFFFF:04x}:{pci.bus:02x}:{pci.device:02x}.0"


def bytes_sent(health: Health) -> dict[str, int]:
    """{"nvlink": …, "pcie": …} [B] that left the GPU since the driver was loaded; raises DeviceError if it is gone."""
    found: dict[str, int] = {}
    links = health.links()
    total = health.field(NVLINK_DATA_SENT, ALL_LINKS) if links else None
    if links and total is None:
        counts = [health.field(NVLINK_DATA_SENT, link) for link in links]
        total = None if None in counts else sum(count or 0 for count in counts)
    if total is not None:
        found["nvlink"] = total * KIB
    pcie = health.field(PCIE_SENT)
    return found if pcie is None else {**found, "pcie": pcie}


def sent_between(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """[B] between two looks; a counter that fell, of a driver that was loaded anew, is left out."""
    return {wire: after[wire] - before[wire] for wire in after if wire in before and after[wire] >= before[wire]}
