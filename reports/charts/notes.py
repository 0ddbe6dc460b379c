"""Sentences beneath a chart: source, meaning of the intervals, conditions."""

from collections.abc import Sequence

from clustermark.reports.rows import ReportRow, condition_counts
from clustermark.reports.text import counted

_SCOPES = {
    "launches": "{level} % order-statistic interval of the launch medians",
    "student": "{level} % interval of two to five launch medians by Student's t on their logarithms",
    "envelope": "envelope of the launches' {level} % intervals",
    "samples": "{level} % interval of the samples of one launch, narrower than the truth",
}


def interval_meaning(rows: Sequence[ReportRow]) -> str:
    """What the intervals of these rows cover, by the number of launches behind them; "" without any."""
    scopes = {row.row.time.scope: row.row.time.level for row in rows if row.row.time}
    texts = [_SCOPES[scope].format(level=round(100 * level)) for scope, level in scopes.items() if scope in _SCOPES]
    return "; ".join(texts)


def common_notes(rows: Sequence[ReportRow]) -> list[str]:
    """What every chart must say about the rows it draws.

    Parameters
    ----------
    rows : those drawn, at least one
    """
    runs = sorted({(row.created_utc, row.run) for row in rows})
    names = ", ".join(run for _, run in runs[-3:]) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")
    notes = [f"Source: {counted(len(rows), 'case')} of {names}." if names else ""]
    meaning = interval_meaning(rows)
    notes.append(f"Interval: {meaning}." if meaning else "")
    conditions = condition_counts(rows)
    if conditions:
        notes.append("Conditions: " + "; ".join(f"{text} ({counted(n, 'case')})" for text, n in conditions) + ".")
    return [note for note in notes if note]
