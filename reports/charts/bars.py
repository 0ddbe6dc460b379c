"""Panels of horizontal bars, one line per case, for figures that have no axis but their own."""

from collections.abc import Sequence
from typing import Any

from clustermark.core.plan import SELF
from clustermark.reports.charts import style
from clustermark.reports.charts.panels import param_words, shortened, tooltip, varying
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import counted, plain

MOST_BARS, MOST_BAR_PANELS = 16, 6


def case_lines(rows: Sequence[ReportRow]) -> list[str]:
    """What tells each of these cases from the others, in a few words; different for different cases."""
    options = varying(rows)
    shapes = {(row.case.ranks, row.case.ranks_per_node) for row in rows}
    several = {name: len({getattr(row.case, name) for row in rows}) > 1 for name in ("device", "transport", "threads")}
    lines: list[str] = []
    for row in rows:
        case = row.case
        words = [plain(case.precision)]
        words += [counted(case.ranks, "rank")] if len(shapes) > 1 else []
        words += [counted(case.nodes, "node")] if case.nodes > 1 else []
        words += [plain(case.fabric)] if case.fabric != SELF else []
        words += [plain(case.device)] if several["device"] else []
        words += [plain(case.transport)] if several["transport"] else []
        words += [counted(case.threads, "thread")] if several["threads"] else []
        words += param_words(row, options)
        line = shortened(" · ".join(words), 60)
        lines.append(line if line not in lines else f"{line}  {case.id}")
    return lines


def bar_panel(
    values: list[dict[str, Any]],
    lines: Sequence[str],
    title: str,
    axis: str,
    top: float,
    more: Sequence[tuple[str, str]] = (),
    kinds: Sequence[str] = (),
    percent: bool = False,
) -> Any:
    """Bars with their figures written at the end; hollow where the figure is in doubt.

    Parameters
    ----------
    values : records with "line", "kind", "value", "label", "filled" and what `panels.facts` gives
    lines : in drawing order
    title, axis : of the panel; quantity with its unit
    top : right end of the axis
    more : further (field, title) of the tooltip
    kinds : what the bars of a line are, in order; empty for one bar a line
    percent : the axis shows shares
    """
    import altair as alt

    several = len(kinds) > 1
    names = list(kinds) or [""]
    legend = alt.Legend(orient="top", direction="horizontal", columns=4, title=None, offset=10) if several else None
    hue = style.scale_of(names, [style.colour(slot) for slot in range(len(names))])
    thick = 14 if several else 18
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y(
            "line:N",
            sort=list(lines),
            title=None,
            axis=alt.Axis(domain=False, ticks=False, labelPadding=10, grid=False),
        )
    )
    if several:
        base = base.encode(yOffset=alt.YOffset("kind:N", sort=names))
    x = alt.X(
        "value:Q",
        title=axis,
        scale=alt.Scale(domain=[0, top * 1.18], nice=False),
        axis=alt.Axis(format="%", tickCount=7) if percent else alt.Axis(tickCount=7),
    )
    layers = [
        base.mark_bar(height=thick, strokeWidth=1.5).encode(
            x=x,
            color=alt.Color("kind:N", scale=hue, legend=legend, title=None),
            stroke=alt.Stroke("kind:N", scale=hue, legend=None),
            strokeDash=alt.StrokeDash("edge", type="nominal", scale=None, legend=None),
            fillOpacity=alt.FillOpacity("opacity:Q", scale=None, legend=None),
            tooltip=tooltip(*more),
        ),
        base.mark_text(align="left", dx=7).encode(x=alt.X("value:Q"), text=alt.Text("label:N")),
    ]
    return alt.layer(*layers, title=title, width=860, height={"step": 17 if several else 27})


def looks(filled: int) -> dict[str, Any]:
    """Opacity and edge of a bar: a figure in doubt is hollow with a dotted edge."""
    return {"opacity": 0.85 if filled else 0.0, "edge": [1, 0] if filled else [2, 2]}
