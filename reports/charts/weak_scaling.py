"""Weak scaling: the same work per rank on more ranks."""

from collections.abc import Sequence
from typing import Any

from clustermark.reports.charts.scaling import chart
from clustermark.reports.charts.scaling_series import weak_series
from clustermark.reports.rows import ReportRow

TITLE = "Weak scaling: efficiency of the same work per rank on more ranks"


def draw(rows: Sequence[ReportRow]) -> Any:
    """Scaled efficiency T(1) ÷ T(p) (Gustafson 1988), from rates per rank.

    Parameters
    ----------
    rows : any; cases whose declared work per rank is within a tenth of each other's are a line

    Returns
    -------
    altair chart, or None where no work ran on two numbers of ranks
    """
    return chart(rows, weak_series, TITLE, "the work of a step grows with the ranks")
