"""Bandwidth of messages between ranks against their size, per fabric, with its model and what the links can carry."""

from collections.abc import Sequence
from typing import Any

from clustermark.core.plan import SELF
from clustermark.reports.charts.size_rate import draw_rate
from clustermark.reports.rows import ReportRow

TITLE = "Bandwidth of messages against their size"


def draw(rows: Sequence[ReportRow]) -> Any:
    """Bandwidth of messages with its interval at every message size, or None where nothing crosses a wire."""
    on_wire = [row for row in rows if row.case.fabric != SELF and row.row.metric("message_rate") is not None]
    return draw_rate(on_wire, "bandwidth", "bandwidth", TITLE, ceilings=True)
