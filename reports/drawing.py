"""Charts as specifications: for the page, and for the pictures."""

from collections.abc import Sequence
from typing import Any

from clustermark.reports import CHARTS
from clustermark.reports.rows import ReportRow


def drawings(rows: Sequence[ReportRow]) -> dict[str, dict[str, Any]]:
    """Chart name → Vega-Lite specification, in the order of `CHARTS`; charts whose data lack their axes are left out."""
    drawn = {name: draw(rows) for name, draw in CHARTS.items()}
    return {name: chart.to_dict() for name, chart in drawn.items() if chart is not None}
