"""Ports of InfiniBand, RoCE and Slingshot adapters: which are there, and the bytes that they sent.

Written from documentation and not measured on such hardware:

- Linux, Documentation/ABI/stable/sysfs-class-infiniband: `ports/<n>/state` ("4: ACTIVE"), `link_layer` ("InfiniBand" or
  "Ethernet", which is RoCE) and `counters/port_xmit_data`, in words of four bytes.
- HPE Slingshot (Cassini): `/sys/class/cxi/<device>/device/telemetry/hni_tx_ok_<least>[_to_<most>]`, packets sent by
  size, each "count@time". Packets of 2 KiB and more are those that carry large messages, 2048 bytes of payload each;
  no file counts bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from clustermark.core.environment import read_text

SYSFS = Path("/sys/class")
# Wires whose bytes are counted by an adapter's ports and by no IP interface.
PORT_WIRES = ("infiniband", "roce", "slingshot")
NAMES = {"infiniband": "InfiniBand", "roce": "RoCE", "slingshot": "Slingshot"}
_LAYERS = {"InfiniBand": "infiniband", "Ethernet": "roce"}
_WORD = 4
_SLINGSHOT_PAYLOAD = 2048
_LARGE_PACKETS = re.compile(r"hni_tx_ok_(\d+)_to_(?:\d+|max)")


def active_ports(wire: str, sysfs: Path = SYSFS) -> list[str]:
    """Names as UCX takes them ("mlx5_0:1"), of Slingshot devices ("cxi0"), in order."""
    if wire == "slingshot":
        return sorted(folder.name for folder in sysfs.glob("cxi/cxi*") if (folder / "device" / "telemetry").is_dir())
    ports = sorted(sysfs.glob("infiniband/*/ports/*"))
    return [f"{port.parts[-3]}:{port.name}" for port in ports if _layer(port) == wire and _active(port)]


def missing_ports(wire: str, sysfs: Path = SYSFS) -> str:
    """ "" if this node has an active port of the wire, else the end of a sentence."""
    if active_ports(wire, sysfs):
        return ""
    where = sysfs / ("cxi" if wire == "slingshot" else "infiniband")
    return f"needs an active {NAMES[wire]} port, and {where} has none on this node"


def port_bytes(sysfs: Path = SYSFS) -> dict[str, dict[str, int]]:
    """Wire → port → bytes sent since the counter began; a port whose counter cannot be read is left out."""
    found: dict[str, dict[str, int]] = {}
    for port in sorted(sysfs.glob("infiniband/*/ports/*")):
        words, wire = read_text(str(port / "counters" / "port_xmit_data")), _layer(port)
        if wire and words.isdecimal():
            found.setdefault(wire, {})[f"{port.parts[-3]}:{port.name}"] = _WORD * int(words)
    for name in active_ports("slingshot", sysfs):
        packets = _large_packets(sysfs / "cxi" / name / "device" / "telemetry")
        if packets is not None:
            found.setdefault("slingshot", {})[name] = _SLINGSHOT_PAYLOAD * packets
    return found


def bytes_sent(before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Wire → bytes that all its ports sent between two readings of `port_bytes`."""
    return {
        wire: sum(count - before[wire][port] for port, count in ports.items() if port in before.get(wire, {}))
        for wire, ports in after.items()
    }


def link_rate(wire: str, readings: Mapping[str, list[int]], sysfs: Path = SYSFS) -> float | None:
    """[B/s] that the link of a wire carries one way on this node, as its driver tells; None where none does.

    Parameters
    ----------
    wire : of a fabric row; "network" is the adapter that sent most in `readings`, a wire of ports all its active ones
    readings : interface → bytes sent and received before, sent and received after
    """
    if wire == "network":
        sent = {name: each[2] - each[0] for name, each in readings.items() if name != "lo"}
        folder = sysfs / "net" / max(sent, key=lambda name: sent[name], default="")
        told = read_text(str(folder / "speed"))
        # A virtual interface has no device behind it, and its speed is made up.
        return int(told) * 1e6 / 8 if told.isdecimal() and int(told) and (folder / "device").exists() else None
    rates = []
    for port in active_ports(wire, sysfs) if wire in _LAYERS.values() else []:
        device, _, number = port.partition(":")
        match = re.match(r"([\d.]+) Gb/sec", read_text(str(sysfs / "infiniband" / device / "ports" / number / "rate")))
        rates.append(float(match[1]) * 1e9 / 8 if match else 0.0)
    return sum(rates) if rates and all(rates) else None


def _large_packets(telemetry: Path) -> int | None:
    counts = []
    for file in telemetry.glob("hni_tx_ok_*"):
        match = _LARGE_PACKETS.fullmatch(file.name)
        text = read_text(str(file)).partition("@")[0]
        if match and int(match[1]) >= _SLINGSHOT_PAYLOAD and text.isdecimal():
            counts.append(int(text))
    return sum(counts) if counts else None


def _layer(port: Path) -> str:
    return _LAYERS.get(read_text(str(port / "link_layer")), "")


def _active(port: Path) -> bool:
    return read_text(str(port / "state")).partition(":")[0] == "4"
