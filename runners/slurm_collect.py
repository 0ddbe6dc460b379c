"""From the files of a submitted run and the scheduler's word to run.h5: every planned point ends as something."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clustermark.core.errors import ResultFileError
from clustermark.core.files import atomic_write
from clustermark.core.journal import Event, read_journal
from clustermark.core.result import Result
from clustermark.core.rundir import RunDirectory, utc_now
from clustermark.core.store import read_case
from clustermark.core.summary import Row
from clustermark.runners.slurm_judge import Point, Witness, judge, witnesses
from clustermark.runners.slurm_states import Accounted, State
from clustermark.runners.slurm_submission import Submission
from clustermark.runners.slurm_watch import Key

Planned = tuple[int, int]


@dataclass(frozen=True)
class Collected:
    """What collecting gave.

    Attributes
    ----------
    rows : of run.h5
    open_tasks : array tasks that may still bring results
    missing : planned points without a result whose tasks are over
    doubted : results that were not believed
    """

    rows: list[Row]
    open_tasks: int
    missing: int
    doubted: int


def collect(
    run: RunDirectory,
    submissions: Sequence[Submission],
    states: Mapping[Key, State],
    accounted: Mapping[Key, Accounted],
) -> Collected:
    """Judge every point of the run, write the verdicts, assemble run.h5; the same again whenever it is called.

    Parameters
    ----------
    submissions : of the run, oldest first
    states : of each of their tasks
    accounted : what accounting knows of them, may be empty

    Raises
    ------
    StoreError : a verdict or run.h5 cannot be written
    """
    for submission in submissions:
        path = run.path / submission.journal("verdict")
        if path.exists():  # an earlier collector judged by what it knew then
            atomic_write(path, b"")
    finished, seen, worlds = run.finished(), _witnesses(run), _environments(run)
    verdicts: dict[int, list[Event]] = {submission.generation: [] for submission in submissions}
    missing = doubted = 0
    for owner in _last_tasks(submissions):
        view = _task_view(run, owner, states[owner.key], finished)
        for planned in owner.points:
            result = finished.get(planned)
            case = run.plan.cases[planned[0]]
            reason = judge(Point(case, _sealed(run, planned, result), seen.get(planned), **view))
            if reason:
                missing, doubted = missing + (result is None), doubted + (result is not None)
                verdicts[owner.key.generation].append(_failure(run, planned, reason))
    facts = [_facts(submission, states, accounted) for submission in submissions]
    for submission in submissions:
        events = verdicts[submission.generation]
        if submission is submissions[-1]:
            events = events + [{"event": "scheduler", "fingerprint": f, "scheduler": facts} for f in worlds]
        text = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
        atomic_write(run.path / submission.journal("verdict"), text.encode())
    still = sum(not state.ended and state.state != "UNKNOWN" for state in states.values())
    return Collected(run.assemble(), still, missing, doubted)


@dataclass(frozen=True)
class _Owner:
    """A task, its submission, and the points for which it was the last to be asked."""

    submission: Submission
    key: Key
    points: tuple[Planned, ...]


def _last_tasks(submissions: Sequence[Submission]) -> list[_Owner]:
    last: dict[Planned, Key] = {}
    tasks: dict[Key, tuple[Submission, tuple[Planned, ...]]] = {}
    for submission in submissions:
        for array in submission.arrays:
            for number, task in enumerate(array.tasks):
                key = Key(submission.generation, array.number, number)
                tasks[key] = submission, task.points
                last |= dict.fromkeys(task.points, key)
    return [
        _Owner(submission, key, tuple(point for point in points if last[point] == key))
        for key, (submission, points) in tasks.items()
    ]


def _witnesses(run: RunDirectory) -> dict[Planned, Witness]:
    found: dict[Planned, Witness] = {}
    for path in run.journal_files:
        found |= witnesses(read_journal(path))
    return found


def _environments(run: RunDirectory) -> list[str]:
    """Fingerprints of the run."""
    return sorted({str(e["fingerprint"]) for e in run.events() if e["event"] == "environment" and "fingerprint" in e})


def _sealed(run: RunDirectory, point: Planned, result: Result | None) -> Result | None:
    """A good result with its samples from the disk; one whose file is damaged stays without, and is not believed."""
    if result is None or result.status != "ok":
        return result
    with contextlib.suppress(ResultFileError):
        stored = read_case(run.case_path(*point))
        return replace(result, measurement=stored.measurement)
    return result


def _task_view(run: RunDirectory, owner: _Owner, state: State, finished: Mapping[Planned, Result]) -> dict[str, Any]:
    """What all points of a task have in common."""
    log = owner.submission.log(owner.key.array, owner.key.task)
    return {
        "state": state,
        "record": owner.submission.record(owner.key.array, owner.key.task),
        "place": place(owner.submission, owner.key),
        "log": str(log.relative_to(run.path)),
        "has_log": log.exists(),
        "explained": any(point in finished and finished[point].status == "failed" for point in owner.points),
    }


def place(submission: Submission, key: Key) -> str:
    """``"Slurm job 12_3"``, or the array of a job that has no id."""
    job = submission.ids().get(str(key.array), "")
    return f"Slurm job {job}_{key.task}" if job else f"task {key.task} of array {key.array}, never submitted,"


def _failure(run: RunDirectory, point: Planned, reason: str) -> Event:
    number, launch = point
    result = Result(run.plan.cases[number], launch, "failed", reason, started_utc=utc_now())
    return {"event": "done", "case": number, "launch": launch, "file": None, "result": result.header()}


def _facts(submission: Submission, states: Mapping[Key, State], accounted: Mapping[Key, Accounted]) -> dict[str, Any]:
    """What the scheduler knows of a submission, for the provenance of the run."""
    tasks = []
    for array in submission.arrays:
        for number in range(len(array.tasks)):
            key = Key(submission.generation, array.number, number)
            state, book = states[key], accounted.get(key)
            energy = {"energy_joules": book.energy} if book is not None and book.energy is not None else {}
            ids = {"array": array.number, "task": number, "state": state.state, "state_from": state.source}
            tasks.append({**ids, **submission.record(array.number, number), **energy})
    return {
        "scheduler": "slurm",
        "site": submission.site.name,
        "virtual": submission.site.virtual,
        "mpi": submission.mpi,
        "jobs": submission.ids(),
        "shapes": {str(array.number): str(array.shape) for array in submission.arrays},
        "tasks": tasks,
    }
