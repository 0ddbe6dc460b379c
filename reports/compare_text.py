"""A comparison as text for the terminal and as Markdown, and the schema of its JSON document."""

from __future__ import annotations

from typing import Any

from clustermark.core.units import format_quantity
from clustermark.reports.compare import Comparison, Ratio
from clustermark.reports.json_parts import NUMBER, TEXT, closed_object
from clustermark.reports.markdown import escaped
from clustermark.reports.text import counted, plain

MOST_DIFFERENCES = 40


def shown_ratio(ratio: Ratio) -> str:
    """``"1.24 [1.20, 1.29]"``, or why there is none."""
    if ratio.value is None:
        return plain(ratio.reason).partition(":")[0] or "–"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3g}"
    mark = "" if ratio.scope == "launches" else " ~"
    return f"{ratio.value:.3g} [{ratio.low:.3g}, {ratio.high:.3g}]{mark}"


def sentences(found: Comparison) -> list[str]:
    """One per column: how many cases are faster, slower, or not told apart, and the geometric mean of the ratios."""
    lines = []
    for name in found.columns[1:]:
        ratios = [r for case in found.cases for r in case.ratios if r.column == name and r.value is not None]
        counts = {kind: sum(r.standing == kind for r in ratios) for kind in ("faster", "slower", "not told apart")}
        told = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
        typical = found.typical(name)
        mean = f", geometric mean {typical:.3g}" if typical is not None else ""
        lines.append(f"{plain(name)}: {told or 'nothing'} of {counted(len(ratios), 'case')}{mean}")
    return lines


def comparison_notes(found: Comparison) -> list[str]:
    """What the ratios are."""
    return [
        f"ratios: time ÷ time of {plain(found.columns[0])}, below 1 is faster; [95 % interval from launches], "
        "~ where launches are too few: what the intervals of both allow"
    ]


def comparison_cells(found: Comparison) -> list[list[str]]:
    """One list of texts per case: its name, its time in the first column, its ratio in each other."""
    return [
        [
            plain(case.label),
            format_quantity(case.reference, "s") if case.reference else plain(case.reason).partition(":")[0],
            *map(shown_ratio, case.ratios),
        ]
        for case in found.cases
    ]


def comparison_text(found: Comparison) -> str:
    """For the terminal."""
    from tabulate import tabulate

    header = ["case", *map(plain, found.columns)]
    align = ["left", *["right"] * len(found.columns)]
    cells = comparison_cells(found)
    parts = [tabulate(cells, header, tablefmt="simple", disable_numparse=True, colalign=align)] if cells else []
    if found.differences:
        rows = [[plain(name), *map(_short, values)] for name, values in found.differences[:MOST_DIFFERENCES]]
        parts.append(
            tabulate(rows, ["environment", *map(plain, found.columns)], tablefmt="simple", disable_numparse=True)
        )
        if len(found.differences) > MOST_DIFFERENCES:
            parts.append(f"{len(found.differences) - MOST_DIFFERENCES} more facts differ; --json has them all")
    left_out = [f"not compared: {plain(label)}: {plain(reason)}" for label, reason in found.left_out]
    parts += ["\n".join(left_out)] if left_out else []
    parts.append("\n".join([*comparison_notes(found), *sentences(found)]))
    return "\n\n".join(parts)


def _short(value: str) -> str:
    text = plain(value)
    return text if len(text) <= 40 else text[:39] + "…"


def comparison_markdown(found: Comparison) -> str:
    """For a summary page."""
    parts = ["## clustermark compare", "\n".join(f"- {escaped(line)}" for line in sentences(found))]
    lines = ["| case | " + " | ".join(map(escaped, found.columns)) + " |", "|---|" + "--:|" * len(found.columns)]
    for case, *rest in comparison_cells(found):
        code = case.replace("`", "ʼ").replace("|", "¦")
        lines.append("| " + " | ".join([f"`{code}`", *map(escaped, rest)]) + " |")
    parts.append("\n".join(lines))
    parts.append("\n".join(escaped(line) for line in comparison_notes(found)))
    facts = [f"- {escaped(name)}: {escaped(' | '.join(values))}" for name, values in found.differences]
    facts += [f"- not compared: {escaped(label)}: {escaped(reason)}" for label, reason in found.left_out]
    return "\n\n".join([*parts, *(["\n".join(facts)] if facts else [])]) + "\n"


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


COMPARE_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "clustermark compare",
    **closed_object(
        {
            "schema_version": {"const": 1},
            "verb": {"const": "compare"},
            "columns": _list(TEXT),
            "typical_ratio": {"type": "object", "additionalProperties": NUMBER},
            "cases": _list(
                closed_object(
                    {
                        "label": TEXT,
                        "reference_seconds": NUMBER,
                        "reason": TEXT,
                        "ratios": _list(
                            closed_object(
                                {
                                    "column": TEXT,
                                    "value": {**NUMBER, "description": "time ÷ time of the first column"},
                                    "low": NUMBER,
                                    "high": NUMBER,
                                    "scope": {"enum": ["launches", "envelope", ""]},
                                    "reason": TEXT,
                                    "standing": {"enum": ["faster", "slower", "not told apart"]},
                                }
                            )
                        ),
                    }
                )
            ),
            "left_out": _list(closed_object({"label": TEXT, "reason": TEXT})),
            "differences": _list(closed_object({"fact": TEXT, "values": _list(TEXT)})),
        }
    ),
}
