"""Bus bandwidth against message size, per fabric."""

from collections.abc import Sequence
from typing import Any

from clustermark.reports.charts.size_rate import draw_rate
from clustermark.reports.rows import ReportRow

TITLE = "Bus bandwidth against message size"


def draw(rows: Sequence[ReportRow]) -> Any:
    """Bus bandwidth of collectives with its interval at every message size, or None where nothing has one."""
    return draw_rate(rows, "bus_bandwidth", "bus bandwidth", TITLE)
