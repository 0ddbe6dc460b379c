"""Whether matrices fit on the nodes that a case runs on: asked before anything is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.errors import ClustermarkError
from clustermark.core.memory import available_bytes, refuse_memory

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Transport


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
    reason = refuse_memory(per_rank * case.ranks_per_node, least)
    if reason:
        raise ClustermarkError(f"{case.label}: {reason}")
