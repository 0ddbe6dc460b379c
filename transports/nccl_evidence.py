"""Which wire NCCL chose, from what it writes itself when it connects two GPUs.

Source: NCCL user guide, "Environment Variables" (NCCL_DEBUG, NCCL_DEBUG_FILE), and NCCL's own lines, such as
``NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read`` or ``… [send] via NET/IB/0/GDRDMA``. Written from that
documentation; unmeasured. NCCL goes by its own choice, whatever fabric MPI was told to use: so the proof of MPI's
fabric does not hold for it, and what its lines say is shown as observed and never as proven.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clustermark.core.result import FabricProof

# Transports whose bytes NCCL carries, wholly or in part.
CARRIED_BY_NCCL = ("nccl", "nccl_mpi")
_LINE = re.compile(r"NCCL INFO Channel \S+ : (\d+)\[\w+\] -> (\d+)\[\w+\] (?:\[\w+\] )?via (\S+)")
_NAMES = {
    "P2P": "P2P between GPUs (NVLink or PCIe)",
    "SHM": "shared memory of the host",
    "NET/IB": "InfiniBand or RoCE",
    "NET/Socket": "TCP sockets",
}


def variables(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Variables that make NCCL write a file per process into a folder; what the user set stays."""
    wanted = {"NCCL_DEBUG": "INFO", "NCCL_DEBUG_FILE": str(folder / "nccl.%h.%p.log")}
    return {} if "NCCL_DEBUG" in given else wanted


def connections(text: str) -> Counter[str]:
    """``{"P2P": 4, "NET/IB": 2, "NET/IB/GDRDMA": 2}``: connections by wire, of one or more processes' lines."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        match = _LINE.search(line)
        if match is None:
            continue
        pieces = match[3].split("/")
        wire = "/".join(pieces[:2]) if pieces[0] == "NET" else pieces[0]
        found[wire] += 1
        if "GDRDMA" in pieces:
            found[f"{wire}/GDRDMA"] += 1
    return found


def nccl_proof(requested: str, texts: Iterable[str]) -> FabricProof:
    """What the lines of all ranks show; never a proof of the fabric that MPI was told to use."""
    found: Counter[str] = Counter()
    for text in texts:
        found += connections(text)
    wires = [wire for wire in found if not wire.endswith("GDRDMA")]
    if not wires:
        return FabricProof(requested, "NCCL's own choice, which it did not write down", "none", False)
    shown = " and ".join(_NAMES.get(wire, wire) for wire in sorted(wires))
    detail: dict[str, Any] = {"nccl connections": dict(sorted(found.items()))}
    return FabricProof(requested, f"NCCL over {shown}", "library", False, detail)


def lines_of_process(folder: Path, process: int) -> str:
    """What NCCL wrote in one process of a launch so far; "" where it wrote nothing."""
    return "".join(path.read_text(errors="replace") for path in sorted(folder.glob(f"nccl.*.{process}.log")))
