"""What `submit`, `status`, `cancel` and `collect` share: finding the run, its jobs as text and as JSON."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustermark.cli.layout import columns

if TYPE_CHECKING:
    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.slurm_states import State
    from clustermark.runners.slurm_submission import Submission
    from clustermark.runners.slurm_watch import Key, Watch


def open_submitted(given: Path, results: Path) -> tuple[RunDirectory, list[Submission]]:
    """A run and its submissions. Raises UsageError."""
    from clustermark.cli.run_verb import find_run
    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.slurm_submission import submissions

    run = RunDirectory.open(find_run(given, results))
    return run, submissions(run)


def private_files() -> None:
    """Nothing that is written from here on is writable for everybody, whatever the umask was."""
    os.umask(os.umask(0o077) | 0o002)


def job_rows(watch: Watch, states: Mapping[Key, State]) -> list[dict[str, Any]]:
    """One entry per array: ids, shape, how many of its tasks are in which state, and why what waits waits."""
    rows = []
    for submission in watch.submissions:
        ids = submission.ids()
        for array in submission.arrays:
            mine = [s for k, s in states.items() if (k.generation, k.array) == (submission.generation, array.number)]
            waiting = Counter(s.reason for s in mine if s.state == "PENDING" and s.reason)
            rows.append(
                {
                    "submission": submission.generation,
                    "job": ids.get(str(array.number), ""),
                    "shape": str(array.shape),
                    "tasks": len(array.tasks),
                    "states": dict(Counter(s.state for s in mine)),
                    "waiting_for": dict(waiting),
                    "never_starts": sum(s.doomed for s in mine),
                }
            )
    return rows


def job_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same for people."""
    cells = []
    for row in rows:
        states = ", ".join(f"{count} {state}" for state, count in row["states"].items())
        waits = ", ".join(row["waiting_for"])
        cells.append((row["job"] or "–", row["shape"], states, f"waiting: {waits}" if waits else ""))
    return columns(cells, ("job", "each task", "tasks", ""))


def warn_of_doomed(rows: Sequence[Mapping[str, Any]], run: Path) -> None:
    """One sentence per array whose tasks can never start."""
    for row in rows:
        if row["never_starts"]:
            print(
                f"clustermark: job {row['job']}: {row['never_starts']} task(s) will not start by themselves "
                f"({', '.join(row['waiting_for'])}); mend that, or `clustermark cancel {run}`",
                file=sys.stderr,
                flush=True,
            )
