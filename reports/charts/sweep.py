"""What charts against message size share: points, panels, series, legends and notes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.plan import SELF
from clustermark.core.summary import Metric
from clustermark.core.units import format_bytes, format_quantity
from clustermark.reports.charts import style
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note
from clustermark.reports.rows import MOST_RUNS_DRAWN, NO_WIRE, VERIFIED, ReportRow, newest_runs
from clustermark.reports.text import counted, plain, shown_check, shown_interval, shown_param, spoken

SIZE = "bytes"
MOST_PANELS = 8
# Two launches that differ know so little that their whiskers would flatten every curve: drawn are so many times.
MOST_WHISKER = 10.0


@dataclass(frozen=True)
class Point:
    """A measured value at a message size."""

    row: ReportRow
    metric: Metric
    size: int
    panel: tuple[object, ...]


@dataclass(frozen=True)
class Sweep:
    """The points of a chart.

    Attributes
    ----------
    points : in panels that are drawn, sizes ascending
    panels : panel key → its title, in drawing order
    fabrics : fabric → legend text with its mark; runs : in the order of their age
    notes : what a reader must know about what was left out
    """

    points: tuple[Point, ...]
    panels: Mapping[tuple[object, ...], str]
    fabrics: Mapping[str, str]
    runs: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def colour_by_run(self) -> bool:
        """Colours tell runs apart where there is only one fabric."""
        return len(self.runs) > 1 and len(self.fabrics) == 1

    def dashes(self) -> dict[str, list[int]]:
        """Dash of each run where there are several, else of each fabric; drawn as they stand, outside the legend."""
        forms = (
            {run: slot for slot, run in enumerate(self.runs)}
            if len(self.runs) > 1
            else style.fabric_slots(self.fabrics)
        )
        return {name: style.dash(slot) for name, slot in forms.items()}

    def series(self) -> list[tuple[str, tuple[object, ...], list[Point]]]:
        """(name, panel, points) of each line: one fabric of one run in one panel."""
        lines: dict[tuple[str, str, tuple[object, ...]], list[Point]] = {}
        for point in self.points:
            lines.setdefault((point.row.case.fabric, point.row.run, point.panel), []).append(point)
        return [
            (plain(fabric) + (f", {run}" if len(self.runs) > 1 else ""), panel, points)
            for (fabric, run, panel), points in lines.items()
        ]


def sweep(rows: Sequence[ReportRow], metric_name: str) -> Sweep | None:
    """The points of a metric against the parameter ``bytes``.

    Returns
    -------
    Sweep | None : None unless some panel has two message sizes
    """
    newest, older = newest_runs(rows)
    sized = [row for row in newest if _size(row) is not None]
    measured = [(row, metric) for row in sized if (metric := row.speed(metric_name)) is not None]
    on_wire = [(row, metric) for row, metric in measured if row.case.fabric != SELF]
    alone = len(measured) - len(on_wire) if on_wire else 0
    chosen = on_wire or measured
    points = [Point(row, metric, size, _panel(row)) for row, metric in chosen if (size := _size(row)) and size > 0]
    points.sort(
        key=lambda point: (point.panel, point.row.created_utc, point.row.run, point.row.case.fabric, point.size)
    )
    by_panel: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        by_panel.setdefault(point.panel, []).append(point)
    panels = [panel for panel, members in by_panel.items() if len({point.size for point in members}) > 1]
    if not panels:
        return None
    kept = sorted(sorted(panels, key=lambda panel: -len(by_panel[panel]))[:MOST_PANELS], key=panels.index)
    notes = []
    if older:
        notes.append(f"Drawn are the newest {MOST_RUNS_DRAWN} runs; {counted(older, 'older run')} in the table only.")
    if len(panels) > len(kept):
        notes.append(
            f"{len(panels) - len(kept)} more combinations of precision, ranks and options are in the table only."
        )
    if alone:
        notes.append(f"{counted(alone, 'case')} with one rank, where nothing crosses a wire, in the table only.")
    drawn = [point for panel in kept for point in by_panel[panel]]
    left_out = sum(not row.drawable and row.row.status != "skipped" for row in sized)
    if left_out:
        notes.append(f"{counted(left_out, 'case')} wrong or failed: without a speed, so not drawn.")
    return Sweep(
        tuple(drawn),
        _titles(kept),
        _fabric_labels(drawn),
        tuple(dict.fromkeys(point.row.run for point in sorted(drawn, key=lambda p: (p.row.created_utc, p.row.run)))),
        tuple(notes),
    )


def _size(row: ReportRow) -> int | None:
    """Its message size; None for one pair of ranks among many, which is a square of another chart."""
    if row.case.params.get("pair"):
        return None
    size = row.case.params.get(SIZE)
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def _panel(row: ReportRow) -> tuple[object, ...]:
    """All but size and fabric: precisions stand in the order of their table."""
    case = row.case
    others = tuple(sorted((name, _sortable(value)) for name, value in case.params.items() if name != SIZE))
    order = style.precision_slots([case.precision])[case.precision]
    shape = (case.ranks, case.ranks_per_node, case.threads)
    return (case.workload, case.version, case.device, case.transport, shape, others, order, case.precision)


def _sortable(value: object) -> tuple[str, object]:
    return type(value).__name__, value


def _titles(panels: Sequence[tuple[Any, ...]]) -> dict[tuple[object, ...], str]:
    """What tells each panel from the others, after workload, precision and ranks, which always stand there.

    Versions and options are told where the panels of one workload differ in them.
    """
    varying = [len({panel[index] for panel in panels}) > 1 for index in range(6)]
    spread = any(panel[4][1] < panel[4][0] for panel in panels)
    options: dict[object, list[set[object]]] = {}
    for workload, version, _, _, _, others, *_ in panels:
        options.setdefault(workload, []).append({("version", version), *others})
    titles: dict[tuple[object, ...], str] = {}
    for panel in panels:
        workload, version, device, transport, (ranks, per_node, threads), others, _, precision = panel
        shared = set[object].intersection(*options[workload])
        words = [spoken(workload), plain(precision), counted(ranks, "rank")]
        words += [counted(-(-ranks // per_node), "node")] if spread else []
        words += [counted(threads, "thread")] if threads > 1 else []
        words += [f"version {version}"] if ("version", version) not in shared else []
        words += [plain(device)] if varying[2] or device != "cpu" else []
        words += [plain(transport)] if varying[3] else []
        words += [shown_param(name, value) for name, (kind, value) in others if (name, (kind, value)) not in shared]
        title = " · ".join(words)
        titles[panel] = title if title not in titles.values() else f"{title} · {len(titles) + 1}"
    return titles


def _fabric_labels(points: Sequence[Point]) -> dict[str, str]:
    """Fabric → ``"ompi-tcp — verified"``; the mark counts points where some are proven and some are not."""
    labels = {}
    for fabric in sorted({point.row.case.fabric for point in points}):
        proofs = [point.row.fabric_proof for point in points if point.row.case.fabric == fabric]
        proven = proofs.count(VERIFIED)
        some = f"verified in {proven} of {len(proofs)} points"
        mark = {len(proofs): "verified", 0: "NOT verified"}.get(proven, some)
        labels[fabric] = plain(fabric) if NO_WIRE in proofs else f"{plain(fabric)} — {mark}"
    return labels


def records(data: Sweep, factor: float = 1.0) -> list[dict[str, Any]]:
    """The points as Vega-Lite reads them; values are divided by `factor`."""
    dashes = data.dashes()
    return [
        {
            "kind": "point",
            "panel": data.panels[point.panel],
            "fabric": data.fabrics[point.row.case.fabric],
            "run": point.row.run,
            "size": point.size,
            "value": point.metric.value / factor,
            "low": max(point.metric.low, point.metric.value / MOST_WHISKER) / factor,
            "high": min(point.metric.high, MOST_WHISKER * point.metric.value) / factor,
            "dash": dashes[point.row.run if len(data.runs) > 1 else point.row.case.fabric],
            "filled": 0 if point.row.doubts else 1,
            "case": plain(point.row.case.label),
            "shown": f"{format_quantity(point.metric.value, point.metric.unit)} "
            f"({shown_interval(point.metric.value, point.metric.low, point.metric.high, point.metric.unit)})",
            "proof": f"{plain(point.row.row.fabric.observed)}, {point.row.fabric_proof}",
            "check": shown_check(point.row.row),
            "conditions": plain("; ".join(point.row.row.conditions)) or "none",
        }
        for point in data.points
    ]


def encodings(data: Sweep) -> dict[str, Any]:
    """Colour, shape and dash, each with its explicit domain, in one legend where they say the same."""
    import altair as alt

    by_fabric = style.fabric_slots(data.fabrics)
    fabrics = {data.fabrics[fabric]: slot for fabric, slot in sorted(by_fabric.items(), key=lambda item: item[1])}
    runs = {run: slot for slot, run in enumerate(data.runs)}
    hue_field, hues = ("run", runs) if data.colour_by_run else ("fabric", fabrics)
    form_field, forms = ("run", runs) if len(runs) > 1 else ("fabric", fabrics)
    legend = alt.Legend(orient="top", direction="vertical", columns=2, title=None, offset=14)
    hue = style.scale_of(list(hues), [style.colour(slot) for slot in hues.values()])
    unproven = {
        data.fabrics[fabric]
        for fabric in data.fabrics
        if all(point.row.doubts for point in data.points if point.row.case.fabric == fabric)
    }
    fills = ["transparent" if name in unproven else style.colour(slot) for name, slot in hues.items()]
    return {
        "color": alt.Color(hue_field, type="nominal", scale=hue, legend=legend, title=None),
        "fill": alt.Fill(hue_field, type="nominal", scale=style.scale_of(list(hues), fills), legend=legend, title=None),
        "shape": alt.Shape(
            form_field,
            type="nominal",
            scale=style.scale_of(list(forms), [style.shape(slot) for slot in forms.values()]),
            legend=legend,
            title=None,
        ),
        "dash": alt.StrokeDash("dash", type="nominal", scale=None, legend=None),
        "detail": [alt.Detail("fabric", type="nominal"), alt.Detail("run", type="nominal")],
        "x": alt.X(
            "size",
            type="quantitative",
            title="message size",
            scale=alt.Scale(type="log", base=2, nice=False, padding=12),
            axis=alt.Axis(
                values=style.size_ticks([point.size for point in data.points], 6 if len(data.panels) > 1 else 11),
                labelExpr=style.SIZE_LABEL,
            ),
        ),
        "tooltip": [
            alt.Tooltip(field, type="nominal", title=title)
            for field, title in (
                ("case", "case"),
                ("run", "run"),
                ("shown", "median (interval)"),
                ("proof", "fabric"),
                ("check", "error ≤ bound"),
                ("conditions", "conditions"),
            )
        ],
    }


def faceted(data: Sweep, layers: Sequence[Any], values: list[dict[str, Any]], texts: Mapping[str, Any]) -> Any:
    """Small multiples, two in a row, with one legend; a single panel is drawn large.

    Parameters
    ----------
    data : the sweep
    layers : charts without data
    values : the records
    texts : title, description, and usermeta as `charts` describes it
    """
    import altair as alt

    alone = len(data.panels) == 1
    width, height = (960, 400) if alone else (500, 280)
    panels = list(data.panels.values())
    return (
        alt.layer(*layers)
        .properties(width=width, height=height)
        .facet(
            facet=alt.Facet("panel", type="nominal", sort=panels, title=None),
            columns=1 if alone else 2,
            data=alt.InlineData(values=values),
            spacing={"row": 28, "column": 34},
        )
        .properties(**texts)
    )


def sweep_notes(data: Sweep) -> list[str]:
    """Sentences for beneath the chart: what the marks mean, where the figures come from, under which conditions."""
    sizes = [point.size for point in data.points]
    notes = [f"Sizes {format_bytes(min(sizes))} to {format_bytes(max(sizes))}; bars are intervals of the median."]
    cut = sum(
        point.metric.high > MOST_WHISKER * point.metric.value or point.metric.low < point.metric.value / MOST_WHISKER
        for point in data.points
    )
    if cut:
        notes.append(f"{counted(cut, 'interval')} wider than tenfold: their bars are cut, their figures are not.")
    notes += doubt_note([point.row for point in data.points], "Hollow points")
    if data.colour_by_run:
        notes.append(f"Fabric: {next(iter(data.fabrics.values()))}.")
    return notes + list(data.notes) + common_notes([point.row for point in data.points])
