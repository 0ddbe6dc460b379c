"""A check or a comparison as one self-contained page: sentence, forest of ratios, every case, what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clustermark.reports.charts.forest import Ratio, forest
from clustermark.reports.compare import Comparison
from clustermark.reports.compare_text import comparison_cells, comparison_notes, sentences
from clustermark.reports.drawing import specifications
from clustermark.reports.gate_report import HEADER, GateReport, conditions, sentence, table_cells
from clustermark.reports.html import fact_list, page, shown_date, tile, warning_list
from clustermark.reports.html_table import escape, small_table
from clustermark.reports.text import counted, plain

_TILES = {"regressed": "bad", "broken": "bad", "inconclusive": "warning", "not compared": "warning", "improved": "good"}
# Forests of a comparison: beyond these the table has to do.
MOST_FORESTS = 6


def gate_page(report: GateReport) -> str:
    """The page of a check: banner with counts, the forest of all cases with the tolerance, the table, conditions."""
    ratios = [_of_change(one.label, one.verdict, one.change, one.low, one.high) for one in report.decisions]
    quantity, tolerance = "time of the candidate ÷ time of the baseline", 1 + report.rules.tolerance
    notes = ["Bars are the bounds of the verdict; what has none stands at 1 as its verdict in words."]
    drawn = forest(ratios, "Change of every case", quantity, (1 / tolerance, tolerance), notes)
    tiles = "".join(tile(verdict, number, _TILES.get(verdict, "")) for verdict, number in report.counts.items())
    return _page(
        "check",
        report.name,
        shown_date(report.created_utc),
        {"forest": drawn},
        banner=_banner(report.level, sentence(report), f'<dl class="tiles">{tiles}</dl>'),
        warnings=report.notes,
        facts=[("baseline", report.baseline), ("candidate", report.candidate)],
        table=small_table(HEADER, table_cells(report)),
        differences=_differences(
            ["fact", "baseline", "candidate"], [list(map(plain, difference)) for difference in report.differences]
        ),
        sentences=conditions(report),
    )


def comparison_page(found: Comparison) -> str:
    """The page of a comparison: a forest for each column, the table, facts of the environments that differ."""
    reference, *others = found.columns
    drawn = {}
    for number, name in enumerate(others[:MOST_FORESTS]):
        pairs = [(case.label, ratio) for case in found.cases for ratio in case.ratios if ratio.column == name]
        ratios = [Ratio(label, r.value, r.low, r.high, r.standing) for label, r in pairs if r.value is not None]
        quantity = f"time in {plain(name)} ÷ time in {plain(reference)}"
        drawn[f"forest-{number}"] = forest(ratios, f"{plain(name)} beside {plain(reference)}", quantity)
    left_out = [f"not compared: {plain(label)}: {plain(reason)}" for label, reason in found.left_out]
    if len(others) > MOST_FORESTS:
        left_out.append(f"{len(others) - MOST_FORESTS} more columns are in the table and in no chart")
    lines = sentences(found)
    return _page(
        "compare",
        f"{counted(len(others), 'column')} beside {plain(reference)}",
        "time of each case ÷ its time in the first column; below 1 is faster",
        drawn,
        banner="",
        warnings=left_out,
        facts=[(plain(name), line.removeprefix(f"{plain(name)}: ")) for name, line in zip(others, lines, strict=True)],
        table=small_table(["case", *map(plain, found.columns)], comparison_cells(found)),
        differences=_differences(
            ["fact", *map(plain, found.columns)],
            [[plain(name), *map(plain, values)] for name, values in found.differences],
        ),
        sentences=comparison_notes(found),
    )


def _of_change(label: str, verdict: str, change: float | None, low: float | None, high: float | None) -> Ratio:
    if change is None or low is None or high is None or low <= -1:
        return Ratio(label, None, None, None, verdict)
    return Ratio(label, 1 + change, 1 + low, 1 + high, verdict)


def _banner(level: str, text: str, tiles: str) -> str:
    return (
        f'<section class="banner {level}" aria-label="Verdict"><p class="verdict">{escape(text)}</p>{tiles}</section>'
    )


def _differences(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    return f"<section><h2>What differs</h2>{small_table(header, rows)}</section>"


def _page(
    kind: str,
    heading: str,
    subheading: str,
    drawn: Mapping[str, Any],
    *,
    banner: str,
    warnings: Sequence[str],
    facts: Sequence[tuple[str, str]],
    table: str,
    differences: str,
    sentences: Sequence[str],
) -> str:
    said = "".join(f"<li>{escape(line)}</li>" for line in sentences)
    return page(
        kind,
        heading,
        subheading,
        specifications(drawn),
        banner=banner,
        warnings=warning_list([plain(warning) for warning in warnings]),
        machine=fact_list(facts, "Sides"),
        table=f'<section id="cases"><h2>Cases</h2>{table}</section>',
        environments=differences,
        provenance=f'<section class="provenance"><h2>How it was judged</h2><ul>{said}</ul></section>',
    )
