"""Reading finished runs: the overview in one read, or every raw sample."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.core.plan import Plan
from clustermark.core.result import Result
from clustermark.core.store import FORMAT, H5, guarded, open_result, read_case_group
from clustermark.core.summary import Row


@dataclass(frozen=True)
class Run:
    """A run as read from run.h5.

    Attributes
    ----------
    path, run_id, suite, created_utc, writer : where it came from
    complete : every planned launch of every case has a result
    plan : what was planned
    environments : fingerprint → environment, one per distinct environment that launches ran in
    rows : one per case, in the order of the plan, skipped ones last
    """

    path: Path
    run_id: str
    suite: str
    created_utc: str
    writer: str
    complete: bool
    plan: Plan
    environments: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def unfinished(self) -> int:
        """Planned launches of cases that have no result."""
        planned = len(self.plan.cases) * self.plan.launches
        return planned - sum(row.launches for row in self.rows if row.launches_planned)


def run_path(path: Path) -> Path:
    """The run.h5 meant by a run's folder or by the file itself."""
    return path / "run.h5" if os.path.isdir(path) else path  # noqa: PTH112 - Path.is_dir raises for some bad names


def read_run(path: Path) -> Run:
    """The overview of a run: everything but raw samples.

    Raises
    ------
    ResultFileError : not there, not a clustermark result, damaged, or of a newer schema
    """
    path = run_path(path)
    with open_result(path, FORMAT) as file:
        return guarded(
            path,
            lambda: Run(
                path=path,
                run_id=str(file.attrs["run_id"]),
                suite=str(file.attrs["suite"]),
                created_utc=str(file.attrs["created_utc"]),
                writer=str(file.attrs["writer"]),
                complete=str(file.attrs["status"]) == "complete",
                plan=Plan.from_dict(json.loads(file["plan/json"].asstr()[()])),
                environments=_mapping(json.loads(file["environment/json"].asstr()[()])),
                rows=tuple(Row.from_dict(row) for row in json.loads(file["overview/json"].asstr()[()])),
            ),
        )


def _mapping(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ValueError("environment is no mapping")
    return data


def read_samples(path: Path) -> list[Result]:
    """Every launch of every case with its raw samples. Raises ResultFileError as `read_run` does."""
    path = run_path(path)
    with open_result(path, FORMAT) as file:
        return guarded(path, lambda: [r for name in file["cases"] for r in read_case_group(file["cases"][name])])


def read_launch_medians(path: Path) -> dict[str, tuple[float, ...]]:
    """Case id → median time of a step per launch, [s], without reading more; cases without samples are left out.

    Raises ResultFileError as `read_run` does.
    """
    path = run_path(path)
    with open_result(path, FORMAT) as file:
        return guarded(path, lambda: dict(_medians(group) for group in file["cases"].values() if "time" in group))


def _medians(group: H5) -> tuple[str, tuple[float, ...]]:
    ordered = np.sort(group["time"][()].max(axis=1), axis=1)  # the NaN behind the last sample go to the end
    counts, launches = group["samples"][()], np.arange(len(ordered))
    middle = (ordered[launches, (counts - 1) // 2] + ordered[launches, counts // 2]) / 2
    return str(group.attrs["case_id"]), tuple((middle / group["steps_per_sample"][()]).tolist())
