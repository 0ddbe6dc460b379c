"""Every pair of ranks: time of a small message and bandwidth of a large one, as squares of colour and figures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.units import format_bytes, format_quantity, prefixed
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note, facts, tooltip
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import counted, plain, shown_metric

TITLE = "Pairs of ranks"
PAIR = "pair"
MOST_FABRICS = 4
# Figures stand beneath the squares up to so many ranks; beyond, the squares alone.
MOST_FIGURES = 12
_STEP, _SMALL_STEP = 58, 16
_PAIR = re.compile(r"(\d+)-(\d+)")


@dataclass(frozen=True)
class Cell:
    """One pair: the two ranks and what was measured between them."""

    first: int
    second: int
    row: ReportRow


def draw(rows: Sequence[ReportRow]) -> Any:
    """A panel of times and a panel of bandwidths for each fabric.

    Parameters
    ----------
    rows : any; those with a parameter ``pair`` of two ranks ("0-3") and a metric ``message_rate`` are drawn, of the
        newest result of each case

    Returns
    -------
    altair chart, or None with fewer than two pairs
    """
    cells = _cells(latest_rows(rows)[0])
    fabrics = sorted({cell.row.case.fabric for cell in cells})
    if len({(cell.first, cell.second) for cell in cells}) < 2:
        return None
    panels, drawn = [], list[Cell]()
    for fabric in fabrics[:MOST_FABRICS]:
        own = [cell for cell in cells if cell.row.case.fabric == fabric]
        sizes = sorted({_size(cell.row) for cell in own})
        for size, metric in ((sizes[0], "message_rate"), (sizes[-1], "bandwidth")):
            chosen = [cell for cell in own if _size(cell.row) == size and cell.row.speed(metric) is not None]
            if chosen:
                panels.append(_panel(chosen, metric, f"{plain(fabric)} · {format_bytes(size)}"))
                drawn += chosen
    if not panels:
        return None
    import altair as alt

    notes = ["A pair is drawn once: its two ranks send in turns, all others wait. Bright is fast, dark is slow."]
    if len(fabrics) > MOST_FABRICS:
        notes.append(f"{counted(len(fabrics) - MOST_FABRICS, 'more fabric')} in the table only.")
    kept = list({id(cell.row): cell.row for cell in drawn}.values())
    notes += doubt_note(kept, "Hollow squares") + common_notes(kept)
    texts = {"title": TITLE, "description": _described(drawn), "usermeta": {"notes": notes, "table": _table(drawn)}}
    resolved = alt.Resolve(scale=alt.ScaleResolveMap(fill="independent"))
    return alt.concat(*panels, columns=2, spacing={"row": 32, "column": 40}, resolve=resolved, **texts)


def _cells(rows: Sequence[ReportRow]) -> list[Cell]:
    found = []
    for row in rows:
        match = _PAIR.fullmatch(str(row.case.params.get(PAIR, "")))
        if match and row.drawable and row.speed("message_rate") is not None:
            found.append(Cell(int(match[1]), int(match[2]), row))
    return sorted(found, key=lambda cell: (cell.row.case.fabric, _size(cell.row), cell.first, cell.second))


def _size(row: ReportRow) -> int:
    size = row.case.params.get("bytes", 0)
    return size if isinstance(size, int) else 0


def _value(cell: Cell, metric: str) -> tuple[float, str]:
    """Bandwidth as it is; a rate of messages as the time of one."""
    found = cell.row.speed(metric)
    assert found is not None
    return (1 / found.value, "s") if metric == "message_rate" else (found.value, found.unit)


def _panel(cells: Sequence[Cell], metric: str, title: str) -> Any:
    import altair as alt

    pairs = [_value(cell, metric) for cell in cells]
    factor, unit = prefixed(max(value for value, _ in pairs), pairs[0][1])
    ranks = max(cell.second for cell in cells) + 1
    step = _STEP if ranks <= MOST_FIGURES else _SMALL_STEP
    name = "time of a message" if metric == "message_rate" else "bandwidth"
    values = [
        facts(cell.row, found) | {"first": cell.first, "second": cell.second, "value": value / factor}
        for cell, (value, _) in zip(cells, pairs, strict=True)
        if (found := cell.row.speed(metric)) is not None
    ]
    numbers = list(range(ranks))
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X(
            "first", type="ordinal", title="rank", scale=alt.Scale(domain=numbers[:-1]), axis=alt.Axis(labelAngle=0)
        ),
        y=alt.Y("second", type="ordinal", title="rank", scale=alt.Scale(domain=numbers[1:])),
    )
    # Slow is dark whichever way the figures run; the light end of cividis would vanish on white paper.
    colour = alt.Fill(
        "value",
        type="quantitative",
        title=None,
        scale=alt.Scale(scheme="cividis", reverse=metric == "message_rate", zero=False, domain=_span(values)),
        legend=alt.Legend(format=".3~g", gradientLength=120),
    )
    side = step - 26 if ranks <= MOST_FIGURES else step - 3
    place = -8 if ranks <= MOST_FIGURES else 0
    ink = {"stroke": "currentColor", "strokeOpacity": 0.5, "strokeWidth": 1}
    squares = base.mark_square(size=side**2, yOffset=place, opacity=1, **ink).encode(
        fill=colour,
        fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
        tooltip=tooltip(("first", "rank"), ("second", "and rank")),
    )
    layers = [squares]
    if ranks <= MOST_FIGURES:
        layers.append(base.mark_text(dy=20, fontSize=10).encode(text=alt.Text("value:Q", format=".3~g")))
    size = {"width": step * max(ranks - 1, 1), "height": step * max(ranks - 1, 1)}
    return alt.layer(*layers).properties(title=f"{title}: {name} [{unit}]", **size)


def _span(values: Sequence[dict[str, Any]]) -> list[float]:
    """Domain of the colours: equal figures must not spread over all of them."""
    low, high = min(value["value"] for value in values), max(value["value"] for value in values)
    return [min(low, 0.9 * high), high]


def _described(cells: Sequence[Cell]) -> str:
    told = []
    for fabric in sorted({cell.row.case.fabric for cell in cells}):
        own = [cell for cell in cells if cell.row.case.fabric == fabric]
        least = min(_size(cell.row) for cell in own)
        small = sorted((c for c in own if _size(c.row) == least), key=lambda c: _value(c, "message_rate")[0])
        ends = [
            f"{c.first} and {c.second} {format_quantity(_value(c, 'message_rate')[0], 's')}"
            for c in (small[0], small[-1])
        ]
        told.append(
            f"{plain(fabric)}, a message of {format_bytes(least)}: fastest ranks {ends[0]}, slowest ranks {ends[1]}"
        )
    return "Time and bandwidth of messages between every pair of ranks. " + "; ".join(told) + "."


def _table(cells: Sequence[Cell]) -> dict[str, Any]:
    lines = [
        [
            f"{cell.first} – {cell.second}",
            plain(cell.row.case.fabric),
            format_bytes(_size(cell.row)),
            format_quantity(_value(cell, "message_rate")[0], "s"),
            shown_metric(cell.row.speed("bandwidth")),
        ]
        for cell in {(c.first, c.second, c.row.case.id): c for c in cells}.values()
    ]
    return {"header": ["ranks", "fabric", "size", "time of a message", "bandwidth"], "rows": lines}
