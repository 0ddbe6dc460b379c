"""The JSON that `pytest-benchmark compare` reads: every ok case with its raw samples."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clustermark.core.result import Result
from clustermark.core.runfile import Run
from clustermark.reports.rows import ReportRow, with_ceilings

_FORMAT_VERSION = "5.0.0"


def pytest_benchmark(run: Run, samples: Sequence[Result]) -> dict[str, Any]:
    """One benchmark per ok case of a run.

    The samples of all launches stand in one list there, because the format knows no launches; our own interval
    is in `extra_info`. Cases of one workload are one group.

    Parameters
    ----------
    run : its overview
    samples : its raw samples
    """
    by_case: dict[str, list[Result]] = {}
    for result in samples:
        if result.measurement is not None and result.status == "ok":
            by_case.setdefault(result.case.id, []).append(result)
    rows = with_ceilings(run.rows, run.run_id, run.created_utc)
    return {
        "machine_info": _machine_info(run),
        "commit_info": {"id": "unknown", "time": None, "author_time": None, "dirty": False, "branch": "unknown"},
        "benchmarks": [
            _benchmark(row, by_case[row.case.id]) for row in rows if row.drawable and row.case.id in by_case
        ],
        "datetime": run.created_utc,
        "version": _FORMAT_VERSION,
    }


def _machine_info(run: Run) -> dict[str, Any]:
    environment = next(iter(run.environments.values()), {})
    facts = environment.get("facts", {}) if isinstance(environment, Mapping) else {}
    found = facts.get("cpu")
    cpu = found if isinstance(found, Mapping) else {}
    return {
        "node": "",
        "machine": cpu.get("architecture", ""),
        "cpu": {"brand_raw": cpu.get("model", ""), "count": cpu.get("logical", 0)},
        "fingerprints": list(run.environments),
    }


def _benchmark(row: ReportRow, results: Sequence[Result]) -> dict[str, Any]:
    measured = [result.measurement for result in results if result.measurement is not None]
    case, time = row.case, row.row.time
    data = [float(second) for measurement in measured for second in measurement.step_seconds]
    params = {
        **case.params,
        "precision": case.precision,
        "device": case.device,
        "transport": case.transport,
        "fabric": case.fabric,
        "ranks": case.ranks,
        "threads": case.threads,
    }
    return {
        "group": case.workload,
        "name": case.label,
        "fullname": f"clustermark::{case.label}",
        "params": params,
        "param": case.label,
        "extra_info": {
            "case_id": case.id,
            "launches": len(measured),
            "interval": [time.low, time.value, time.high] if time else None,
            "interval_scope": time.scope if time else None,
            "fabric_proof": row.fabric_proof,
            "conditions": list(row.row.conditions),
        },
        "options": {"timer": measured[0].clock, "warmup": bool(measured[0].warmup_seconds.size)},
        "stats": _stats(data, max(measurement.steps_per_sample for measurement in measured)),
    }


def _stats(data: Sequence[float], iterations: int) -> dict[str, Any]:
    x = np.sort(np.asarray(data))
    q1, median, q3 = (float(np.quantile(x, share)) for share in (0.25, 0.5, 0.75))
    mean = float(x.mean())
    stddev = statistics.stdev(data) if len(data) > 1 else 0.0
    fence_low, fence_high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    inside = x[(x >= fence_low) & (x <= fence_high)]
    beyond_stddev = int(((x < mean - stddev) | (x > mean + stddev)).sum())
    return {
        "min": float(x[0]),
        "max": float(x[-1]),
        "mean": mean,
        "stddev": stddev,
        "rounds": len(data),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": len(data) - len(inside),
        "stddev_outliers": beyond_stddev,
        "outliers": f"{beyond_stddev};{len(data) - len(inside)}",
        "ld15iqr": float(inside[0]),
        "hd15iqr": float(inside[-1]),
        "ops": 1 / mean if mean else 0.0,
        "total": float(x.sum()),
        "data": list(data),
        "iterations": iterations,
    }
