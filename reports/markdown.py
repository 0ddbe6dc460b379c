"""A report as Markdown, for the summary page of a CI job."""

from collections.abc import Sequence

from clustermark.core.runfile import Run
from clustermark.reports.ranking import RANKING_RULE, ranking_lines, ranking_sentences, rankings_of
from clustermark.reports.rows import ReportRow, oldest_first, run_labels, with_ceilings
from clustermark.reports.tables import columns
from clustermark.reports.text import plain
from clustermark.reports.verdict import count_runs, machine_facts, sentence, warnings_of

MOST_ROWS = 500
_SIGNS = {"good": "✅", "warning": "⚠️", "bad": "❌"}
_STATUS_SIGNS = {"ok": "ok", "wrong": "**wrong**", "failed": "**failed**", "skipped": "skipped"}


def markdown(runs: Sequence[Run]) -> str:
    """Banner, machine, warnings and the table of each run.

    Long tables are cut with a line that says so: summary pages refuse more than a megabyte.
    """
    counts = count_runs(runs)
    ordered = oldest_first(runs)
    parts = [f"## clustermark: {_SIGNS[counts.level]} {sentence(counts)}"]
    warnings = warnings_of(runs)
    if warnings:
        parts.append("\n".join(f"- ⚠️ {escaped(warning)}" for warning in warnings))
    facts = machine_facts(runs)
    if facts:
        parts.append(" · ".join(f"{name}: {escaped(value)}" for name, value in facts))
    parts += _ranking(runs)
    left = MOST_ROWS
    for run, label in zip(reversed(ordered), reversed(run_labels(ordered)), strict=True):
        rows = with_ceilings(run.rows, label, run.created_utc)
        parts.append(f"### {escaped(label)}\n\n{escaped(run.run_id)}, written by {escaped(run.writer)}")
        parts += _table(rows[:left])
        if len(rows) > left:
            parts.append(f"{len(rows) - left} more cases are in the run file.")
        left = max(left - len(rows), 0)
    return "\n\n".join(parts) + "\n"


def _ranking(runs: Sequence[Run]) -> list[str]:
    found = rankings_of(runs)
    if not found:
        return []
    header, cells = ranking_lines(found[:MOST_ROWS])
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(escaped, line)) + " |" for line in cells]
    told = "\n".join(f"- {escaped(sentence)}" for sentence in ranking_sentences(found))
    return ["### Fabrics ranked", RANKING_RULE, told, "\n".join(lines)]


def _table(rows: Sequence[ReportRow]) -> list[str]:
    if not rows:
        return []
    header, cells, notes = columns(rows)
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(_rule(name, header) for name in header) + "|"]
    for line in cells:
        case, status, *rest = line
        code = case.replace("`", "ʼ").replace("|", "¦")  # a code span knows no escapes
        shown = [f"`{code}`", _STATUS_SIGNS.get(status, status), *map(escaped, rest)]
        lines.append("| " + " | ".join(shown) + " |")
    parts = ["\n".join(lines)]
    if notes:
        parts.append("\n".join(f"- \\[{number}\\] {escaped(note)}" for number, note in enumerate(notes, 1)))
    return parts


def _rule(name: str, header: Sequence[str]) -> str:
    return "---" if name in (*header[:2], *header[-2:]) else "--:"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no HTML, no table cells, no links, no mentions of people."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
    for mark in "\\`*_[]|#~!":
        text = text.replace(mark, "\\" + mark)
    return text
