"""Headline rate per precision beside the ceiling that was measured on the same machine."""

from collections.abc import Sequence
from typing import Any

from clustermark.core.summary import Metric
from clustermark.core.units import format_quantity, prefixed
from clustermark.reports.charts import style
from clustermark.reports.charts.bars import looks
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note
from clustermark.reports.rows import MOST_RUNS_DRAWN, NOT_VERIFIED, ReportRow, newest_runs
from clustermark.reports.text import counted, plain, shown_interval, shown_param, shown_percent, spoken

TITLE = "Rate per precision and share of the measured ceiling"
MOST_PANELS = 12
Measured = tuple[ReportRow, Metric]


def draw(rows: Sequence[ReportRow]) -> Any:
    """A bar per precision and parameter, its interval, and the ceiling as a tick.

    Parameters
    ----------
    rows : any; those of workloads that name a ceiling are drawn

    Returns
    -------
    altair chart, or None where no workload names one
    """
    newest, older = newest_runs(rows)
    panels: dict[tuple[object, ...], list[Measured]] = {}
    for row in newest:
        headline = row.headline
        metric = row.speed(headline.name) if headline and row.row.ceiling else None
        if metric is not None:
            panels.setdefault(_panel(row, metric), []).append((row, metric))
    if not panels:
        return None
    import altair as alt

    kept = sorted(panels)[:MOST_PANELS]
    drawn = [row for key in kept for row, _ in panels[key]]
    runs = list(dict.fromkeys(row.run for row in sorted(drawn, key=lambda row: (row.created_utc, row.run))))
    charts = [_panel_chart(_title(key, kept) + _doubt(panels[key]), panels[key], runs) for key in kept]
    notes = _notes(drawn)
    if older:
        notes.append(f"Drawn are the newest {MOST_RUNS_DRAWN} runs; {counted(older, 'older run')} in the table only.")
    if len(panels) > len(kept):
        notes.append(f"{len(panels) - len(kept)} more combinations are in the table only.")
    texts = {
        "title": TITLE,
        "description": _described(drawn),
        "usermeta": {"notes": notes, "table": None},
    }
    return alt.vconcat(*charts, spacing=28, **texts).resolve_scale(color="shared")


def _panel(row: ReportRow, metric: Metric) -> tuple[object, ...]:
    case = row.case
    shape = (case.ranks, case.ranks_per_node, case.threads)
    return (case.workload, metric.name, metric.unit, case.device, case.transport, case.fabric, shape)


