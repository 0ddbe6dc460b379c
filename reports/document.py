"""The JSON document of one or many runs, and the schema that describes it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clustermark.core.result import STATUSES
from clustermark.core.runfile import Run
from clustermark.reports.rows import ReportRow, oldest_first, run_labels, with_ceilings
from clustermark.reports.verdict import count, count_runs, sentence, warnings_of

SCHEMA_VERSION = 1


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """Everything but the raw samples, as plain JSON types that `JSON_SCHEMA` describes; oldest run first.

    Figures that JSON cannot hold (an infinite error, a NaN) are null.
    """
    ordered = oldest_first(runs)
    counts = count_runs(runs)
    return _finite(
        {
            "schema_version": SCHEMA_VERSION,
            "summary": sentence(counts),
            "verdict": counts.level,
            "counts": {**counts.cases, "unfinished_launches": counts.unfinished},
            "warnings": warnings_of(runs),
            "runs": [_run(run, label) for run, label in zip(ordered, run_labels(ordered), strict=True)],
        }
    )


def _run(run: Run, label: str) -> dict[str, Any]:
    counts = count(run.rows, run.unfinished)
    return {
        "run_id": run.run_id,
        "directory": run.path.resolve().parent.name,
        "label": label,
        "suite": run.suite,
        "created_utc": run.created_utc,
        "writer": run.writer,
        "complete": run.complete,
        "counts": {**counts.cases, "unfinished_launches": counts.unfinished},
        "environments": [
            {
                "fingerprint": fingerprint,
                "facts": environment.get("facts", {}) if isinstance(environment, Mapping) else {},
                "provenance": environment.get("provenance", {}) if isinstance(environment, Mapping) else {},
            }
            for fingerprint, environment in run.environments.items()
        ],
        "rows": [_row(row) for row in with_ceilings(run.rows, label, run.created_utc)],
    }


def _row(row: ReportRow) -> dict[str, Any]:
    data = row.row.to_dict()
    if not row.drawable:
        data |= {"time": None, "metrics": []}
    data |= {"fabric_proof": row.fabric_proof, "share_of_ceiling": row.share_of_ceiling}
    return data


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": ["number", "null"]}
_FREE = {"type": "object"}
_COUNTS = _object(dict.fromkeys((*STATUSES, "unfinished_launches"), _COUNT))
_CASE = _object(
    {
        "workload": _TEXT,
        "version": {"type": "integer"},
        "params": {
            "type": "object",
            "additionalProperties": {"type": ["integer", "number", "string", "boolean", "null"]},
        },
        "precision": _TEXT,
        "device": _TEXT,
        "transport": _TEXT,
        "fabric": {"type": "string", "description": "the fabric asked for; self for one rank"},
        "ranks": {"type": "integer", "minimum": 1},
        "ranks_per_node": {"type": "integer", "minimum": 1},
        "threads": {"type": "integer", "minimum": 1},
        "seed": {"type": "integer"},
    }
)
_TIME = _object(
    {
        "value": {**_NUMBER, "description": "[s] median of the launch medians of one step"},
        "low": _NUMBER,
        "high": _NUMBER,
        "level": {**_NUMBER, "description": "nominal coverage of the interval"},
        "scope": {"enum": ["launches", "envelope", "samples"], "description": "what the interval covers"},
        "launches": _COUNT,
        "samples": _COUNT,
        "minimum": _NUMBER,
        "p95": _NUMBER,
        "p99": _NUMBER,
    },
    description="null unless every launch is ok: a wrong answer has no speed",
)
_METRIC = _object(
    {
        "name": _TEXT,
        "value": _NUMBER,
        "low": _NUMBER,
        "high": _NUMBER,
        "unit": _TEXT,
        "better": {"enum": ["higher", "lower"]},
    }
)
_CHECK = _object(
    {"name": _TEXT, "error": _NUMBER, "bound": _NUMBER, "passed": {"type": "boolean"}, "detail": _TEXT},
)
_FABRIC = _object(
    {"requested": _TEXT, "observed": _TEXT, "evidence": _TEXT, "proven": {"type": "boolean"}, "detail": _FREE}
)
_ROW = _object(
    {
        "case": _CASE,
        "case_id": _TEXT,
        "label": _TEXT,
        "status": {"enum": list(STATUSES)},
        "reason": _TEXT,
        "launches": _COUNT,
        "launches_planned": _COUNT,
        "time": {"anyOf": [_TIME, {"type": "null"}]},
        "metrics": {"type": "array", "items": _METRIC, "description": "headline first; empty unless ok"},
        "check": {"anyOf": [_CHECK, {"type": "null"}]},
        "fabric": _FABRIC,
        "fabric_proof": {"enum": ["verified", "not verified", "no wire"]},
        "share_of_ceiling": {**_NUMBER, "description": "headline ÷ ceiling of the same run"},
        "conditions": _TEXTS,
        "fingerprints": _TEXTS,
        "started_utc": _TEXT,
        "ceiling": {"type": "string", "description": "workload.metric that bounds the headline, or empty"},
        "counters": {"type": "object", "additionalProperties": _NUMBER},
    }
)
_ENVIRONMENT = _object({"fingerprint": _TEXT, "facts": _FREE, "provenance": _FREE})
_RUN = _object(
    {
        "run_id": _TEXT,
        "directory": {"type": "string", "description": "name of the run's folder, without the path to it"},
        "label": _TEXT,
        "suite": _TEXT,
        "created_utc": _TEXT,
        "writer": _TEXT,
        "complete": {"type": "boolean"},
        "counts": _COUNTS,
        "environments": {"type": "array", "items": _ENVIRONMENT},
        "rows": {"type": "array", "items": _ROW},
    }
)
JSON_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "clustermark report",
    **_object(
        {
            "schema_version": {"const": SCHEMA_VERSION},
            "summary": _TEXT,
            "verdict": {"enum": ["good", "warning", "bad"]},
            "counts": _COUNTS,
            "warnings": _TEXTS,
            "runs": {"type": "array", "items": _RUN},
        }
    ),
}
