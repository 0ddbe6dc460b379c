"""Time against message size, log-log, per fabric, with the fitted line t = α + n/β."""

import math
from collections.abc import Sequence
from typing import Any

from clustermark.core.units import format_quantity
from clustermark.reports.charts import style
from clustermark.reports.charts.panels import measured
from clustermark.reports.charts.sweep import Sweep, encodings, faceted, records, sweep, sweep_notes
from clustermark.reports.fit import HockneyFit, fit_hockney
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import shown_percent

TITLE = "Time against message size"
_LINE_POINTS = 33


def draw(rows: Sequence[ReportRow]) -> Any:
    """Median time with its interval at every message size, and Hockney's line through each series.

    Parameters
    ----------
    rows : any; those with a parameter ``bytes`` are drawn

    Returns
    -------
    altair chart, or None where no workload was run at two message sizes
    """
    data = sweep(rows, "time")
    if data is None:
        return None
    import altair as alt

    values = records(data)
    fits = _fits(data)
    for record_of_line, fit in fits:
        values += _line(record_of_line, fit)
    encode = encodings(data)
    ticks = style.decade_ticks([value for record in values for value in (record["low"], record["high"])])
    lows, highs = [record["low"] for record in values], [record["high"] for record in values]
    y = alt.Y(
        "value",
        type="quantitative",
        title="time of one step",
        scale=alt.Scale(type="log", base=10, nice=False, padding=10, domain=[min(lows) / 1.15, max(highs) * 1.15]),
        axis=alt.Axis(values=ticks, labelExpr=style.TIME_LABEL),
    )
    base = alt.Chart().encode(x=encode["x"], y=y, color=encode["color"], detail=encode["detail"])
    points = base.transform_filter("datum.kind == 'point'")
    layers = [
        base.transform_filter("datum.kind == 'fit'").mark_line(strokeWidth=1.5).encode(strokeDash=encode["dash"]),
        *measured(points, encode, "high"),
    ]
    worst = max((fit.max_relative_error for _, fit in fits), default=None)
    described = f"Time of one step against message size on logarithmic axes for {_series_text(data)}."
    notes = sweep_notes(data)
    if worst is not None:
        described += f" Lines are t = α + n/β; they miss a point by at most {shown_percent(worst)}."
        notes.insert(
            1, "Lines: t = α + n/β, least squares of the relative error; the table says how far a line misses."
        )
    texts = {
        "title": TITLE,
        "description": described,
        "usermeta": {"notes": notes, "table": _table(data, fits)},
    }
    return faceted(data, layers, values, texts)


def _series_text(data: Sweep) -> str:
    return ", ".join(dict.fromkeys(name for name, _, _ in data.series()))


def _fits(data: Sweep) -> list[tuple[dict[str, Any], HockneyFit]]:
    fits = []
    dashes = data.dashes()
    for name, panel, points in data.series():
        fit = fit_hockney([point.size for point in points], [point.metric.value for point in points])
        if fit is not None:
            first = points[0]
            fits.append(
                (
                    {
                        "kind": "fit",
                        "panel": data.panels[panel],
                        "fabric": data.fabrics[first.row.case.fabric],
                        "run": first.row.run,
                        "dash": dashes[first.row.run if len(data.runs) > 1 else first.row.case.fabric],
                        "name": name,
                        "from": first.size,
                        "to": points[-1].size,
                    },
                    fit,
                )
            )
    return fits


def _line(record: dict[str, Any], fit: HockneyFit) -> list[dict[str, Any]]:
    first, last = math.log2(record["from"]), math.log2(record["to"])
    line = []
    for index in range(_LINE_POINTS):
        size = 2 ** (first + (last - first) * index / (_LINE_POINTS - 1))
        seconds = fit.seconds(size)
        if seconds > 0:
            kept = {key: record[key] for key in ("kind", "panel", "fabric", "run", "dash")}
            line.append({**kept, "size": size, "value": seconds, "low": seconds, "high": seconds})
    return line


def _table(data: Sweep, fits: Sequence[tuple[dict[str, Any], HockneyFit]]) -> dict[str, Any] | None:
    if not fits:
        return None
    several = len(data.panels) > 1
    header = [*(["panel"] if several else []), "fabric", "α", "β", "largest relative error"]
    lines = []
    for record, fit in fits:
        beta = format_quantity(fit.beta, "B/s") if math.isfinite(fit.beta) else "∞"
        panel = [record["panel"]] if several else []
        lines.append(
            [*panel, record["name"], format_quantity(fit.alpha, "s"), beta, shown_percent(fit.max_relative_error)]
        )
    return {"header": header, "rows": lines}
