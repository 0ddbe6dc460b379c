"""A rate against message size, per fabric: what the charts of bandwidths share."""

import math
from collections.abc import Sequence
from typing import Any

from clustermark.core.units import format_quantity, prefixed
from clustermark.reports.charts.panels import measured
from clustermark.reports.charts.sweep import Point, Sweep, encodings, faceted, records, sweep, sweep_notes
from clustermark.reports.fit import HockneyFit, fit_hockney
from clustermark.reports.links import link_rate
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import plain, shown_percent

_LINE_POINTS = 40
# A whisker or a link's ceiling further above the highest median than this is cut off: it would flatten every curve.
MOST_ABOVE = 2.0


def draw_rate(rows: Sequence[ReportRow], metric: str, name: str, title: str, ceilings: bool = False) -> Any:
    """A metric with its interval at every message size, and the model of the message behind it.

    Parameters
    ----------
    rows : any; those with the metric and a parameter ``bytes`` are drawn
    metric, name : as results name it, and as people say it ("bus bandwidth")
    title : of the chart
    ceilings : draw what the links can carry where that is known, and the fitted curves

    Returns
    -------
    altair chart, or None where no workload has both at two message sizes
    """
    data = sweep(rows, metric)
    if data is None:
        return None
    import altair as alt

    highest = max(point.metric.value for point in data.points)
    factor, unit = prefixed(highest, data.points[0].metric.unit)
    links = _links(data) if ceilings else {}
    shown_links = [rate for rate in links.values() if rate <= MOST_ABOVE * highest]
    top = max(min(max(point.metric.high for point in data.points), MOST_ABOVE * highest), *shown_links, highest)
    encode = encodings(data)
    y = alt.Y(
        "value",
        type="quantitative",
        title=f"{name} [{unit}]",
        scale=alt.Scale(zero=True, nice=True, domainMin=0, domainMax=1.05 * top / factor),
        axis=alt.Axis(tickCount=6),
    )
    values = records(data, factor)
    for record in values:
        record["top"] = min(record["high"], 1.05 * top / factor)
    fits = _fits(data) if ceilings else []
    values += [each for points, fit in fits for each in _curve(data, points, fit, factor)]
    values += [each for each in _ceiling_records(data, links, factor) if each["value"] <= top / factor]
    base = alt.Chart().encode(x=encode["x"], y=y, color=encode["color"], detail=encode["detail"])
    points = base.transform_filter("datum.kind == 'point'")
    layers = [
        points.mark_line(strokeWidth=1.5).encode(strokeDash=encode["dash"]),
        *measured(points, encode, "top"),
    ]
    if fits:
        layers.insert(0, base.transform_filter("datum.kind == 'fit'").mark_line(strokeWidth=1, opacity=0.55))
    if shown_links:
        ceiling = base.transform_filter("datum.kind == 'ceiling'")
        layers.insert(0, ceiling.mark_line(strokeWidth=2.5, opacity=0.7, strokeDash=[2, 3]))
    described = f"{title}. Highest undoubted medians: {_highest(data)}."
    notes = sweep_notes(data)
    if fits:
        worst = max(fit.max_relative_error for _, fit in fits)
        notes.insert(
            1, f"Thin curves: work ÷ (α + n/β), fitted to the times; they miss by {shown_percent(worst)} at most."
        )
    if links:
        told = "; ".join(f"{plain(fabric)} {format_quantity(rate, 'B/s')}" for fabric, rate in sorted(links.items()))
        described += f" What the links carry one way: {told}."
        notes.insert(1, f"Dotted: what the link carries one way, headers included: {told}.")
    texts = {"title": title, "description": described, "usermeta": {"notes": notes, "table": None}}
    return faceted(data, layers, values, texts)


def _links(data: Sweep) -> dict[str, float]:
    """Fabric → rate of its link, where every point that tells one tells the same."""
    found: dict[str, set[float]] = {}
    for point in data.points:
        rate = link_rate(point.row)
        if rate is not None:
            found.setdefault(point.row.case.fabric, set()).add(rate)
    return {fabric: rates.pop() for fabric, rates in found.items() if len(rates) == 1}


def _ceiling_records(data: Sweep, links: dict[str, float], factor: float) -> list[dict[str, Any]]:
    """Two ends of a line in every panel that the fabric has."""
    lines = []
    for _, panel, points in data.series():
        fabric = points[0].row.case.fabric
        if fabric in links:
            common = {"kind": "ceiling", "panel": data.panels[panel], "fabric": data.fabrics[fabric]}
            common |= {"run": points[0].row.run, "value": links[fabric] / factor}
            lines += [common | {"size": point.size} for point in (points[0], points[-1])]
    return lines


def _fits(data: Sweep) -> list[tuple[list[Point], HockneyFit]]:
    """Hockney's model of the time of a step, for each line whose work grows with the size."""
    fits = []
    for _, _, points in data.series():
        times = [point.row.row.time for point in points]
        fit = fit_hockney([point.size for point in points], [time.value for time in times if time is not None])
        if fit is not None:
            fits.append((points, fit))
    return fits


def _curve(data: Sweep, points: list[Point], fit: HockneyFit, factor: float) -> list[dict[str, Any]]:
    """The fitted rate between the first and the last size: work per byte of size, times size, over the fitted time."""
    first, last = points[0], points[-1]
    time = last.row.row.time
    assert time is not None
    per_size = last.metric.value * time.value / last.size
    common = {"kind": "fit", "panel": data.panels[first.panel], "fabric": data.fabrics[first.row.case.fabric]}
    low, high = math.log2(first.size), math.log2(last.size)
    sizes = [2 ** (low + (high - low) * index / (_LINE_POINTS - 1)) for index in range(_LINE_POINTS)]
    return [
        common | {"run": first.row.run, "size": size, "value": per_size * size / fit.seconds(size) / factor}
        for size in sizes
        if fit.seconds(size) > 0
    ]


def _highest(data: Sweep) -> str:
    best: dict[str, float] = {}
    for name, _, points in data.series():
        best[name] = max([best.get(name, 0.0), *(point.metric.value for point in points if point.row.ranked)])
    unit = data.points[0].metric.unit
    return ", ".join(f"{n} {format_quantity(value, unit) if value else 'in doubt'}" for n, value in best.items())
