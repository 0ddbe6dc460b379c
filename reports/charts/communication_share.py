"""Share of an application's time in which its ranks exchange data."""

from collections.abc import Sequence
from typing import Any

from clustermark.core.counters import COMMUNICATION_SHARE
from clustermark.reports.charts.bars import MOST_BAR_PANELS, MOST_BARS, bar_panel, case_lines, looks
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note, facts, left_out_notes, title_of
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import shown_percent, spoken

TITLE = "Share of communication in the time of a step"


def draw(rows: Sequence[ReportRow]) -> Any:
    """A bar per case of the stored share, a panel per workload.

    Parameters
    ----------
    rows : any; those with the counter ``share of time: communication`` are drawn

    Returns
    -------
    altair chart, or None where no case stored its share
    """
    newest, older = latest_rows(rows)
    panels: dict[str, list[ReportRow]] = {}
    for row in newest:
        if row.speed("time") is not None and _share(row) is not None:
            panels.setdefault(row.case.workload, []).append(row)
    if not panels:
        return None
    import altair as alt

    kept = {name: members[:MOST_BARS] for name, members in list(panels.items())[:MOST_BAR_PANELS]}
    drawn = [row for members in kept.values() for row in members]
    charts = [_panel_chart(name, members) for name, members in kept.items()]
    bars_left = sum(map(len, panels.values())) - len(drawn)
    notes = [
        "Mean over the ranks of the time to pack, send, receive and wait, ÷ that of the whole step; the largest of "
        "the launches. What a step hides behind work is no part of it.",
        *doubt_note(drawn, "Hollow bars"),
        *left_out_notes(older, bars_left),
        *common_notes(drawn),
    ]
    texts = {"title": TITLE, "description": _described(kept), "usermeta": {"notes": notes, "table": None}}
    return alt.vconcat(*charts, spacing=28, **texts)


def _share(row: ReportRow) -> float | None:
    share = row.row.counters.get(COMMUNICATION_SHARE)
    return share if share is not None and 0 <= share <= 1 else None


def _panel_chart(workload: str, members: Sequence[ReportRow]) -> Any:
    lines = case_lines(members)
    values = [_record(row, line) for row, line in zip(members, lines, strict=True)]
    top = max(record["value"] for record in values)
    return bar_panel(
        values, lines, title_of([workload]), "share of communication", min(max(top, 0.05), 1.0), percent=True
    )


def _record(row: ReportRow, line: str) -> dict[str, Any]:
    time, share = row.speed("time"), _share(row)
    assert time is not None
    assert share is not None
    shown = facts(row, time)
    return shown | looks(shown["filled"]) | {"line": line, "kind": "", "value": share, "label": shown_percent(share)}


def _described(panels: dict[str, list[ReportRow]]) -> str:
    """Range of the undoubted shares of each workload."""
    texts = []
    for name, members in panels.items():
        sure = [share for row in members if row.ranked and (share := _share(row)) is not None]
        if sure:
            texts.append(
                f"{spoken(name)} {shown_percent(min(sure))} to {shown_percent(max(sure))} in {len(sure)} cases"
            )
        else:
            texts.append(f"{spoken(name)}: every figure is in doubt")
    return f"Bars of the share of communication in the time of a step. {'; '.join(texts)}."
