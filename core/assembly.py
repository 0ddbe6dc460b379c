"""run.h5: plan, environments, cases and summary of a run as one file, written whole.

`docs/store.md` draws the layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from clustermark import __version__
from clustermark.core.case import canonical_json
from clustermark.core.plan import Plan
from clustermark.core.result import Result
from clustermark.core.store import FORMAT, H5, SCHEMA_VERSION, fill_case, write_image, write_text
from clustermark.core.summary import Row


def write_run(
    path: Path,
    plan: Plan,
    created_utc: str,
    groups: list[tuple[int, list[Result], Row]],
    environments: Mapping[str, Any],
    complete: bool,
) -> None:
    """run.h5, whole or not at all; its folder names the run.

    Parameters
    ----------
    path : run.h5 in the folder of the run
    plan, created_utc : what was planned, and when
    groups : (case number, launches, row) per case; skipped cases are numbered behind the planned ones
    environments : fingerprint → environment
    complete : every planned launch of every case has a result

    Raises
    ------
    StoreError : the image cannot be made or the file cannot be written
    """
    plan_text = canonical_json(plan.to_dict())

    def fill(file: H5) -> None:
        file.attrs.update(
            {
                "format": FORMAT,
                "schema_version": SCHEMA_VERSION,
                "run_id": path.parent.name,
                "suite": plan.suite,
                "created_utc": created_utc,
                "writer": f"clustermark {__version__}",
                "status": "complete" if complete else "partial",
                "plan_hash": hashlib.sha256(plan_text.encode()).hexdigest(),
            }
        )
        write_text(file, "plan/json", plan_text)
        _fill_environment(file.create_group("environment"), environments)
        cases = file.create_group("cases", track_order=True)
        for number, results, row in groups:
            fill_case(cases.create_group(f"{number:06d}", track_order=True), results, row)
        rows = [row for _, _, row in groups]
        _fill_summary(file.create_group("summary"), groups)
        write_text(file, "overview/json", json.dumps([row.to_dict() for row in rows]))

    write_image(path, fill)


def _fill_environment(group: H5, environments: Mapping[str, Any]) -> None:
    write_text(group, "json", json.dumps(environments))
    group.attrs["fingerprint"] = next(iter(environments), "")
    group.attrs["fingerprints"] = len(environments)
    _fill_nics(group, environments)
    rank_rows = [row for environment in environments.values() for row in environment.get("ranks", [])]
    if rank_rows:
        hosts = group.create_group("hosts")
        text = h5py.string_dtype()
        hosts.create_dataset("rank", data=[int(row["rank"]) for row in rank_rows])
        hosts.create_dataset("ranks", data=[int(row["ranks"]) for row in rank_rows])
        hosts.create_dataset("node", data=[str(row["node"]) for row in rank_rows], dtype=text)
        hosts.create_dataset("cores", data=[str(row["affinity"]) for row in rank_rows], dtype=text)


def _fill_nics(group: H5, environments: Mapping[str, Any]) -> None:
    rows = [row for environment in environments.values() for row in environment.get("provenance", {}).get("nics", [])]
    unique = list({json.dumps(row, sort_keys=True): row for row in rows}.values())
    if unique:
        nics = group.create_group("nics")
        for column in ("node", "name", "driver"):
            nics.create_dataset(column, data=[str(row[column]) for row in unique], dtype=h5py.string_dtype())
        for column in ("speed_mbit", "mtu"):
            nics.create_dataset(column, data=[int(row[column]) for row in unique])


def _fill_summary(group: H5, groups: list[tuple[int, list[Result], Row]]) -> None:
    """Equal-length columns, one entry per case and metric: pandas reads them as they are."""
    flat = [(number, row, metric) for number, _, row in groups for metric in row.metrics]
    text = h5py.string_dtype()
    group.create_dataset("case", data=[number for number, _, _ in flat], dtype="i8")
    columns = {"value": "value", "ci_low": "low", "ci_high": "high"}
    for column, name in columns.items():
        group.create_dataset(column, data=[getattr(metric, name) for _, _, metric in flat], dtype="f8")
    words = {
        "label": [row.case.label for _, row, _ in flat],
        "metric": [metric.name for _, _, metric in flat],
        "units": [metric.unit for _, _, metric in flat],
        "better": [metric.better for _, _, metric in flat],
        "kind": ["measured"] * len(flat),
    }
    for column, values in words.items():
        group.create_dataset(column, data=values, dtype=text)
