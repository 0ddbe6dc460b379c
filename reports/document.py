"""The JSON document of one or many runs, and the schema that describes it."""

from collections.abc import Mapping, Sequence
from typing import Any

from clustermark.core.result import STATUSES
from clustermark.core.runfile import Run
from clustermark.reports.json_parts import COUNT, NUMBER, TEXT, TEXTS, closed_object, finite
from clustermark.reports.rows import ReportRow, oldest_first, run_labels, with_ceilings
from clustermark.reports.verdict import count, count_runs, sentence, warnings_of

SCHEMA_VERSION = 1


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """Everything but the raw samples, as plain JSON types that `JSON_SCHEMA` describes; oldest run first.

    Figures that JSON cannot hold (an infinite error, a NaN) are null.
    """
    ordered = oldest_first(runs)
    counts = count_runs(runs)
    return finite(
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


_FREE = {"type": "object"}
_COUNTS = closed_object(dict.fromkeys((*STATUSES, "unfinished_launches"), COUNT))
_CASE = closed_object(
    {
        "workload": TEXT,
        "version": {"type": "integer"},
        "params": {
            "type": "object",
            "additionalProperties": {"type": ["integer", "number", "string", "boolean", "null"]},
        },
        "precision": TEXT,
        "device": TEXT,
        "transport": TEXT,
        "fabric": {"type": "string", "description": "the fabric asked for; self for one rank"},
        "ranks": {"type": "integer", "minimum": 1},
        "ranks_per_node": {"type": "integer", "minimum": 1},
        "threads": {"type": "integer", "minimum": 1},
        "seed": {"type": "integer"},
    }
)
_TIME = closed_object(
    {
        "value": {**NUMBER, "description": "[s] median of the launch medians of one step"},
        "low": NUMBER,
        "high": NUMBER,
        "level": {**NUMBER, "description": "nominal coverage of the interval"},
        "scope": {
            "enum": ["launches", "student", "envelope", "samples"],
            "description": "what the interval covers; envelope in documents of older versions",
        },
        "launches": COUNT,
        "samples": COUNT,
        "minimum": NUMBER,
        "p95": NUMBER,
        "p99": NUMBER,
    },
    description="null unless every launch is ok: a wrong answer has no speed",
)
_METRIC = closed_object(
    {
        "name": TEXT,
        "value": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "unit": TEXT,
        "better": {"enum": ["higher", "lower"]},
    }
)
_CHECK = closed_object(
    {"name": TEXT, "error": NUMBER, "bound": NUMBER, "passed": {"type": "boolean"}, "detail": TEXT},
)
_FABRIC = closed_object(
    {"requested": TEXT, "observed": TEXT, "evidence": TEXT, "proven": {"type": "boolean"}, "detail": _FREE}
)
_ROW = closed_object(
    {
        "case": _CASE,
        "case_id": TEXT,
        "label": TEXT,
        "status": {"enum": list(STATUSES)},
        "reason": TEXT,
        "launches": COUNT,
        "launches_planned": COUNT,
        "time": {"anyOf": [_TIME, {"type": "null"}]},
        "metrics": {"type": "array", "items": _METRIC, "description": "headline first; empty unless ok"},
        "check": {"anyOf": [_CHECK, {"type": "null"}]},
        "fabric": _FABRIC,
        "fabric_proof": {"enum": ["verified", "not verified", "no wire"]},
        "share_of_ceiling": {**NUMBER, "description": "headline ÷ ceiling of the same run"},
        "conditions": TEXTS,
        "fingerprints": TEXTS,
        "started_utc": TEXT,
        "ceiling": {"type": "string", "description": "workload.metric that bounds the headline, or empty"},
        "counters": {"type": "object", "additionalProperties": NUMBER},
        "arithmetic": {"type": "string", "description": "formats of inputs, sums and result, and their path; or empty"},
        "caller": {
            "type": "string",
            "description": "who called inside a step: compiled code or Python, and why; or empty",
        },
    }
)
_ENVIRONMENT = closed_object({"fingerprint": TEXT, "facts": _FREE, "provenance": _FREE})
_RUN = closed_object(
    {
        "run_id": TEXT,
        "directory": {"type": "string", "description": "name of the run's folder, without the path to it"},
        "label": TEXT,
        "suite": TEXT,
        "created_utc": TEXT,
        "writer": TEXT,
        "complete": {"type": "boolean"},
        "counts": _COUNTS,
        "environments": {"type": "array", "items": _ENVIRONMENT},
        "rows": {"type": "array", "items": _ROW},
    }
)
JSON_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "clustermark report",
    **closed_object(
        {
            "schema_version": {"const": SCHEMA_VERSION},
            "summary": TEXT,
            "verdict": {"enum": ["good", "warning", "bad"]},
            "counts": _COUNTS,
            "warnings": TEXTS,
            "runs": {"type": "array", "items": _RUN},
        }
    ),
}
