"""A check as one JSON document, and the schema that describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from clustermark.core.gate import VERDICTS
from clustermark.core.gate_rules import Rules
from clustermark.reports.gate_report import GateReport, conditions, sentence
from clustermark.reports.json_parts import COUNT, NUMBER, TEXT, TEXTS, closed_object, finite

SCHEMA_VERSION = 1


def gate_document(report: GateReport) -> dict[str, Any]:
    """Plain JSON types that `GATE_SCHEMA` describes; what JSON cannot hold is null."""
    return finite(
        {
            "schema_version": SCHEMA_VERSION,
            "verb": "check",
            "name": report.name,
            "method": report.method,
            "created_utc": report.created_utc,
            "folder": report.folder,
            "baseline": report.baseline,
            "candidate": report.candidate,
            "summary": sentence(report),
            "level": report.level,
            "exit_code": report.exit_code,
            "strict": report.strict,
            "counts": report.counts,
            "rules": asdict(report.rules),
            "conditions": conditions(report),
            "notes": list(report.notes),
            "differences": [{"fact": name, "baseline": old, "candidate": new} for name, old, new in report.differences],
            "cases": [_case(one.to_dict()) for one in report.decisions],
        }
    )


def _case(data: dict[str, Any]) -> dict[str, Any]:
    facts = data.pop("facts")
    stages = list(facts.get("log_ratios") or [])
    return data | {
        "unit": facts.get("unit", ""),
        "baseline": facts.get("baseline"),
        "candidate": facts.get("candidate"),
        "log_ratios": stages[0] if stages else [],
        "log_ratios_confirm": stages[1] if len(stages) > 1 else [],
    }


_RATIOS = {"type": "array", "items": {"type": "number"}, "description": "log(candidate ÷ baseline) of each pair"}
_CASE = closed_object(
    {
        "label": TEXT,
        "verdict": {"enum": list(VERDICTS)},
        "reason": TEXT,
        "change": {**NUMBER, "description": "relative change of the time, above 0 is slower; null where not timed"},
        "low": {**NUMBER, "description": "one-sided bound of the change; null where there are too few pairs"},
        "high": NUMBER,
        "level": {"type": "number", "description": "coverage of each bound"},
        "stage": {"enum": [0, 1, 2], "description": "which pairs decided: 2 are the fresh ones; 0 where none did"},
        "pairs": COUNT,
        "noise": {**NUMBER, "description": "robust relative spread of a pair"},
        "detectable": {**NUMBER, "description": "smallest slowdown that such pairs show nearly always"},
        "unit": TEXT,
        "baseline": {**NUMBER, "description": "median of the launch medians"},
        "candidate": NUMBER,
        "log_ratios": _RATIOS,
        "log_ratios_confirm": _RATIOS,
    }
)
GATE_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "clustermark check",
    **closed_object(
        {
            "schema_version": {"const": SCHEMA_VERSION},
            "verb": {"const": "check"},
            "name": TEXT,
            "method": {"enum": ["interleaved", "lockstep", "command", "stored"]},
            "created_utc": TEXT,
            "folder": TEXT,
            "baseline": TEXT,
            "candidate": TEXT,
            "summary": TEXT,
            "level": {"enum": ["good", "warning", "bad"]},
            "exit_code": COUNT,
            "strict": {"type": "boolean"},
            "counts": closed_object(dict.fromkeys(VERDICTS, COUNT)),
            "rules": closed_object({name: {"type": "number"} for name in asdict(Rules())}),
            "conditions": TEXTS,
            "notes": TEXTS,
            "differences": {
                "type": "array",
                "items": closed_object({"fact": TEXT, "baseline": TEXT, "candidate": TEXT}),
            },
            "cases": {"type": "array", "items": _CASE},
        }
    ),
}
