"""Errors per precision: what each check found, and what should have been conserved, with or without a speed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.counters import DISTANCE, ERROR
from clustermark.reports.charts import style
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note, left_out_notes, param_words, shortened, title_of, varying
from clustermark.reports.charts.speed_accuracy import VARIANT, error_name
from clustermark.reports.charts.sweep import SIZE
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import plain, shown_check

TITLE = "Errors per precision"
MOST_LINES = 30
# Height of one line, and width of the picture.
LINE, WIDE = 26, 560


@dataclass(frozen=True)
class Found:
    """An error of a case: of which work and kind, in which precision and variant; `bound` where a check has one."""

    row: ReportRow
    line: str
    series: str
    error: float
    bound: float | None


def draw(rows: Sequence[ReportRow]) -> Any:
    """A line per work and kind of error, a mark per precision on it, a tick where the check draws its bound.

    Parameters
    ----------
    rows : any; those that passed a check, with a speed or without, and are no messages

    Returns
    -------
    altair chart, or None where no work has errors in two precisions
    """
    newest, older = latest_rows(rows)
    lines = _lines(newest)
    if not lines:
        return None
    import altair as alt

    kept = [found for line in list(lines)[:MOST_LINES] for found in lines[line]]
    exact = min((one.error for one in kept if one.error > 0), default=1e-16) / 10
    slots = style.precision_slots([one.row.case.precision for one in kept])
    hues = {one.series: slots[one.row.case.precision] for one in kept}
    names = sorted(hues, key=lambda name: (hues[name], name))
    marks = [_record(one, exact) for one in kept]
    bounds = [one.bound for one in kept if one.bound]
    high = max([one.error or exact for one in kept] + bounds)
    legend = alt.Legend(orient="top", direction="horizontal", columns=5, title=None, offset=10)
    hue = style.scale_of(names, [style.colour(hues[name]) for name in names])
    colour = alt.Color("series", type="nominal", scale=hue, legend=legend, title=None)
    form = style.scale_of(names, [style.shape(slot) for slot in range(len(names))])
    axis = alt.Axis(
        values=[exact, *style.decade_ticks([exact * 10, high])][:: _every(exact, high)],
        labelExpr=f"datum.value < {exact * 1.01!r} ? 'exact' : format(datum.value, '.0e')",
    )
    x = alt.X(
        "error:Q",
        title="largest error found (tick: what the check allows)",
        scale=alt.Scale(type="log", nice=False, domain=[exact / 2, high * 2]),
        axis=axis,
    )
    order = list(dict.fromkeys(one.line for one in kept))
    y = alt.Y("line", type="nominal", sort=order, title=None, axis=alt.Axis(grid=True, labelLimit=0))
    base = alt.Chart(alt.InlineData(values=marks)).encode(x=x, y=y, color=colour)
    told = [("case", "case"), ("run", "run"), ("shown", "error"), ("check", "error ≤ bound"), ("doubts", "in doubt")]
    layers = [
        base.transform_filter("datum.bound > 0").mark_tick(thickness=2, size=14).encode(x=alt.X("bound:Q")),
        base.mark_point(size=80, strokeWidth=1.8, opacity=1).encode(
            shape=alt.Shape("series", type="nominal", scale=form, legend=legend, title=None),
            fill=alt.Fill("series", type="nominal", scale=hue, legend=legend, title=None),
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            tooltip=[alt.Tooltip(field, type="nominal", title=title) for field, title in told],
        ),
    ]
    drawn = list({id(one.row): one.row for one in kept}.values())
    notes = ["Each mark is the largest over the launches of a case; errors are relative unless a unit stands there."]
    notes += doubt_note(drawn) + left_out_notes(older, len(lines) - MOST_LINES) + common_notes(drawn)
    texts = {
        "title": TITLE,
        "description": f"Largest errors of {len(order)} kinds of work and error, by precision. {_described(kept)}",
        "usermeta": {"notes": notes, "table": _table([one for line in lines.values() for one in line])},
    }
    return alt.layer(*layers, width=WIDE, height=LINE * len(order), **texts)


def _lines(rows: Sequence[ReportRow]) -> dict[str, list[Found]]:
    """Work and kind of error → the largest of every series; only where two precisions differ."""
    best: dict[str, dict[str, Found]] = {}
    names: dict[str, list[str]] = {}
    for workload in {row.case.workload for row in rows}:
        names[workload] = varying([row for row in rows if row.case.workload == workload])
    for row in rows:
        for one in _errors(row, names[row.case.workload]):
            of_line = best.setdefault(one.line, {})
            if one.series not in of_line or of_line[one.series].error < one.error:
                of_line[one.series] = one
    return {
        line: list(series.values())
        for line, series in best.items()
        if len({one.row.case.precision for one in series.values()}) > 1
        and len({one.error for one in series.values()}) > 1
    }


def _errors(row: ReportRow, names: Sequence[str]) -> list[Found]:
    """Of a case that is right, by the parameters of those names."""
    check = row.row.check
    if row.row.status != "ok" or check is None or not check.passed or SIZE in row.case.params:
        return []
    params = row.case.params
    told = [name for name in names if name != VARIANT and not isinstance(params.get(name), bool)]
    work = title_of([row.case.workload, *param_words(row, told)], 44)
    variant = params.get(VARIANT) or ""
    series = shortened(" · ".join(filter(None, (plain(row.case.precision), plain(variant)))), 32)
    counters = row.row.counters
    # A distance holds the rounding that its check leaves out: the bound is not one of it.
    bound = None if DISTANCE in counters else check.bound
    kinds = [(error_name(row), counters.get(DISTANCE, check.error), bound)]
    kinds += [
        (name.removeprefix(ERROR), value, None)
        for name, value in counters.items()
        if name.startswith(ERROR) and name != DISTANCE
    ]
    return [
        Found(row, f"{work}: {shortened(plain(kind), 44)}", series, error, bound)
        for kind, error, bound in kinds
        if math.isfinite(error) and error >= 0
    ]


def _record(one: Found, exact: float) -> dict[str, Any]:
    row = one.row
    return {
        "case": plain(row.case.label),
        "run": row.run,
        "line": one.line,
        "series": one.series,
        "error": one.error or exact,
        "bound": one.bound or 0,
        "shown": f"{one.error:.2g}",
        "check": shown_check(row.row),
        "doubts": ", ".join(row.doubts) or "no",
        "filled": 0 if row.doubts else 1,
    }


def _every(exact: float, high: float) -> int:
    """Every how many ticks so that at most a dozen remain; the first, "exact", always does."""
    decades = math.log10(high / exact)
    return max(1, math.ceil((decades if decades > 3 else 3 * decades) / 12))


def _described(kept: Sequence[Found]) -> str:
    """``"md · cells=20: force: fp64 2e-14, fp32 3e-07."`` of the first lines."""
    texts: dict[str, list[str]] = {}
    for one in kept:
        texts.setdefault(one.line, []).append(f"{one.series} {one.error:.1g}")
    return " ".join(f"{line}: {', '.join(values)}." for line, values in list(texts.items())[:4])


def _table(found: Sequence[Found]) -> dict[str, Any]:
    lines = [
        [one.line, one.series, f"{one.error:.2g}" if one.error else "0", f"{one.bound:.2g}" if one.bound else ""]
        for one in found
    ]
    return {"header": ["work and error", "precision", "largest found", "allowed"], "rows": lines}
