"""Whether matrices fit: bytes that the ranks of a node need, against what the node has left."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from clustermark.core.errors import ClustermarkError
from clustermark.core.units import format_quantity

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Transport

# Left to the system, MPI and the interpreters.
SHARE = 0.9


def available_bytes() -> float:
    """MemAvailable of this node [B]; infinity where the system does not tell."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    except OSError:
        found = None
    return int(found[1]) * 1024.0 if found else float("inf")


def require_memory(case: Case, transport: Transport, per_rank: float, available: float | None = None) -> None:
    """End the case before anything is allocated where some node has too little; collective.

    Parameters
    ----------
    per_rank : [B] that each rank is about to allocate
    available : [B] on this node, default what it says

    Raises
    ------
    ClustermarkError : with bytes needed and available, on every rank
    """
    here = available_bytes() if available is None else available
    least = -transport.maximum(-here)  # every rank has looked before any allocates
    needed = per_rank * case.ranks_per_node
    if needed > SHARE * least:
        raise ClustermarkError(
            f"{case.label}: needs {format_quantity(needed, 'B')} on a node where {format_quantity(least, 'B')} are "
            f"available; use a smaller n or more nodes"
        )
