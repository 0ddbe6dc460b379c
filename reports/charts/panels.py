"""What charts of points and bars share: panels beside each other, tooltips, marks of doubt."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clustermark.core.summary import Metric
from clustermark.core.units import format_quantity
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import counted, plain, shown_check, shown_interval, shown_param, spoken

MOST_PANELS = 12
WIDE, NARROW = (960, 400), (430, 270)
_TOOLTIP = (
    ("case", "case"),
    ("run", "run"),
    ("shown", "median (interval)"),
    ("proof", "fabric"),
    ("check", "error ≤ bound"),
    ("doubts", "in doubt"),
)


def facts(row: ReportRow, metric: Metric) -> dict[str, Any]:
    """What the tooltip of a mark tells; `filled` is 0 for a figure in doubt."""
    interval = shown_interval(metric.value, metric.low, metric.high, metric.unit)
    return {
        "case": plain(row.case.label),
        "run": row.run,
        "shown": f"{format_quantity(metric.value, metric.unit)} ({interval})",
        "proof": f"{plain(row.row.fabric.observed)}, {row.fabric_proof}",
        "check": shown_check(row.row),
        "doubts": ", ".join((*row.doubts, *map(plain, row.row.conditions))) if row.doubts else "no",
        "filled": 0 if row.doubts else 1,
    }


def tooltip(*more: tuple[str, str]) -> list[Any]:
    """The fields of `facts`, and further (field, title)."""
    import altair as alt

    return [alt.Tooltip(field, type="nominal", title=title) for field, title in (*_TOOLTIP[:3], *more, *_TOOLTIP[3:])]


def beside(charts: Sequence[Any], texts: Mapping[str, Any], columns: int = 2) -> Any:
    """Panels in rows of two with axes of their own and one legend each for colour and shape.

    Parameters
    ----------
    charts : of `panel_size`
    texts : title, description, and usermeta with "notes" and "table"
    columns : in a row
    """
    import altair as alt

    if len(charts) == 1:
        return charts[0].properties(**texts)
    # In one call: every method of a finished chart copies all of it.
    return alt.concat(
        *charts,
        columns=columns,
        spacing={"row": 32, "column": 40},
        resolve=alt.Resolve(
            scale=alt.ScaleResolveMap(color="shared", shape="shared", fill="shared", strokeDash="independent")
        ),
        **texts,
    )


def panel_size(panels: int) -> dict[str, int]:
    """A single panel is drawn large."""
    width, height = WIDE if panels == 1 else NARROW
    return {"width": width, "height": height}


def doubt_note(rows: Sequence[ReportRow], mark: str = "Hollow") -> list[str]:
    """``"Hollow: in doubt and not ranked: fabric not verified (3 cases)."``; nothing where nothing is in doubt.

    Parameters
    ----------
    rows : those drawn
    mark : how a figure in doubt looks
    """
    kinds = Counter(doubt for row in rows for doubt in row.doubts)
    if not kinds:
        return []
    listed = ", ".join(f"{kind} ({counted(number, 'case')})" for kind, number in sorted(kinds.items()))
    return [f"{mark}: in doubt, not ranked: {listed}."]


def left_out_notes(older: int = 0, panels: int = 0, without_speed: int = 0) -> list[str]:
    """What a chart does not show: older results of the same cases, panels beyond the most, cases without a speed."""
    notes = []
    if older:
        notes.append(f"Drawn is the newest result of each case; {counted(older, 'older result')} in the table only.")
    if panels > 0:
        notes.append(f"{counted(panels, 'more combination')} in the table only.")
    if without_speed:
        notes.append(f"{counted(without_speed, 'case')} wrong or failed: without a speed, so not drawn.")
    return notes


def shape_words(row: ReportRow, transport: bool = False) -> list[str]:
    """``["2 ranks", "1 node", …]``: the launch of a case as the words of a title."""
    case = row.case
    words = [counted(case.ranks, "rank")]
    words += [counted(case.nodes, "node")] if case.nodes > 1 else []
    words += [counted(case.threads, "thread")] if case.threads > 1 else []
    words += [plain(case.device)] if case.device != "cpu" else []
    words += [plain(case.transport)] if transport else []
    return words


def param_words(row: ReportRow, names: Sequence[str] | None = None) -> list[str]:
    """The parameters that were asked for, as words; those of `names` where given."""
    params = row.case.params
    chosen = params if names is None else [name for name in names if name in params]
    return [shown_param(name, params[name]) for name in chosen if params[name] not in (0, "")]


def varying(rows: Sequence[ReportRow]) -> list[str]:
    """Names of the parameters in which cases differ."""
    names = dict.fromkeys(name for row in rows for name in row.case.params)
    return [name for name in names if len({str(row.case.params.get(name)) for row in rows}) > 1]


def shortened(text: str, most: int = 60) -> str:
    """Text that fits into a legend or a title: a foreign label of any length cannot push a chart off the page."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def title_of(words: Sequence[str], most: int = 66) -> str:
    """Words of a panel's title in one line."""
    return shortened(" · ".join(spoken(word) for word in words), most)


def measured(points: Any, encode: Mapping[str, Any], top: str) -> list[Any]:
    """Whiskers from field "low" to field `top`, and above them the points with their shapes, fills and tooltips."""
    import altair as alt

    return [
        points.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2=alt.Y2(top)),
        points.mark_point(size=46, strokeWidth=1.6, opacity=1).encode(
            shape=encode["shape"],
            fill=encode["fill"],
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            tooltip=encode["tooltip"],
        ),
    ]
