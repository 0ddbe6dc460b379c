"""Whether a case fits in the memory of a node: the same sentence where it is planned and where it runs."""

from __future__ import annotations

import re
from pathlib import Path

from clustermark.core.units import format_quantity

# The rest is left to the system, MPI and the interpreters.
SHARE = 0.9


def available_bytes() -> float:
    """MemAvailable of this node [B]; infinity where the system does not tell."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    except OSError:
        found = None
    return int(found[1]) * 1024.0 if found else float("inf")


def refuse_memory(needed: float, available: float) -> str:
    """ "" or the end of a sentence where a node has too little.

    Parameters
    ----------
    needed, available : [B] of all ranks of a node, and of the node
    """
    if needed <= SHARE * available:
        return ""
    return (
        f"needs {format_quantity(needed, 'B')} on a node where {format_quantity(available, 'B')} are available; "
        f"use a smaller size or more nodes"
    )
