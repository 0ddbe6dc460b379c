"""Bus bandwidth against message size, per fabric."""

from collections.abc import Sequence
from typing import Any

from clustermark.core.units import format_quantity, prefixed
from clustermark.reports.charts.sweep import Sweep, encodings, faceted, records, sweep, sweep_notes
from clustermark.reports.rows import ReportRow

TITLE = "Bus bandwidth against message size"
METRIC = "bus_bandwidth"


def draw(rows: Sequence[ReportRow]) -> Any:
    """Bus bandwidth with its interval at every message size.

    Parameters
    ----------
    rows : any; those with the metric ``bus_bandwidth`` and a parameter ``bytes`` are drawn

    Returns
    -------
    altair chart, or None where no workload has both at two message sizes
    """
    data = sweep(rows, METRIC)
    if data is None:
        return None
    import altair as alt

    factor, unit = prefixed(max(point.metric.value for point in data.points), data.points[0].metric.unit)
    encode = encodings(data)
    top = max(point.metric.high for point in data.points) / factor
    y = alt.Y(
        "value",
        type="quantitative",
        title=f"bus bandwidth [{unit}]",
        scale=alt.Scale(zero=True, nice=True, domainMax=1.05 * top),
        axis=alt.Axis(tickCount=6),
    )
    base = alt.Chart().encode(x=encode["x"], y=y, color=encode["color"], detail=encode["detail"])
    layers = [
        base.mark_line(strokeWidth=1.5).encode(strokeDash=encode["dash"]),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2=alt.Y2("high")),
        base.mark_point(size=46, strokeWidth=1.6, opacity=1).encode(
            shape=encode["shape"],
            fill=encode["fill"],
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            tooltip=encode["tooltip"],
        ),
    ]
    described = f"Bus bandwidth against message size. Highest undoubted medians: {_highest(data)}."
    texts = {"title": TITLE, "description": described, "usermeta": {"notes": sweep_notes(data), "table": None}}
    return faceted(data, layers, records(data, factor), texts)


def _highest(data: Sweep) -> str:
    best: dict[str, float] = {}
    for name, _, points in data.series():
        best[name] = max([best.get(name, 0.0), *(point.metric.value for point in points if point.row.ranked)])
    unit = data.points[0].metric.unit
    return ", ".join(f"{n} {format_quantity(value, unit) if value else 'in doubt'}" for n, value in best.items())
