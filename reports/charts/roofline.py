"""The roofline model with measured roofs (Williams, Waterman & Patterson, Commun. ACM 52 (2009) 65-76)."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from clustermark.core.summary import Metric
from clustermark.core.units import format_quantity, prefixed
from clustermark.reports.charts import style
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import (
    MOST_PANELS,
    beside,
    doubt_note,
    facts,
    left_out_notes,
    panel_size,
    param_words,
    shape_words,
    shortened,
    title_of,
    tooltip,
    varying,
)
from clustermark.reports.charts.roofs import (
    BYTES,
    FLOPS,
    Point,
    Roof,
    Shape,
    attainable,
    find_roofs,
    launch_shape,
    point_of,
)
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import plain, shown_percent, spoken

TITLE = "Roofline with measured roofs"
# Letters of a name that four of fit side by side.
SHORT = 16


def draw(rows: Sequence[ReportRow]) -> Any:
    """Rates of operations against operations per byte, below the roofs that were measured in the same launch shape.

    Parameters
    ----------
    rows : any. A point is a case with a rate in flop/s and one in B/s. A flat roof is what some case names as its
        ceiling; a sloping one, too, or the rate of a workload that counts nothing but bytes, names no ceiling and has
        no message size.

    Returns
    -------
    altair chart, or None where there is no point or no roof for any
    """
    newest, older = latest_rows(rows)
    roofs: dict[Shape, list[Roof]] = {}
    for roof in find_roofs(newest):
        roofs.setdefault(launch_shape(roof.row), []).append(roof)
    points: dict[Shape, list[Point]] = {}
    for row in newest:
        point = point_of(row)
        if point is not None and launch_shape(row) in roofs:
            points.setdefault(launch_shape(row), []).append(point)
    if not points:
        return None
    kept = sorted(points, key=str)[:MOST_PANELS]
    drawn = [point for shape in kept for point in points[shape]]
    sources = [roof for shape in kept for roof in roofs[shape]]
    charts = [_panel_chart(points[shape], roofs[shape], len(kept), drawn, sources) for shape in kept]
    measured = ", ".join(dict.fromkeys(roof.source for roof in sources))
    notes = [f"Roofs, measured with the same ranks, threads and device: {measured}; the table has their figures."]
    if not any(roof.metric.unit == BYTES for roof in sources):
        notes.append("No memory bandwidth was measured, so there is no sloping roof.")
    notes.append("Bytes are those that a workload declares for a step: the least that its algorithm must move.")
    notes += doubt_note([point.row for point in drawn])
    notes += left_out_notes(older, len(points) - len(kept)) + common_notes([point.row for point in drawn])
    table = _table(kept, points, roofs)
    texts = {
        "title": TITLE,
        "description": _described(kept, points, roofs),
        "usermeta": {"notes": notes, "table": table},
    }
    return beside(charts, texts)


def _panel_chart(
    points: Sequence[Point], roofs: Sequence[Roof], panels: int, drawn: Sequence[Point], sources: Sequence[Roof]
) -> Any:
    import altair as alt

    top = max(item.metric.high for item in (*points, *roofs) if item.metric.unit == FLOPS)
    factor, unit = prefixed(top, FLOPS)
    left, right = _span(points, roofs)
    lines = [record for roof in roofs for record in _line(roof, roofs, left, right, factor, top)]
    dots = [_record(point, factor, drawn, roofs) for point in points]
    low = min([item["value"] for item in (*dots, *lines)])
    precisions = style.precision_slots([*(p.row.case.precision for p in drawn), *(r.precision for r in sources)])
    names = sorted(precisions, key=lambda name: precisions[name])
    works = list(dict.fromkeys(_work(point, drawn) for point in drawn))
    columns = 4 if max(map(len, works)) <= SHORT else 2
    legend = alt.Legend(orient="top", direction="horizontal", columns=columns, title=None, offset=10)
    hue = style.scale_of(
        [*map(plain, names), "memory"], [*(style.colour(precisions[name]) for name in names), "#828282"]
    )
    strokes = alt.Legend(
        orient="top", direction="horizontal", title=None, offset=10, symbolType="stroke", symbolStrokeWidth=3
    )
    colour = alt.Color("precision", type="nominal", scale=hue, legend=strokes, title=None)
    x = alt.X(
        "intensity:Q",
        title="operations per byte [flop/B]",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[left, right]),
        axis=alt.Axis(values=_powers_of_two(left, right), labelExpr=_FRACTION),
    )
    ticks = style.decade_ticks([low, top / factor])
    y = alt.Y(
        "value:Q",
        title=f"rate of operations [{unit}]",
        scale=alt.Scale(type="log", nice=False, domain=[low / 1.6, top / factor * 1.6]),
        axis=alt.Axis(values=ticks, labelExpr="format(datum.value, '~r')"),
    )
    roof = alt.Chart(alt.InlineData(values=lines)).encode(x=x, y=y, color=colour, detail=alt.Detail("roof:N"))
    dot = alt.Chart(alt.InlineData(values=dots)).encode(x=x, y=y, color=colour)
    shapes = style.scale_of(works, [style.shape(slot) for slot in range(len(works))])
    layers = [
        roof.mark_line(strokeWidth=2, clip=True).encode(
            strokeDash=alt.StrokeDash("dash", type="nominal", scale=None, legend=None),
            tooltip=[alt.Tooltip("roof", type="nominal", title="roof"), alt.Tooltip("shown", type="nominal")],
        ),
        dot.mark_rule(strokeWidth=1.5, clip=True).encode(y=alt.Y("low:Q"), y2=alt.Y2("high")),
        dot.mark_point(size=80, strokeWidth=1.8, opacity=1).encode(
            shape=alt.Shape("work", type="nominal", scale=shapes, legend=legend, title=None),
            fill=alt.Fill("fill", type="nominal", scale=None, legend=None),
            tooltip=tooltip(("intensity_shown", "operations per byte"), ("below", "of the roof above it")),
        ),
    ]
    labels = alt.Chart(alt.InlineData(values=_labels(roofs, left, right, factor, math.log(2.56 * top / factor / low))))
    flat, slope = (labels.transform_filter(f"datum.flat == {kind}").encode(x=x, y=y, text="text:N") for kind in (1, 0))
    layers += [
        flat.mark_text(align="right", baseline="bottom", dx=-4, dy=-5),
        slope.mark_text(align="left", baseline="top", dx=14, dy=4),
    ]
    words = shape_words(points[0].row)
    return alt.layer(*layers, title=title_of(words), **panel_size(panels))


_FRACTION = "datum.value < 1 ? '1/' + format(1 / datum.value, '~r') : format(datum.value, '~r')"


def _span(points: Sequence[Point], roofs: Sequence[Roof]) -> tuple[float, float]:
    """Left and right end: two octaves around the points and around the ridges, where slope and flat roof meet."""
    marks = [point.intensity for point in points]
    slopes = [roof.metric.value for roof in roofs if roof.metric.unit == BYTES]
    marks += [roof.metric.value / slope for roof in roofs if roof.metric.unit == FLOPS for slope in slopes]
    return 2.0 ** (math.floor(math.log2(min(marks))) - 2), 2.0 ** (math.ceil(math.log2(max(marks))) + 2)


def _powers_of_two(left: float, right: float) -> list[float]:
    first, last = math.ceil(math.log2(left)), math.floor(math.log2(right))
    step = max(math.ceil((last - first + 1) / 10), 1)
    return [2.0**power for power in range(first, last + 1, step)]


def _line(roof: Roof, roofs: Iterable[Roof], left: float, right: float, factor: float, top: float) -> list[dict]:
    """Both ends of a roof: a flat one begins at its ridge, a sloping one ends at the highest flat one."""
    roofs = list(roofs)
    slope = max((other.metric.value for other in roofs if other.metric.unit == BYTES), default=None)
    flat = [other.metric.value for other in roofs if other.metric.unit == FLOPS]
    if roof.metric.unit == FLOPS:
        start = max(roof.metric.value / slope, left) if slope else left
        ends = [(start, roof.metric.value), (right, roof.metric.value)]
    else:
        end = min(max(flat, default=top) / roof.metric.value, right)
        ends = [(left, left * roof.metric.value), (end, end * roof.metric.value)]
    return [
        {
            "intensity": at,
            "value": value / factor,
            "precision": plain(roof.precision) if roof.metric.unit == FLOPS else "memory",
            "roof": f"{roof.source} {plain(roof.precision)}",
            "shown": format_quantity(roof.metric.value, roof.metric.unit),
            "dash": [1, 0] if roof.metric.unit == FLOPS else [6, 3],
        }
        for at, value in ends
    ]


def _labels(roofs: Sequence[Roof], left: float, right: float, factor: float, height: float) -> list[dict[str, Any]]:
    """Figures above the right ends of flat roofs, unless another is too close, and below the foot of the slope."""
    found: list[dict[str, Any]] = []
    for roof in sorted(roofs, key=lambda roof: -roof.metric.value):
        flat, shown = roof.metric.unit == FLOPS, format_quantity(roof.metric.value, roof.metric.unit)
        value = roof.metric.value / factor if flat else left * roof.metric.value / factor
        text = f"{plain(roof.precision) if flat else 'memory'} {shown}"
        near = any(abs(math.log(other["value"] / value)) < height / 15 for other in found)
        if not near:
            found.append(
                {
                    "intensity": right if flat else left,
                    "value": value,
                    "text": shortened(text, 30),
                    "flat": 1 if flat else 0,
                }
            )
    return found


def _work(point: Point, drawn: Sequence[Point]) -> str:
    mine = [other.row for other in drawn if other.row.case.workload == point.row.case.workload]
    return shortened(" ".join([spoken(point.row.case.workload), *param_words(point.row, varying(mine))]), 40)


def _record(point: Point, factor: float, drawn: Sequence[Point], roofs: Sequence[Roof]) -> dict[str, Any]:
    limit = attainable(point, roofs)
    precision = point.row.case.precision
    slots = style.precision_slots([precision, *(other.row.case.precision for other in drawn)])
    return facts(point.row, point.metric) | {
        "intensity": point.intensity,
        "intensity_shown": f"{point.intensity:.3g} flop/B",
        "value": point.metric.value / factor,
        "low": point.metric.low / factor,
        "high": point.metric.high / factor,
        "precision": plain(precision),
        "work": _work(point, drawn),
        "fill": "transparent" if point.row.doubts else style.colour(slots[precision]),
        "below": shown_percent(point.metric.value / limit if limit else None),
    }


def _table(kept: Sequence[Shape], points: dict[Shape, list[Point]], roofs: dict[Shape, list[Roof]]) -> dict[str, Any]:
    lines = []
    for shape in kept:
        where = title_of(shape_words(points[shape][0].row))
        for roof in roofs[shape]:
            precision = roof.precision if roof.metric.unit == FLOPS else "any"
            lines.append([where, f"roof {roof.source}", precision, "", _shown(roof.metric), ""])
        for point in points[shape]:
            limit = attainable(point, roofs[shape])
            share = shown_percent(point.metric.value / limit if limit else None)
            label = plain(point.row.case.label)
            lines.append(
                [where, label, point.row.case.precision, f"{point.intensity:.3g}", _shown(point.metric), share]
            )
    return {"header": ["launch", "case", "precision", "flop/B", "rate", "of its roof"], "rows": lines}


def _shown(metric: Metric) -> str:
    return format_quantity(metric.value, metric.unit)


def _described(kept: Sequence[Shape], points: dict[Shape, list[Point]], roofs: dict[Shape, list[Roof]]) -> str:
    texts = []
    for shape in kept[:3]:
        flat = [f"{r.source} {r.precision} {_shown(r.metric)}" for r in roofs[shape]]
        texts.append(f"{title_of(shape_words(points[shape][0].row))}: roofs {', '.join(map(plain, flat))}")
    total = sum(len(points[shape]) for shape in kept)
    return f"Rate of operations against operations per byte, {total} cases below measured roofs. {'; '.join(texts)}."
