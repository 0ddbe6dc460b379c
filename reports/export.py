"""Runs as text for other programs: CSV, JSON, pytest-benchmark, OpenMetrics."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence

from clustermark.core.errors import UsageError, nearest
from clustermark.core.result import Result
from clustermark.core.runfile import Run, read_samples
from clustermark.reports.document import document
from clustermark.reports.pytest_benchmark import pytest_benchmark
from clustermark.reports.rows import ReportRow, report_rows
from clustermark.reports.text import plain
from clustermark.reports.verdict import count_runs

_CSV_COLUMNS = (
    *("run", "created_utc", "case_id", "label", "workload", "version", "params", "precision", "device", "transport"),
    *("fabric", "fabric_proof", "ranks", "ranks_per_node", "threads", "status", "reason", "metric", "value", "low"),
    *("high", "unit", "better", "level", "scope", "share_of_ceiling", "check", "error", "bound", "launches", "samples"),
    *("conditions", "fingerprints"),
)
# A spreadsheet evaluates a cell that begins with one of these, also in its full-width form.
_FORMULA = re.compile(r"^\s*[=+\-@\t\r＝＋－＠]")


def export(runs: Sequence[Run], format: str, samples: Sequence[Result] | None = None) -> str:
    """The runs in the named format.

    Parameters
    ----------
    runs : at least one
    format : a key of `EXPORTS`: "csv" (one line per case and metric), "json" (the document that
        `document.JSON_SCHEMA` describes), "openmetrics", or "pytest-benchmark" (one run, with raw samples)
    samples : raw samples of the run for "pytest-benchmark"; read from its file if not given

    Raises
    ------
    UsageError : an unknown format, or "pytest-benchmark" of several runs
    ResultFileError : the samples cannot be read
    """
    if format not in EXPORTS:
        raise UsageError(f"export format '{format}': is not known{nearest(format, EXPORTS)}; give one of these")
    return EXPORTS[format](runs, samples)


def _csv(runs: Sequence[Run], samples: Sequence[Result] | None) -> str:
    """Tidy CSV: a case without a metric keeps one line, so that no case is lost."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for row in report_rows(runs):
        for line in _csv_lines(row):
            writer.writerow([_cell(line.get(column, "")) for column in _CSV_COLUMNS])
    return text.getvalue()


def _csv_lines(report: ReportRow) -> Iterator[dict[str, object]]:
    row, case = report.row, report.case
    common: dict[str, object] = {
        **{key: value for key, value in case.to_dict().items() if key in _CSV_COLUMNS},
        "run": report.run,
        "created_utc": report.created_utc,
        "case_id": case.id,
        "label": case.label,
        "params": json.dumps(dict(case.params), ensure_ascii=False),
        "fabric_proof": report.fabric_proof,
        "status": row.status,
        "reason": row.reason,
        "launches": row.launches,
        "conditions": "; ".join(row.conditions),
        "fingerprints": " ".join(row.fingerprints),
    }
    if row.check is not None:
        common |= {"check": row.check.name, "error": row.check.error, "bound": row.check.bound}
    if not report.drawable or row.time is None:
        yield common
        return
    common |= {"level": row.time.level, "scope": row.time.scope, "samples": row.time.samples}
    for metric in row.metrics:
        share = report.share_of_ceiling if metric == report.headline else None
        yield common | {
            "metric": metric.name,
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "unit": metric.unit,
            "better": metric.better,
            "share_of_ceiling": "" if share is None else share,
        }


def _cell(value: object) -> object:
    """Numbers as they are; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _json(runs: Sequence[Run], samples: Sequence[Result] | None) -> str:
    return json.dumps(document(runs), indent=1, allow_nan=False) + "\n"


def _pytest_benchmark(runs: Sequence[Run], samples: Sequence[Result] | None) -> str:
    if len(runs) != 1:
        raise UsageError(f"export pytest-benchmark: was given {len(runs)} runs, its files hold one; export each run")
    results = read_samples(runs[0].path) if samples is None else samples
    return json.dumps(pytest_benchmark(runs[0], results), indent=1) + "\n"


def _openmetrics(runs: Sequence[Run], samples: Sequence[Result] | None) -> str:
    """OpenMetrics 1.0 text: one gauge family per metric, with the ends of its interval as families of their own."""
    rows = report_rows(runs)
    families: dict[str, tuple[str, str, list[str]]] = {}
    for report in rows:
        labels = _labels(report)
        for metric in report.row.metrics if report.drawable else ():
            unit = _metric_unit(metric.unit)
            for end, value in (("", metric.value), ("_low", metric.low), ("_high", metric.high)):
                name = f"clustermark_{_name(metric.name)}{end}" + (f"_{unit}" if unit else "")
                text = f"{metric.name.replace('_', ' ')}{ {'': '', '_low': ', low end', '_high': ', high end'}[end] }"
                _, _, lines = families.setdefault(name, (unit, text, []))
                lines.append(f"{name}{labels} {_number(value)}")
    parts = []
    for name, (unit, text, lines) in families.items():
        parts += [
            f"# TYPE {name} gauge",
            *([f"# UNIT {name} {unit}"] if unit else []),
            f"# HELP {name} {_escape(text)}",
        ]
        parts += lines
    parts += ["# TYPE clustermark_cases gauge", "# HELP clustermark_cases Cases by status over all runs."]
    counts = count_runs(runs)
    parts += [f'clustermark_cases{{status="{status}"}} {number}' for status, number in counts.cases.items()]
    parts += ["# TYPE clustermark_unfinished_launches gauge", f"clustermark_unfinished_launches {counts.unfinished}"]
    return "\n".join([*parts, "# EOF"]) + "\n"


def _labels(report: ReportRow) -> str:
    case = report.case
    pairs = {
        "run": report.run,
        "case": case.label,
        "case_id": case.id,
        "workload": case.workload,
        "precision": case.precision,
        "device": case.device,
        "transport": case.transport,
        "fabric": case.fabric,
        "fabric_proof": report.fabric_proof,
        "ranks": str(case.ranks),
        "threads": str(case.threads),
    }
    return "{" + ",".join(f'{key}="{_escape(value)}"' for key, value in pairs.items()) + "}"


def _escape(text: str) -> str:
    shown = plain(text)
    return shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _name(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", text).lower()


def _metric_unit(unit: str) -> str:
    """``"flop/s"`` → ``"flop_per_second"``; base units are spelt out, as the format asks."""
    words = {"s": "seconds", "B": "bytes", "B/s": "bytes_per_second"}
    return words.get(unit) or _name(unit.replace("/s", "_per_second"))


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


Exporter = Callable[[Sequence[Run], Sequence[Result] | None], str]

EXPORTS: dict[str, Exporter] = {
    "csv": _csv,
    "json": _json,
    "openmetrics": _openmetrics,
    "pytest-benchmark": _pytest_benchmark,
}
