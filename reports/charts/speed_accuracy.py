"""Speed against error: which precision and which variant buy exactness with time, and which are beaten in both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.counters import DISTANCE, ERROR
from clustermark.core.plan import SELF
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
)
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import plain, shown_param, spoken

TITLE = "Speed against error"
# A parameter of this name chooses between ways to do the same work; all others say which work.
VARIANT = "variant"
# Errors for which the fastest way is named, the largest first.
STATED = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-9, 1e-12, 1e-14, 1e-16)
_FRONT, _DOMINATED, _DOUBTFUL = "on the front", "dominated", "in doubt"


@dataclass(frozen=True)
class Point:
    """A speed with the error found, rounding included; `state` is its place, which only undoubted figures have."""

    row: ReportRow
    metric: Metric
    error: float
    series: str
    state: str = _DOUBTFUL


def draw(rows: Sequence[ReportRow]) -> Any:
    """The rate against the largest error found, per kind of work; hollow where another point is better in both.

    Parameters
    ----------
    rows : any; those with a rate and a check that allows an error are drawn

    Returns
    -------
    altair chart, or None where no work was done with two different errors
    """
    newest, older = latest_rows(rows)
    panels = _panels(newest)
    if not panels:
        return None
    import altair as alt

    kept = panels[:MOST_PANELS]
    drawn = [point for panel in kept for point in panel]
    precisions = style.precision_slots([point.row.case.precision for point in drawn])
    hues = {point.series: precisions[point.row.case.precision] for point in drawn}
    names = sorted(hues, key=lambda name: (hues[name], name))
    legend = alt.Legend(orient="top", direction="horizontal", columns=4, title=None, offset=10)
    hue = style.scale_of(names, [style.colour(hues[name]) for name in names])
    form = style.scale_of(names, [style.shape(slot) for slot in range(len(names))])
    encode = {
        "color": alt.Color("series", type="nominal", scale=hue, legend=legend, title=None),
        "shape": alt.Shape("series", type="nominal", scale=form, legend=legend, title=None),
        "fill": alt.Fill("series", type="nominal", scale=hue, legend=legend, title=None),
    }
    charts = [_panel_chart(panel, encode, len(kept)) for panel in kept]
    rows_drawn = [point.row for point in drawn]
    counts = {state: sum(point.state == state for point in drawn) for state in (_FRONT, _DOMINATED)}
    notes = [
        "Better is up and to the left. Filled, on the line: nothing else is both as fast and as exact; hollow: "
        "another point is faster and at least as exact, or as fast and more exact.",
        *doubt_note(rows_drawn, "Hollow with a dotted edge"),
        *left_out_notes(older, len(panels) - len(kept)),
        *common_notes(rows_drawn),
    ]
    described = (
        f"Rate against the largest error found. {counts[_FRONT]} of {len(drawn)} points are on the front, "
        f"{counts[_DOMINATED]} dominated, {len(drawn) - sum(counts.values())} in doubt. {_fronts(kept)}"
    )
    texts = {"title": TITLE, "description": described, "usermeta": {"notes": notes, "table": qualified(panels)}}
    return beside(charts, texts)


def qualified(panels: Sequence[Sequence[Point]]) -> dict[str, Any]:
    """Table of the fastest undoubted way to each stated error, per kind of work: accuracy-qualified rates.

    A way that is the fastest for several stated errors stands once, at the smallest of them.
    """
    lines = []
    for panel in panels:
        found: dict[int, float] = {}
        for stated in STATED:
            sure = [place for place, point in enumerate(panel) if point.row.ranked and point.error <= stated]
            if sure:
                found[max(sure, key=lambda place: panel[place].metric.value)] = stated
        for place, stated in found.items():
            metric = panel[place].metric
            rate = format_quantity(metric.value, metric.unit)
            lines.append([_title(panel), f"{stated:.0e}", panel[place].series, rate, f"{panel[place].error:.2g}"])
    return {"header": ["work", "error at most", "fastest way", "rate", "its error"], "rows": lines}


def _panels(rows: Sequence[ReportRow]) -> list[list[Point]]:
    """Points of the same work and check, placed; only where their errors differ."""
    groups: dict[tuple[Any, ...], list[tuple[ReportRow, Metric, float]]] = {}
    for row in rows:
        headline, check = row.headline, row.row.check
        metric = row.speed(headline.name) if headline else None
        if metric is None or check is None:
            continue
        error = row.row.counters.get(DISTANCE, check.error)
        if math.isfinite(error) and error >= 0:
            groups.setdefault(_work(row, metric), []).append((row, metric, error))
    chosen = [group for group in groups.values() if len({error for _, _, error in group}) > 1]
    aspects = _varying_aspects([row for group in chosen for row, _, _ in group])
    return [
        placed([Point(row, metric, error, _series(row, aspects)) for row, metric, error in group]) for group in chosen
    ]


def _work(row: ReportRow, metric: Metric) -> tuple[Any, ...]:
    """What must be equal for two speeds to be of the same work under the same check."""
    case = row.case
    params = sorted((n, str(v)) for n, v in case.params.items() if n != VARIANT and not isinstance(v, bool))
    name = error_name(row)
    shape = (case.ranks, case.ranks_per_node, case.threads)
    return (case.workload, case.version, metric.name, metric.unit, name, shape, tuple(params), row.row.fingerprints)


def error_name(row: ReportRow) -> str:
    """What the error of a point is: the distance from float64 where it is told, else what the check compares."""
    check = row.row.check
    return DISTANCE.removeprefix(ERROR) if DISTANCE in row.row.counters else check.name if check else ""


def _varying_aspects(rows: Sequence[ReportRow]) -> list[str]:
    found = []
    for name, value in (
        ("device", lambda row: row.case.device),
        ("transport", lambda row: row.case.transport),
        ("fabric", lambda row: row.case.fabric if row.case.fabric != SELF else None),
    ):
        if len({value(row) for row in rows} - {None}) > 1:
            found.append(name)
    options = dict.fromkeys(n for row in rows for n, v in row.case.params.items() if n == VARIANT or v in (True, False))
    return found + [
        name
        for name in options
        if len({str(row.case.params[name]) for row in rows if isinstance(row.case.params.get(name), bool | str)}) > 1
    ]


def _series(row: ReportRow, aspects: Sequence[str]) -> str:
    case = row.case
    words = [plain(case.precision)]
    for aspect in aspects:
        if aspect in ("device", "transport", "fabric"):
            value = getattr(case, aspect)
            words += [plain(value)] if value != SELF else []
        elif aspect in case.params and isinstance(case.params[aspect], bool | str):
            value = case.params[aspect]
            words += [plain(value) if aspect == VARIANT else shown_param(aspect, value)] if value != "" else []
    return shortened(" · ".join(words), 48)


def placed(points: Sequence[Point]) -> list[Point]:
    """The points with their state: a point is dominated if an undoubted one is no slower, no less exact, and not equal.

    A figure in doubt is shown without a place and takes nobody else's.
    """
    sure = [point for point in points if point.row.ranked]
    found = []
    for point in points:
        state = _DOUBTFUL
        if point.row.ranked:
            beaten = any(
                other.metric.value >= point.metric.value
                and other.error <= point.error
                and (other.metric.value, other.error) != (point.metric.value, point.error)
                for other in sure
            )
            state = _DOMINATED if beaten else _FRONT
        found.append(Point(point.row, point.metric, point.error, point.series, state))
    return found


def _panel_chart(points: Sequence[Point], encode: dict[str, Any], panels: int) -> Any:
    import altair as alt

    factor, unit = prefixed(max(point.metric.value for point in points), points[0].metric.unit)
    positive = [point.error for point in points if point.error > 0]
    exact = min(positive) / 30  # where an error of 0 stands on a logarithmic axis
    shown = [point.error or exact for point in points]
    values = [_record(point, at, factor) for point, at in zip(points, shown, strict=True)]
    low, high = min(shown), max(shown)
    ticks = _error_ticks(min(positive), high)
    ticks = [exact, *ticks] if low == exact else ticks
    first = points[0]
    axis = alt.Axis(
        values=ticks,
        labelExpr=f"datum.value < {exact * 1.01!r} ? 'exact' : format(datum.value, '.0e')"
        if low == exact
        else "format(datum.value, '.0e')",
    )
    x = alt.X(
        "error:Q",
        title=f"largest error found: {shortened(plain(error_name(first.row)), 50)}",
        scale=alt.Scale(type="log", nice=False, domain=[low / 3, high * 3]),
        axis=axis,
    )
    y = alt.Y(
        "value:Q",
        title=f"{spoken(first.metric.name)} [{unit}]",
        scale=alt.Scale(zero=True, nice=True, domainMax=1.08 * max(point.metric.high for point in points) / factor),
        axis=alt.Axis(tickCount=5),
    )
    base = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=y)
    front = base.transform_filter(f"datum.state == '{_FRONT}'")
    layers = [
        front.mark_line(interpolate="step-after", strokeWidth=1.2, opacity=0.5).encode(color=alt.value("#828282")),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2=alt.Y2("high"), color=encode["color"]),
        base.mark_point(size=80, strokeWidth=1.8, opacity=1).encode(
            color=encode["color"],
            shape=encode["shape"],
            fill=encode["fill"],
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            strokeDash=alt.StrokeDash("edge", type="nominal", scale=None, legend=None),
            tooltip=tooltip(("state", "place")),
        ),
    ]
    return alt.layer(*layers, title=_title(points), **panel_size(panels))


def _title(points: Sequence[Point]) -> str:
    row = points[0].row
    names = [n for n, value in row.case.params.items() if n != VARIANT and not isinstance(value, bool)]
    return title_of([row.case.workload, *shape_words(row), *param_words(row, names)])


def _error_ticks(low: float, high: float) -> list[float]:
    """At most seven powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(math.ceil((last - first + 1) / 7), 1)
    return [float(f"1e{power}") for power in range(first, last + 1, step)]


def _record(point: Point, at: float, factor: float) -> dict[str, Any]:
    return facts(point.row, point.metric) | {
        "series": point.series,
        "state": point.state,
        "error": at,
        "value": point.metric.value / factor,
        "low": point.metric.low / factor,
        "high": point.metric.high / factor,
        "filled": 1 if point.state == _FRONT else 0,
        "edge": [2, 2] if point.state == _DOUBTFUL else [1, 0],
    }


def _fronts(panels: Sequence[Sequence[Point]]) -> str:
    """``"gemm · 1 rank: on the front fp64, fp32."`` for the first panels."""
    texts = []
    for panel in panels[:4]:
        names = dict.fromkeys(point.series for point in panel if point.state == _FRONT)
        texts.append(f"{_title(panel)}: on the front {', '.join(names) or 'nothing undoubted'}.")
    return " ".join(texts)
