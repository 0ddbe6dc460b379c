"""Strong scaling: the same work on more ranks."""

from collections.abc import Sequence
from typing import Any

from clustermark.reports.charts.scaling import chart
from clustermark.reports.charts.scaling_series import strong_series
from clustermark.reports.rows import ReportRow

TITLE = "Strong scaling: efficiency of the same work on more ranks"


def draw(rows: Sequence[ReportRow]) -> Any:
    """Parallel efficiency T(1) ÷ (p·T(p)) (Amdahl 1967), from rates.

    Parameters
    ----------
    rows : any; cases that differ in nothing but their ranks and wire, and declare the same work, are a line

    Returns
    -------
    altair chart, or None where no work ran on two numbers of ranks
    """
    return chart(rows, strong_series, TITLE, "the work of a step is the same on any number of ranks")
