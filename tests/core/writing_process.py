"""A process that records launches until it is killed, and says each time what is safely on the disk.

Usage: writing_process.py safe|unsafe FOLDER, where FOLDER is a run folder that `RunDirectory.create` made.
"""

import sys
from pathlib import Path

import h5py
from core_examples import result_of

from clustermark.core.journal import Journal
from clustermark.core.rundir import RunDirectory


def main(way: str, folder: Path) -> None:
    """Record every launch of every case; print "launch case" after each."""
    run = RunDirectory.open(folder)
    journal = Journal(run.journal_path)
    planned = [(launch, number) for launch in range(run.plan.launches) for number in range(len(run.plan.cases))]
    print("ready", flush=True)
    if way == "safe":
        for launch, number in planned:
            run.record(journal, result_of(run.plan.cases[number], launch))
            print(launch, number, flush=True)
        return
    with h5py.File(folder / "appended.h5", "w") as file:
        for launch, number in planned:
            result = result_of(run.plan.cases[number], launch)
            assert result.measurement is not None
            file[f"{launch}/{number}"] = result.measurement.seconds
            print(launch, number, flush=True)
        sys.stdin.read()  # the unsafe way is fast: wait here for the kill


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