def _title(key: tuple[Any, ...], keys: Sequence[tuple[Any, ...]]) -> str:
    workload, _, _, device, transport, fabric, (ranks, per_node, threads) = key
    words = [spoken(workload), counted(ranks, "rank")]
    words += [counted(-(-ranks // per_node), "node")] if per_node < ranks else []
    words += [counted(threads, "thread")] if threads > 1 else []
    words += [plain(device)] if device != "cpu" or len({other[3] for other in keys}) > 1 else []
    words += [plain(transport)] if len({other[4] for other in keys}) > 1 else []
    words += [plain(fabric)] if ranks > 1 else []
    return " · ".join(words)


def _doubt(members: Sequence[Measured]) -> str:
    return " — fabric NOT verified" if any(row.fabric_proof == NOT_VERIFIED for row, _ in members) else ""


def _panel_chart(title: str, members: Sequence[Measured], runs: Sequence[str]) -> Any:
    import altair as alt

    varying = _varying(members)
    several = len(runs) > 1
    ordered = sorted(members, key=lambda member: _order(member[0]))
    lines = list(dict.fromkeys(_line(row, varying) for row, _ in ordered))
    tops = [value for row, metric in members for value in (metric.high, row.ceiling.value if row.ceiling else 0.0)]
    factor, unit = prefixed(max(tops), members[0][1].unit)
    values = [_record(row, metric, varying, factor) for row, metric in ordered]
    step = 30 if not several else 16
    slots = style.precision_slots([row.case.precision for row, _ in members])
    names = sorted(slots, key=lambda name: slots[name])
    if several:
        hue_field, hue_scale = "run", style.scale_of(runs, [style.colour(slot) for slot in range(len(runs))])
    else:
        hue_field, hue_scale = "precision", style.scale_of(names, [style.colour(slots[name]) for name in names])
    legend = alt.Legend(orient="top", direction="vertical", columns=2, title=None) if several else None
    hue = alt.Color(hue_field, type="nominal", scale=hue_scale, legend=legend)
    x = alt.X(
        "value:Q",
        title=f"{spoken(members[0][1].name)} [{unit}]",
        scale=alt.Scale(domain=[0, max(tops) / factor * 1.16], nice=False),
        axis=alt.Axis(tickCount=7),
    )
    y = alt.Y("line:N", sort=lines, title=None, axis=alt.Axis(domain=False, ticks=False, labelPadding=10, grid=False))
    base = alt.Chart(alt.InlineData(values=values)).encode(y=y)
    if several:
        base = base.encode(yOffset=alt.YOffset("run:N", sort=list(runs)))
    tooltip = [
        alt.Tooltip(f"{field}:N", title=name)
        for field, name in (
            *(("case", "case"), ("run", "run"), ("shown", "median (interval)"), ("ceiling_shown", "ceiling")),
            *(("share", "share of ceiling"), ("conditions", "conditions")),
        )
    ]
    thick = 16 if not several else 11
    layers = [
        base.mark_bar(height=thick, strokeWidth=1.5).encode(
            x=x,
            color=hue,
            stroke=alt.Stroke(hue_field, type="nominal", scale=hue_scale, legend=None),
            strokeDash=alt.StrokeDash("edge", type="nominal", scale=None, legend=None),
            fillOpacity=alt.FillOpacity("opacity:Q", scale=None, legend=None),
            tooltip=tooltip,
        ),
        base.mark_rule(strokeWidth=1.6).encode(x=alt.X("low:Q"), x2=alt.X2("high")),
        base.transform_filter("datum.ceiling > 0")
        .mark_tick(thickness=2.5, size=thick + 8)
        .encode(x=alt.X("ceiling:Q")),
        base.mark_text(align="left", dx=7).encode(x=alt.X("end:Q"), text=alt.Text("share:N")),
    ]
    return alt.layer(*layers, title=title, width=960, height={"step": step})


def _order(row: ReportRow) -> tuple[Any, ...]:
    place = style.precision_slots([row.case.precision])[row.case.precision]
    return (place, row.case.precision, [(name, str(type(v)), v) for name, v in sorted(row.case.params.items())])


def _varying(members: Sequence[Measured]) -> list[str]:
    """Names of the parameters in which the cases of a panel differ."""
    names = dict.fromkeys(name for row, _ in members for name in row.case.params)
    return [name for name in names if len({row.case.params.get(name) for row, _ in members}) > 1]


def _line(row: ReportRow, varying: Sequence[str]) -> str:
    words = [shown_param(name, row.case.params[name]) for name in varying if name in row.case.params]
    return "  ".join([plain(row.case.precision), *words])


def _record(row: ReportRow, metric: Metric, varying: Sequence[str], factor: float) -> dict[str, Any]:
    ceiling = row.ceiling.value / factor if row.ceiling else 0.0
    return {
        "line": _line(row, varying),
        "precision": row.case.precision,
        "run": row.run,
        "value": metric.value / factor,
        "low": metric.low / factor,
        "high": metric.high / factor,
        "ceiling": ceiling,
        "end": max(ceiling, metric.high / factor),
        "share": shown_percent(row.share_of_ceiling) if row.ceiling else "ceiling not measured",
        "case": plain(row.case.label),
        "shown": f"{format_quantity(metric.value, metric.unit)} "
        f"({shown_interval(metric.value, metric.low, metric.high, metric.unit)})",
        "ceiling_shown": format_quantity(row.ceiling.value, row.ceiling.unit) if row.ceiling else "not measured",
        "conditions": plain("; ".join(row.row.conditions)) or "none",
        **looks(0 if row.doubts else 1),
    }


def _notes(rows: Sequence[ReportRow]) -> list[str]:
    ceilings = sorted({plain(row.row.ceiling) for row in rows})
    found = sum(row.ceiling is not None for row in rows)
    notes = [
        f"Upright tick: {', '.join(ceilings)}, measured in the same run with the same precision, ranks, threads and "
        f"device; the figure beside it is the share reached."
    ]
    if found < len(rows):
        notes.append(f"No ceiling was measured for {counted(len(rows) - found, 'case')}.")
    return notes + doubt_note(rows, "Hollow bars") + common_notes(rows)


def _described(rows: Sequence[ReportRow]) -> str:
    best: dict[str, tuple[float, str]] = {}
    for row in rows:
        metric = row.headline
        if metric is not None and row.ranked and metric.value > best.get(row.case.precision, (0.0, ""))[0]:
            share = f", {shown_percent(row.share_of_ceiling)} of its ceiling" if row.ceiling else ""
            best[row.case.precision] = (metric.value, f"{format_quantity(metric.value, metric.unit)}{share}")
    listed = "; ".join(f"{plain(precision)} {text}" for precision, (_, text) in best.items()) or "all are in doubt"
    return f"Bars of the rate per precision with the measured ceiling as a tick. Highest undoubted medians: {listed}."
