"""Efficiency against ranks: what the charts of strong and of weak scaling share."""

from collections.abc import Callable, Sequence
from typing import Any

from clustermark.core.units import format_quantity
from clustermark.reports.charts import style
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import (
    MOST_PANELS,
    beside,
    doubt_note,
    facts,
    left_out_notes,
    panel_size,
    tooltip,
)
from clustermark.reports.charts.scaling_series import Series, Step
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import counted, shown_percent


def chart(rows: Sequence[ReportRow], find: Callable[[Sequence[ReportRow]], list[Series]], title: str, work: str) -> Any:
    """Efficiency against ranks, a panel per kind of work; None where no work ran on two numbers of ranks.

    Parameters
    ----------
    rows : any
    find : `strong_series` or `weak_series`
    title, work : of the chart; and what is the same on all ranks, for the notes
    """
    newest, older = latest_rows(rows)
    panels: dict[str, list[Series]] = {}
    for series in find(newest):
        panels.setdefault(series.panel, []).append(series)
    if not panels:
        return None
    import altair as alt

    kept = dict(list(panels.items())[:MOST_PANELS])
    drawn = [series for members in kept.values() for series in members]
    slots = style.slots([series.name for series in drawn], {})
    names = sorted(slots)
    legend = alt.Legend(orient="top", direction="horizontal", columns=4, title=None, offset=10)
    encode = {
        "color": alt.Color(
            "series:N",
            scale=style.scale_of(names, [style.colour(slots[n]) for n in names]),
            legend=legend,
            title=None,
        ),
        "shape": alt.Shape(
            "series:N", scale=style.scale_of(names, [style.shape(slots[n]) for n in names]), legend=legend, title=None
        ),
        "fill": alt.Fill(
            "series:N", scale=style.scale_of(names, [style.colour(slots[n]) for n in names]), legend=legend, title=None
        ),
        "dash": {name: style.dash(slots[name]) for name in names},
    }
    charts = [_panel_chart(panel, members, encode, len(kept)) for panel, members in kept.items()]
    rows_drawn = list({step.row.case.id: step.row for series in drawn for step in series.steps}.values())
    notes = [
        f"Efficiency: rate per rank, divided by the rate per rank of the fewest ranks of its line; {work}. "
        "Lines join measured points; bars are intervals of both rates together.",
        *doubt_note(rows_drawn),
        *left_out_notes(older, len(panels) - len(kept)),
        *common_notes(rows_drawn),
    ]
    texts = {
        "title": title,
        "description": _described(title, drawn),
        "usermeta": {"notes": notes, "table": _table(drawn)},
    }
    return beside(charts, texts)


def _panel_chart(panel: str, members: Sequence[Series], encode: dict[str, Any], panels: int) -> Any:
    import altair as alt

    values = [_record(series, step, encode) for series in members for step in series.steps]
    ranks = sorted({record["ranks"] for record in values})
    shown = [ranks[round(i * (len(ranks) - 1) / 9)] for i in range(10)] if len(ranks) > 10 else ranks
    top = max(1.0, *(record["high"] for record in values))
    x = alt.X(
        "ranks:Q",
        title="ranks",
        scale=alt.Scale(type="log", base=2, nice=False, padding=24),
        axis=alt.Axis(values=shown, format="d"),
    )
    y = alt.Y(
        "efficiency:Q",
        title="efficiency",
        scale=alt.Scale(domain=[0, 1.08 * top], nice=False),
        axis=alt.Axis(format="%", tickCount=6),
    )
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=x, y=y, color=encode["color"], detail=alt.Detail("series:N")
    )
    ideal = alt.Chart(alt.InlineData(values=[{"efficiency": 1.0}])).mark_rule(strokeDash=[4, 4], opacity=0.5)
    layers = [
        ideal.encode(y=y),
        base.mark_line(strokeWidth=1.5).encode(
            strokeDash=alt.StrokeDash("dash", type="nominal", scale=None, legend=None)
        ),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2=alt.Y2("high")),
        base.mark_point(size=70, strokeWidth=1.8, opacity=1).encode(
            shape=encode["shape"],
            fill=encode["fill"],
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            tooltip=tooltip(("efficiency_shown", "efficiency")),
        ),
    ]
    return alt.layer(*layers, title=panel, **panel_size(panels))


def _record(series: Series, step: Step, encode: dict[str, Any]) -> dict[str, Any]:
    return facts(step.row, step.metric) | {
        "series": series.name,
        "ranks": step.row.case.ranks,
        "efficiency": step.efficiency,
        "low": step.low,
        "high": step.high,
        "efficiency_shown": _percent_interval(step),
        "filled": 0 if step.doubtful else 1,
        "dash": encode["dash"][series.name],
    }


def _percent_interval(step: Step) -> str:
    return f"{shown_percent(step.efficiency)} ({shown_percent(step.low)} – {shown_percent(step.high)})"


def _table(drawn: Sequence[Series]) -> dict[str, Any]:
    lines = [
        [
            series.panel,
            series.name,
            str(step.row.case.ranks),
            format_quantity(step.metric.value, step.metric.unit),
            _percent_interval(step) if number else "reference",
            "in doubt" if step.doubtful else "",
        ]
        for series in drawn
        for number, step in enumerate(series.steps)
    ]
    return {"header": ["work", "series", "ranks", "rate", "efficiency", ""], "rows": lines}


def _described(title: str, drawn: Sequence[Series]) -> str:
    """Title, and the last point of each of the first lines."""
    texts = [
        f"{series.panel}, {series.name}: {shown_percent(series.steps[-1].efficiency)} on "
        f"{counted(series.steps[-1].row.case.ranks, 'rank')}" + (" (in doubt)" if series.steps[-1].doubtful else "")
        for series in drawn[:6]
    ]
    more = f"; and {counted(len(drawn) - 6, 'more line')}" if len(drawn) > 6 else ""
    return f"{title}, {counted(len(drawn), 'line')}. {'; '.join(texts)}{more}."
