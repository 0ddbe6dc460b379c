"""A check as one JSON document, and the schema that describes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clustermark.core.gate import VERDICTS
from clustermark.core.gate_rules import Rules
from clustermark.reports.gate_report import GateReport, conditions, sentence

SCHEMA_VERSION = 1


def gate_document(report: GateReport) -> dict[str, Any]:
    """Plain JSON types that `GATE_SCHEMA` describes; what JSON cannot hold is null."""
    return _finite(
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


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": ["number", "null"]}
_RATIOS = {"type": "array", "items": {"type": "number"}, "description": "log(candidate ÷ baseline) of each pair"}
_CASE = _object(
    {
        "label": _TEXT,
        "verdict": {"enum": list(VERDICTS)},
        "reason": _TEXT,
        "change": {**_NUMBER, "description": "relative change of the time, above 0 is slower; null where not timed"},
        "low": {**_NUMBER, "description": "one-sided bound of the change; null where there are too few pairs"},
        "high": _NUMBER,
        "level": {"type": "number", "description": "coverage of each bound"},
        "stage": {"enum": [0, 1, 2], "description": "which pairs decided: 2 are the fresh ones; 0 where none did"},
        "pairs": _COUNT,
        "noise": {**_NUMBER, "description": "robust relative spread of a pair"},
        "detectable": {**_NUMBER, "description": "smallest slowdown that such pairs show nearly always"},
        "unit": _TEXT,
        "baseline": {**_NUMBER, "description": "median of the launch medians"},
        "candidate": _NUMBER,
        "log_ratios": _RATIOS,
        "log_ratios_confirm": _RATIOS,
    }
)
GATE_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "clustermark check",
    **_object(
        {
            "schema_version": {"const": SCHEMA_VERSION},
            "verb": {"const": "check"},
            "name": _TEXT,
            "method": {"enum": ["interleaved", "lockstep", "command", "stored"]},
            "created_utc": _TEXT,
            "folder": _TEXT,
            "baseline": _TEXT,
            "candidate": _TEXT,
            "summary": _TEXT,
            "level": {"enum": ["good", "warning", "bad"]},
            "exit_code": _COUNT,
            "strict": {"type": "boolean"},
            "counts": _object(dict.fromkeys(VERDICTS, _COUNT)),
            "rules": _object({name: {"type": "number"} for name in asdict(Rules())}),
            "conditions": _TEXTS,
            "notes": _TEXTS,
            "differences": {
                "type": "array",
                "items": _object({"fact": _TEXT, "baseline": _TEXT, "candidate": _TEXT}),
            },
            "cases": {"type": "array", "items": _CASE},
        }
    ),
}
