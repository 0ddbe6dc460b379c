"""The speed of each case over many runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.summary import Metric
from clustermark.core.units import prefixed
from clustermark.reports.charts import style
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import MOST_PANELS, beside, doubt_note, facts, panel_size, shortened, tooltip
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import counted, plain, spoken

TITLE = "History of each case"
LEAST_RUNS = 3


@dataclass(frozen=True)
class Event:
    """A run of a case: `metric` is None where it had no speed; `era` counts the changes of environment before it."""

    row: ReportRow
    place: int
    metric: Metric | None
    era: int


@dataclass(frozen=True)
class Series:
    """A case over the runs; `change` is the largest relative distance of an undoubted value from their median."""

    events: tuple[Event, ...]
    change: float

    @property
    def label(self) -> str:
        """Of the case."""
        return plain(self.events[0].row.case.label)


def draw(rows: Sequence[ReportRow]) -> Any:
    """Time or rate of the cases that changed most, run by run; a cross where a run had no right answer.

    Parameters
    ----------
    rows : of three runs or more

    Returns
    -------
    altair chart, or None where no case has a speed in three runs
    """
    runs = sorted({(row.created_utc, row.run) for row in rows})
    if len(runs) < LEAST_RUNS:
        return None
    found = series_of(rows, runs)
    if not found:
        return None
    kept = sorted(found, key=lambda series: -series.change)[:MOST_PANELS]
    drawn = [event.row for series in kept for event in series.events]
    # Named, not inline: Altair copies a chart's values with every step of its making, and here they may be thousands.
    scales = [_scale(series) for series in kept]
    datasets = {
        f"history-{number}": [_record(event, scale) for event in series.events]
        for number, (series, scale) in enumerate(zip(kept, scales, strict=True))
    }
    charts = [
        _panel_chart(series, scale, name, runs, len(kept))
        for series, scale, name in zip(kept, scales, datasets, strict=True)
    ]
    lost = sum(event.metric is None for series in kept for event in series.events)
    notes = [
        f"One point per run, {counted(len(runs), 'run')}, evenly spaced, with its interval. A line ends where the "
        "environment changed. Nothing is judged here."
    ]
    if len(found) > len(kept):
        notes.append(f"Drawn are the {len(kept)} cases that changed most; {len(found) - len(kept)} more in the table.")
    if lost:
        notes.append(f"Cross on the axis: wrong, failed or skipped in that run ({counted(lost, 'time')}).")
    notes += doubt_note(drawn)
    notes += common_notes([row for row in drawn if row.drawable])
    listed = "; ".join(f"{series.label} by up to {series.change:.1%}" for series in kept[:4])
    texts = {
        "title": TITLE,
        "description": f"Speed over {counted(len(runs), 'run')}, {counted(len(kept), 'case')}. Most changed: {listed}.",
        "usermeta": {"notes": notes, "table": None},
        "datasets": datasets,
    }
    return beside(charts, texts)


def series_of(rows: Sequence[ReportRow], runs: Sequence[tuple[str, str]]) -> list[Series]:
    """The cases that have a speed in three runs, in the order of their first row."""
    place = {run: number for number, run in enumerate(runs)}
    groups: dict[str, list[ReportRow]] = {}
    for row in rows:
        groups.setdefault(row.case.id, []).append(row)
    found = []
    for members in groups.values():
        ordered = sorted(members, key=lambda row: place[row.created_utc, row.run])
        name = next((row.headline.name for row in ordered if row.headline), "time")
        events, era = [], 0
        for number, row in enumerate(ordered):
            era += number > 0 and row.row.fingerprints != ordered[number - 1].row.fingerprints
            events.append(Event(row, place[row.created_utc, row.run], row.speed(name), era))
        if sum(event.metric is not None for event in events) >= LEAST_RUNS:
            found.append(Series(tuple(events), _change(events)))
    return found


def _change(events: Sequence[Event]) -> float:
    values = sorted(event.metric.value for event in events if event.metric is not None and event.row.ranked)
    if not values:
        return 0.0
    median = values[len(values) // 2]
    return max(abs(value / median - 1) for value in values)


@dataclass(frozen=True)
class _Scale:
    """The value axis of a panel: what values are divided by, both ends, and its title."""

    factor: float
    floor: float
    top: float
    title: str


def _scale(series: Series) -> _Scale:
    known = [event.metric for event in series.events if event.metric is not None]
    factor, unit = prefixed(max(metric.value for metric in known), known[0].unit)
    lows, highs = [m.low / factor for m in known], [m.high / factor for m in known]
    reach = max(max(highs) - min(lows), 0.1 * max(highs)) * 0.25
    title = f"{spoken(known[0].name)} [{unit}]"
    return _Scale(factor, max(min(lows) - reach, 0.0), max(highs) + reach, title)


def _panel_chart(series: Series, scale: _Scale, data: str, runs: Sequence[tuple[str, str]], panels: int) -> Any:
    import altair as alt

    size = panel_size(panels)
    ticks = _ticks(len(runs), 4 if panels > 1 else 8)
    dates = [f"{utc[:10]} {utc[11:16]}" for utc, _ in runs]
    names = "[" + ",".join(f"'{plain(dates[tick])}'" for tick in ticks) + "]"
    x = alt.X(
        "place:Q",
        title="run",
        scale=alt.Scale(domain=[-0.5, len(runs) - 0.5], nice=False),
        axis=alt.Axis(values=ticks, labelExpr=f"{names}[indexof({ticks}, datum.value)]", grid=False),
    )
    y = alt.Y(
        "value:Q",
        title=scale.title,
        scale=alt.Scale(domain=[scale.floor, scale.top], nice=False, zero=False),
        axis=alt.Axis(tickCount=5),
    )
    base = alt.Chart(alt.NamedData(name=data)).encode(x=x, y=y)
    measured = base.transform_filter("datum.kind == 'measured'")
    blue, tips = style.colour(0), tooltip(("status", "status"))
    layers = [
        measured.mark_line(strokeWidth=1.3, color=blue).encode(detail=alt.Detail("piece:N")),
        measured.mark_rule(strokeWidth=1.4, color=blue).encode(y=alt.Y("low:Q"), y2=alt.Y2("high")),
        measured.mark_point(size=34, strokeWidth=1.5, color=blue, fill=blue, opacity=1).encode(
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None), tooltip=tips
        ),
        base.transform_filter("datum.kind == 'none'")
        .mark_point(size=60, strokeWidth=2, shape="cross", angle=45, color=style.colour(1), opacity=1)
        .encode(tooltip=tips),
    ]
    return alt.layer(*layers, title=shortened(series.label, 60), **size)


def _record(event: Event, scale: _Scale) -> dict[str, Any]:
    row, metric = event.row, event.metric
    shared = {"place": event.place, "status": row.row.status, "piece": str(event.era)}
    if metric is None:
        unknown = dict.fromkeys(("proof", "check", "doubts"), "–")
        place = dict.fromkeys(("value", "low", "high"), scale.floor)
        reason = plain(row.row.reason) or "–"
        told = {"case": plain(row.case.label), "run": row.run, "shown": reason, "filled": 0, "kind": "none"}
        return {**told, **unknown, **place, **shared}
    return {
        **facts(row, metric),
        **shared,
        "value": metric.value / scale.factor,
        "low": metric.low / scale.factor,
        "high": metric.high / scale.factor,
        "kind": "measured",
    }


def _ticks(runs: int, most: int) -> list[int]:
    count = min(runs, most)
    return sorted({round(index * (runs - 1) / max(count - 1, 1)) for index in range(count)})
