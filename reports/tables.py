"""The table of cases as text: for the terminal after a run, and for Markdown."""

from collections.abc import Sequence

from clustermark.core.summary import Row
from clustermark.reports.charts.notes import interval_meaning
from clustermark.reports.rows import NO_WIRE, VERIFIED, ReportRow, with_ceilings
from clustermark.reports.text import (
    plain,
    shown_check,
    shown_interval,
    shown_metric,
    shown_percent,
    shown_time,
    spoken,
)
from clustermark.reports.verdict import count, row_warnings, sentence

# What a narrow terminal loses first; report.html has it all.
LEFT_OUT_FIRST = ("launches", "error ≤ bound", "interval", "of ceiling")


def terminal_table(rows: Sequence[Row], unfinished: int = 0, width: int | None = None) -> str:
    """What `clustermark run` prints at its end: the table, its notes, the warnings and the counts.

    Parameters
    ----------
    rows : of one run
    unfinished : planned launches without a result
    width : columns of the terminal; None for as wide as it gets
    """
    lines = with_ceilings(rows)
    header, cells, notes = columns(lines)
    table, left_out = _fitted(header, cells, width)
    parts = [table] if cells else []
    if left_out:
        parts.append(f"left out on this narrow terminal: {', '.join(left_out)}; the report has all columns")
    if notes:
        parts.append("\n".join(f"[{number}] {note}" for number, note in enumerate(notes, 1)))
    warnings = row_warnings(lines)
    if warnings:
        parts.append("\n".join(f"warning: {warning}" for warning in warnings))
    parts.append("\n".join(_legend(lines)))
    parts.append(sentence(count(rows, unfinished)))
    return "\n\n".join(parts)


def _legend(rows: Sequence[ReportRow]) -> list[str]:
    """What the columns mean, one line each."""
    meaning = interval_meaning(rows)
    return [
        "time: one step on the slowest rank, median over launches",
        *([f"interval: {meaning}"] if meaning else []),
        f"rate: {rate_names(rows)}",
    ]


def _fitted(header: list[str], cells: list[list[str]], width: int | None) -> tuple[str, list[str]]:
    """The table, without as many columns of LEFT_OUT_FIRST as it takes to fit; and their names."""
    from tabulate import tabulate

    left_out: list[str] = []
    words = {"case", "status", "fabric", "notes"}
    while True:
        kept = [index for index, name in enumerate(header) if name not in left_out]
        names = [header[index] for index in kept]
        align = ["left" if name in words else "right" for name in names]
        body = [[row[index] for index in kept] for row in cells]
        table = tabulate(body, names, tablefmt="simple", disable_numparse=True, colalign=align) if cells else ""
        more = [name for name in LEFT_OUT_FIRST if name in names]
        if width is None or not more or max(map(len, table.splitlines()), default=0) <= width:
            return table, left_out
        left_out.append(more[0])


def columns(rows: Sequence[ReportRow]) -> tuple[list[str], list[list[str]], list[str]]:
    """Header, cells and notes of the table; reasons and conditions are notes, so that lines stay short.

    Returns
    -------
    header : names; the first two (case, status) and the last two (fabric, notes) hold words, the others figures
    cells : one list per row
    notes : what [1], [2], … in the last column stand for
    """
    with_ceiling = any(row.share_of_ceiling is not None for row in rows)
    header = ["case", "status", "time", "interval", "rate"]
    header += [*(["of ceiling"] if with_ceiling else []), "error ≤ bound", "launches", "fabric", "notes"]
    notes: dict[str, int] = {}
    cells = []
    for row in rows:
        time = row.row.time if row.drawable else None
        said = [text for text in (row.row.reason, row.row.arithmetic, row.row.caller) if text]
        remarks = [*map(plain, said), *map(plain, row.row.conditions)]
        numbers = [notes.setdefault(remark, len(notes) + 1) for remark in remarks]
        cells.append(
            [
                plain(row.case.label),
                row.row.status,
                shown_time(time),
                shown_interval(time.value, time.low, time.high, "s") if time else "–",
                shown_metric(row.headline),
                *([shown_percent(row.share_of_ceiling)] if with_ceiling else []),
                shown_check(row.row),
                shown_launches(row.row),
                shown_proof(row),
                " ".join(f"[{number}]" for number in numbers),
            ]
        )
    return header, cells, list(notes)


def rate_names(rows: Sequence[ReportRow]) -> str:
    """``"bus bandwidth (allreduce), flop rate (gemm, peak)"``: what the rate of each workload is."""
    workloads: dict[str, list[str]] = {}
    for row in rows:
        found = row.headline
        if found is not None:
            names = workloads.setdefault(spoken(found.name), [])
            if plain(row.case.workload) not in names:
                names.append(plain(row.case.workload))
    return ", ".join(f"{name} ({', '.join(names)})" for name, names in workloads.items()) or "nothing was measured"


def shown_launches(row: Row) -> str:
    """``"3"``, or ``"2 of 3"`` where some are missing."""
    if not row.launches_planned:
        return "–"
    if row.launches == row.launches_planned:
        return str(row.launches)
    return f"{row.launches} of {row.launches_planned}"


def shown_proof(row: ReportRow) -> str:
    """ "verified", "NOT verified" (capitals: the eye must stop there), "–" where nothing was sent or measured."""
    if row.fabric_proof == NO_WIRE or row.row.status in ("failed", "skipped"):
        return "–"
    return VERIFIED if row.fabric_proof == VERIFIED else "NOT verified"
