"""A check for CI systems: JUnit XML, Markdown for a summary page, annotations of a workflow's log."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

from clustermark.core.gate import Decision
from clustermark.reports.gate_document import gate_document
from clustermark.reports.gate_report import HEADER, GateReport, conditions, sentence, shown_change, table_cells
from clustermark.reports.markdown import escaped
from clustermark.reports.text import plain

MOST_ROWS = 500
# GitHub shows ten annotations of a kind per step.
MOST_ANNOTATIONS = 10
_SIGNS = {"good": "✅", "warning": "⚠️", "bad": "❌"}
_ANNOTATIONS = {"regressed": "error", "broken": "error", "inconclusive": "warning", "not compared": "warning"}


def said(one: Decision) -> str:
    """One line on a case: verdict, change with bounds, why."""
    text = one.verdict
    if one.change is not None:
        text += f": {shown_change(one.change)} ({shown_change(one.low, '-∞')} … {shown_change(one.high, '+∞')})"
        text += f" in {one.pairs} pairs"
    return text + (f"; {plain(one.reason)}" if one.reason else "")


def gate_json(report: GateReport) -> str:
    """The document of `clustermark schema check`."""
    return json.dumps(gate_document(report), indent=1, allow_nan=False) + "\n"


def gate_junit(report: GateReport) -> str:
    """One test case per case: regressed is a failure, broken an error, what is not known is skipped, never passed."""
    strict = ("inconclusive", "not compared") if report.strict else ()
    failures = [one for one in report.decisions if one.verdict in ("regressed", *strict)]
    errors = [one for one in report.decisions if one.verdict == "broken"]
    skipped = [one for one in report.decisions if one.verdict in ("inconclusive", "not compared", "new")]
    skipped = [one for one in skipped if one not in failures]
    name = f"clustermark check {plain(report.name)}"
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(report.decisions)),
        failures=str(len(failures)),
        errors=str(len(errors)),
        skipped=str(len(skipped)),
        timestamp=report.created_utc.rstrip("Z"),
    )
    for one in report.decisions:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=_xml(one.label))
        kind = (
            "failure"
            if one in failures
            else "error"
            if one in errors
            else "skipped"
            if one in skipped
            else "system-out"
        )
        child = ElementTree.SubElement(case, kind)
        if kind != "system-out":
            child.set("message", _xml(said(one)))
        child.text = _xml(said(one))
    root = ElementTree.Element("testsuites", name=name)
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in plain(text))


def gate_markdown(report: GateReport) -> str:
    """Banner, sides, table of all that is not plainly unchanged, the rest folded, conditions."""
    parts = [
        f"## clustermark check {escaped(report.name)}: {_SIGNS[report.level]} {sentence(report)}",
        f"baseline: {escaped(report.baseline)} · candidate: {escaped(report.candidate)}",
    ]
    rows = table_cells(report)
    notable = [row for row in rows if row[1] != "unchanged"]
    plainly = [row for row in rows if row[1] == "unchanged"]
    if notable:
        parts += _table(notable)
    if plainly:
        parts += [f"<details><summary>{len(plainly)} unchanged</summary>", *_table(plainly), "</details>"]
    notes = [*report.notes, *(f"differs: {name}: {x} | {y}" for name, x, y in report.differences)]
    if notes:
        parts.append("\n".join(f"- ⚠️ {escaped(note)}" for note in notes))
    parts.append("\n".join(f"- {escaped(text)}" for text in conditions(report)))
    return "\n\n".join(parts) + "\n"


def _table(rows: list[list[str]]) -> list[str]:
    align = ["---", "---", *["--:"] * 7, "---"]
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "|".join(align) + "|"]
    for case, verdict, *rest in rows[:MOST_ROWS]:
        code = case.replace("`", "ʼ").replace("|", "¦")  # a code span knows no escapes
        bold = f"**{verdict}**" if verdict in ("regressed", "broken") else verdict
        lines.append("| " + " | ".join([f"`{code}`", bold, *map(escaped, rest)]) + " |")
    more = [f"{len(rows) - MOST_ROWS} more cases are in verdict.json."] if len(rows) > MOST_ROWS else []
    return ["\n".join(lines), *more]


def gate_annotations(report: GateReport) -> str:
    """Workflow commands of GitHub Actions: one line per case that needs a look, at most ten of a kind."""
    lines = []
    for kind in ("error", "warning"):
        found = [one for one in report.decisions if _ANNOTATIONS.get(one.verdict) == kind]
        for one in found[: MOST_ANNOTATIONS - (len(found) > MOST_ANNOTATIONS)]:
            lines.append(f"::{kind} title={_property(one.label)}::{_data(said(one))}")
        if len(found) > MOST_ANNOTATIONS:
            more = len(found) - MOST_ANNOTATIONS + 1
            lines.append(f"::{kind} title=clustermark check::{more} more cases, see the summary")
    level = "notice" if report.level == "good" else "warning" if report.level == "warning" else "error"
    return "\n".join([*lines, f"::{level} title=clustermark check::{_data(sentence(report))}"]) + "\n"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# File in a check's folder → what writes it.
GATE_FILES: dict[str, Callable[[GateReport], str]] = {
    "verdict.json": gate_json,
    "verdict.md": gate_markdown,
    "junit.xml": gate_junit,
}
