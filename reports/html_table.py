"""The page's tables."""

import math
from collections.abc import Sequence
from html import escape as escape_html

from clustermark.core.result import STATUSES
from clustermark.core.summary import Metric
from clustermark.core.units import format_quantity
from clustermark.reports.rows import NO_WIRE, ReportRow
from clustermark.reports.tables import shown_launches, shown_proof
from clustermark.reports.text import plain, shown_check, shown_interval, shown_metric, shown_percent, spoken

# Rows that stand in the page as a table at once; `report.js` shows as many.
MOST_ROWS = 300
# Of a table that is folded when the page opens: thousands of rows that nobody has asked for take a second.
MOST_FOLDED_ROWS = 200
# Beside the statuses: ok and in doubt, ok and not; `report.js` knows them.
_DOUBT_FILTERS = ("ok, in doubt", "ok, no doubt")


def escape(text: object) -> str:
    """Foreign text as HTML text or attribute."""
    return escape_html(plain(text))


def small_table(header: Sequence[str], rows: Sequence[Sequence[str]], most: int | None = None) -> str:
    """A table without sorting; rows beyond `most` are made when the details around it are opened."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = ["<tr>" + "".join(f"<td><bdi>{escape(cell)}</bdi></td>" for cell in row) + "</tr>" for row in rows]
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines[:most])}</tbody></table>"
    later = "" if most is None or len(lines) <= most else _later("".join(lines[most:]), "rows")
    return f'<div class="scroll small">{table}{later}</div>'


def _later(rows: str, marker: str) -> str:
    """Rows as text, of which the script makes a table's rows when they are asked for."""
    # Nothing in them can end the element: every < of a label is escaped, and no tag of ours is a script.
    return (
        f'<script type="text/html" data-{marker}>{rows}</script>'
        "<noscript><p>The other rows are shown with JavaScript only; run.h5 has them all.</p></noscript>"
    )


def cases_table(rows: Sequence[ReportRow], several: bool) -> tuple[str, str]:
    """Every case of every run, to be sorted and filtered; reasons and conditions stand beneath the case's name.

    Parameters
    ----------
    rows : all of them
    several : show the run of each

    Returns
    -------
    (str, str) : the table with its first rows; the other rows as text, which belong at the end of the page, where
        reading megabytes of them holds up nothing
    """
    ceiling = any(row.share_of_ceiling is not None for row in rows)
    elsewhere = len({row.row.fingerprints for row in rows if row.row.fingerprints}) > 1
    names = [*(["run"] if several else []), "case", "status", "time", "rate", *(["of ceiling"] if ceiling else [])]
    names += ["error ≤ bound", "fabric", "launches", *(["environment"] if elsewhere else [])]
    figures = {"time", "rate", "of ceiling", "error ≤ bound", "launches"}
    head = "".join(_sortable(name, name in figures) for name in names)
    place = _places(rows)
    lines = [_line(row, number, several, ceiling, elsewhere) for row, number in zip(rows, place, strict=True)]
    body, folded = "\n".join(lines[:MOST_ROWS]), ""
    shown = f"{len(rows)} of {len(rows)} shown"
    if len(lines) > MOST_ROWS:
        shown = f"first {MOST_ROWS} of {len(rows)} shown"
        folded = _later("\n".join(line.replace("<tr ", "<tr hidden ", 1) for line in lines[MOST_ROWS:]), "cases")
    options = "".join(f'<option value="{status}">{status}</option>' for status in (*STATUSES, *_DOUBT_FILTERS))
    table = f"""<section id="cases"><h2>Cases</h2>
<div class="controls">
<input id="filter" type="search" placeholder="Filter, such as: tcp fp32 64KiB" aria-label="Filter the cases by words">
<select id="status" aria-label="Filter the cases by status"><option value="">every status</option>{options}</select>
<output id="shown" aria-live="polite">{shown}</output>
<button type="button" class="plain" id="all"{"" if folded else " hidden"}>Show all</button>
</div>
<div class="scroll"><table id="cases-table"><thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody></table></div></section>"""
    return table, folded


