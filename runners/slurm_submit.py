"""sbatch, from a submission whose files are written: all of its jobs, or none of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from clustermark.core.errors import ClustermarkError, UsageError
from clustermark.runners.slurm_arrays import Array
from clustermark.runners.slurm_states import State
from clustermark.runners.slurm_submission import COLLECTOR, Submission
from clustermark.runners.slurm_tools import SilentError, Slurm
from clustermark.runners.slurm_watch import FIRST_POLL_SECONDS, Key, Watch, next_delay

SUBMIT_TRIES = 5


def refuse_partition(partition: Mapping[str, object], arrays: Sequence[Array], site: str) -> None:
    """Jobs that Slurm would accept and never start. Raises UsageError."""
    state, limit = partition.get("state", "UP"), partition.get("minutes")
    if state != "UP":
        raise UsageError(f"site {site}: its partition is {state}: jobs would wait for ever; choose another in the site")
    longest = max(array.minutes for array in arrays)
    if isinstance(limit, int) and longest > limit:
        raise UsageError(
            f"site {site}: a job needs {longest} min and the partition allows {limit}, so it would wait for ever; "
            f"give --minutes {limit}, or cut the suite down with --only, --set or --seconds"
        )


def check(submission: Submission, slurm: Slurm) -> None:
    """Ask Slurm whether each script could ever run. Raises UsageError (no) or SilentError."""
    refuse_partition(slurm.partition(), submission.arrays, submission.site.name)
    for part in submission.parts:
        said = slurm.test(submission.script(part), submission.run)
        if said:
            shape = f" of {submission.arrays[int(part)].shape}" if part != COLLECTOR else ""
            raise UsageError(f"site {submission.site.name}: job {part}{shape} cannot run: {said}")


def submit(submission: Submission, slurm: Slurm, told: Callable[[str, str], None]) -> dict[str, str]:
    """Submit every array, then the collector; returns part → job id.

    If anything stops it (Ctrl-C included), what was submitted is cancelled: half of a run is of no use.

    Parameters
    ----------
    told : called with part and id of each job

    Raises
    ------
    UsageError : Slurm says no
    SilentError : Slurm does not answer
    """
    ids: dict[str, str] = {}
    try:
        for part in submission.parts:
            options = [] if part != COLLECTOR else _after(list(ids.values()))
            submission.note([{"event": "submitting", "part": part}])
            ids[part] = _submit_once(submission, slurm, part, options)
            submission.note([{"event": "submitted", "part": part, "job": ids[part]}])
            told(part, ids[part])
    except (ClustermarkError, KeyboardInterrupt):
        cancel([submission], slurm)
        raise
    return ids


def _after(jobs: Sequence[str]) -> list[str]:
    """The collector comes whatever the arrays end as, and does not wait for what can never come."""
    return [f"--dependency=afterany:{':'.join(jobs)}", "--kill-on-invalid-dep=yes"]


def _submit_once(submission: Submission, slurm: Slurm, part: str, options: Sequence[str]) -> str:
    """One job, once: after an unanswered sbatch its name is looked up before it is sent again."""
    for attempt in range(SUBMIT_TRIES):
        try:
            if attempt:
                found = slurm.find(submission.batch.job_name(part))
                if found:
                    return found
            return slurm.submit(submission.script(part), submission.run, options)
        except SilentError as error:
            if attempt == SUBMIT_TRIES - 1 or "cannot be started" in str(error):
                raise
            slurm.sleep(2.0 * (attempt + 1))
    raise AssertionError("unreachable: the last attempt returns or raises")


def cancel(submissions: Sequence[Submission], slurm: Slurm) -> list[str]:
    """Cancel every job of the submissions, those without a written id too; returns the ids. Raises ClustermarkError."""
    cancelled: list[str] = []
    for submission in submissions:
        ids = submission.ids()
        try:
            for part, job in ids.items():
                ids[part] = job or slurm.find(submission.batch.job_name(part))
            jobs = [job for job in ids.values() if job]
            slurm.cancel(jobs)
        except SilentError as error:
            raise SilentError(f"{error}; its jobs may go on: `clustermark cancel {submission.run}` later") from None
        submission.note([{"event": "cancelled", "jobs": jobs}] if jobs else [])
        cancelled += jobs
    return cancelled


Shown = Callable[[Mapping[Key, State], State], None]


def wait(
    watch: Watch,
    shown: Shown,
    max_pending: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[Key, State]:
    """Poll until every task and the collector have ended; returns the last states.

    Parameters
    ----------
    watch : of the run
    shown : called after each poll with the states of the tasks and of the collector
    max_pending : [min] after which a task that can never start is cancelled; 0 for never
    """
    doomed_since: dict[Key, float] = {}
    delay, before = FIRST_POLL_SECONDS, (None, None)
    while True:
        states = watch.poll()
        shown(states, watch.collector)
        if all(state.ended for state in states.values()) and not _expected(watch):
            return states
        _give_up(watch, states, doomed_since, max_pending, clock)
        now = (states, watch.collector)
        delay, before = next_delay(delay, now != before), now
        sleep(delay)


def _expected(watch: Watch) -> bool:
    """The collector may still run: it is in the queue, and not for ever."""
    return watch.collector.state in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING") and not watch.collector.doomed


def _give_up(
    watch: Watch,
    states: Mapping[Key, State],
    doomed_since: dict[Key, float],
    max_pending: float,
    clock: Callable[[], float],
) -> None:
    """Cancel what has pended too long for a reason that does not pass."""
    for key, state in states.items():
        if not state.doomed:
            doomed_since.pop(key, None)
            continue
        since = doomed_since.setdefault(key, clock())
        if max_pending and clock() - since >= 60 * max_pending:
            submission = next(s for s in watch.submissions if s.generation == key.generation)
            job = f"{submission.ids()[str(key.array)]}_{key.task}"
            reason = f"it waited too long: {state.reason}"
            submission.note([{"event": "cancelled", "jobs": [job], "reason": reason}])
            watch.slurm.cancel([job])
