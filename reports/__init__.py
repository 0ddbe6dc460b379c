"""Results made readable: tables, charts, HTML, Markdown, JSON and exports; reads runs through core only."""

from collections.abc import Callable, Sequence
from typing import Any

from clustermark.reports.charts import bus_bandwidth, message_time, precision_rate
from clustermark.reports.rows import ReportRow

CHARTS: dict[str, Callable[[Sequence[ReportRow]], Any]] = {
    "message_time": message_time.draw,
    "bus_bandwidth": bus_bandwidth.draw,
    "precision_rate": precision_rate.draw,
}