def _places(rows: Sequence[ReportRow]) -> list[int]:
    """Where each row stands when sorted by case: workload, precision, ranks, fabric, then parameters by value."""

    def key(index: int) -> tuple[object, ...]:
        case = rows[index].case
        params = [(name, type(value).__name__, value) for name, value in sorted(case.params.items())]
        return (case.workload, case.precision, case.ranks, case.fabric, params, index)

    order = sorted(range(len(rows)), key=key)
    places = [0] * len(rows)
    for place, index in enumerate(order):
        places[index] = place
    return places


def _line(report: ReportRow, place: int, several: bool, ceiling: bool, elsewhere: bool) -> str:
    row = report.row
    cells = [f'<td class="run"><bdi>{escape(report.run)}</bdi></td>'] if several else []
    remarks = "; ".join([*[text for text in (row.reason, row.arithmetic, row.caller) if text], *row.conditions])
    beneath = f'<small class="remarks"><bdi>{escape(remarks)}</bdi></small>' if remarks else ""
    cells.append(f'<td class="case" data-v="{place}"><code><bdi>{escape(report.case.label)}</bdi></code>{beneath}</td>')
    cells.append(f'<td><span class="mark {escape(row.status)}">{escape(row.status)}</span></td>')
    cells += [_time_cell(report), _rate_cell(report)]
    if ceiling:
        share = report.share_of_ceiling
        cells.append(_number_cell(share, shown_percent(share)))
    ratio = row.check.error / row.check.bound if row.check and row.check.bound > 0 else None
    detail = f"<small>{escape(row.check.name)}</small>" if row.check else ""
    cells.append(_number_cell(ratio, shown_check(row), detail))
    proof = shown_proof(report)
    wire = escape(report.case.fabric) if report.fabric_proof != NO_WIRE else ""
    observed = (
        f"<small>{escape(row.fabric.observed)}, by {escape(row.fabric.evidence)}</small>"
        if wire and proof != "–"
        else ""
    )
    shade = report.fabric_proof.replace(" ", "-") if proof != "–" else ""
    mark = f'<span class="mark {shade}">{proof}</span>'
    cells.append(f'<td class="wire"><bdi>{wire}</bdi> {mark}{observed}</td>')
    samples = f"<small>{row.time.samples} samples</small>" if row.time else ""
    cells.append(_number_cell(float(row.launches), shown_launches(row), samples))
    if elsewhere:
        prints = " ".join(row.fingerprints)
        cells.append(f"<td><code>{escape(prints)}</code></td>")
    doubt = " data-doubt" if report.drawable and report.doubts else ""
    return f'<tr data-status="{escape(row.status)}"{doubt}>{"".join(cells)}</tr>'


def _time_cell(report: ReportRow) -> str:
    metric = report.row.metric("time") if report.drawable else None
    if metric is None:
        return _number_cell(None, "–")
    return _number_cell(metric.value, format_quantity(metric.value, "s"), f"<small>{_interval(metric)}</small>")


def _rate_cell(report: ReportRow) -> str:
    """The headline with its interval and its name, further rates small beneath."""
    headline = report.headline
    if headline is None:
        return _number_cell(None, "–")
    more = f"<small>{escape(spoken(headline.name))} {_interval(headline)}</small>"
    for metric in report.row.metrics:
        if metric.name not in ("time", headline.name):
            more += f"<small>{escape(spoken(metric.name))} {escape(shown_metric(metric))}</small>"
    return _number_cell(headline.value, shown_metric(headline), more)


def _interval(metric: Metric) -> str:
    return shown_interval(metric.value, metric.low, metric.high, metric.unit)


def _number_cell(value: float | None, shown: str, more: str = "") -> str:
    """`data-v` is what sorting compares; empty sorts last."""
    number = "" if value is None or not math.isfinite(value) else f"{value:.9g}"
    return f'<td class="n" data-v="{number}">{escape(shown)}{more}</td>'


def _sortable(name: str, is_figure: bool) -> str:
    kind = ' class="n"' if is_figure else ""
    return f'<th scope="col" aria-sort="none"{kind}><button type="button">{escape(name)}</button></th>'
