"""What a link can carry at most, as far as a row's evidence tells."""

import re

from clustermark.core.result import LINK_RATE, FabricProof
from clustermark.reports.rows import ReportRow

_EMULATED = re.compile(r"^emulated network: .*?([\d.]+) Gbit/s")


def link_rate(row: ReportRow) -> float | None:
    """[B/s] one way: the emulated rate, else what the proof found of the link that carried the bytes; None if neither.

    Headers travel on the link too: payload stays some per cent below.
    """
    for condition in row.row.conditions:
        match = _EMULATED.match(condition)
        if match:
            return float(match[1]) * 1e9 / 8
        if condition.startswith("emulated network"):
            return None  # what the interfaces of an emulated network say of themselves is not its rate
    return _proven_rate(row.row.fabric)


def _proven_rate(proof: FabricProof) -> float | None:
    rate = proof.detail.get(LINK_RATE)
    return float(rate) if proof.proven and isinstance(rate, int | float) and rate > 0 else None
