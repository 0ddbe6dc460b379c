"""Results made readable: tables, charts, HTML, Markdown, JSON and exports; reads runs through core only."""

from collections.abc import Callable, Sequence
from typing import Any

from clustermark.reports.charts import (
    bus_bandwidth,
    communication_share,
    cost,
    energy,
    forest,
    history,
    message_bandwidth,
    message_time,
    precision_errors,
    precision_rate,
    rank_pairs,
    rent_or_buy,
    roofline,
    speed_accuracy,
    strong_scaling,
    weak_scaling,
)
from clustermark.reports.rows import ReportRow

# In the order of the page: what changed, the wire, the cores, the applications, the bill, the past.
CHARTS: dict[str, Callable[[Sequence[ReportRow]], Any]] = {
    "forest": forest.draw,
    "message_time": message_time.draw,
    "bus_bandwidth": bus_bandwidth.draw,
    "message_bandwidth": message_bandwidth.draw,
    "rank_pairs": rank_pairs.draw,
    "precision_rate": precision_rate.draw,
    "speed_accuracy": speed_accuracy.draw,
    "precision_errors": precision_errors.draw,
    "roofline": roofline.draw,
    "strong_scaling": strong_scaling.draw,
    "weak_scaling": weak_scaling.draw,
    "communication_share": communication_share.draw,
    "energy": energy.draw,
    "cost": cost.draw,
    "rent_or_buy": rent_or_buy.draw,
    "history": history.draw,
}
