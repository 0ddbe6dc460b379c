"""The local runner: one mpirun per job; a launch that ends badly costs one case, never the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clustermark.core.environment import recorded_variables
from clustermark.core.errors import StoreError
from clustermark.core.files import atomic_write
from clustermark.core.journal import Event, Journal, JournalReader, read_journal
from clustermark.core.plan import Job
from clustermark.core.result import Result
from clustermark.core.rundir import RunDirectory, utc_now
from clustermark.runners.children import die_with_parent, end
from clustermark.runners.diagnose import cannot_write, diagnose, seen_in_notes
from clustermark.runners.hosts import hosts_here
from clustermark.runners.launcher import Launcher, launch_arguments, launch_environment, usable_cores
from clustermark.runners.proving import count_copies
from clustermark.runners.worker import Launch

POLL_SECONDS = 0.02
# The ranks' own detectors fire after `timeout`; the launcher steps in where even they are stuck.
GRACE_SECONDS = 10.0

Progress = Callable[[Result], None]


class Starter(Protocol):
    """What starts the ranks of a launch, here or in an allocation of a scheduler.

    Attributes
    ----------
    place : where they run, for messages: "Slurm job 12_3", "" for this machine
    spreads : the ranks must be found on as many nodes as the job asks for
    retries : how often a launch of which no rank ever began is tried again before its cases are blamed
    """

    @property
    def place(self) -> str:
        """For messages."""
        ...

    @property
    def spreads(self) -> bool:
        """Whether nodes are counted."""
        ...

    @property
    def retries(self) -> int:
        """Of launches that never began."""
        ...

    def arguments(self, launch: Launch) -> list[str]:
        """The whole argv."""
        ...

    def environment(self, launch: Launch) -> dict[str, str]:
        """The variables of the process that starts them."""
        ...

    def explain(self, folder: Path) -> str:
        """Why a launch that ended badly is no fault of a case, "" if it may be one; may not return at all."""
        ...


@dataclass(frozen=True)
class LocalStarter:
    """mpirun on this machine."""

    launcher: Launcher
    place: str = ""
    spreads: bool = False
    retries: int = 0

    def arguments(self, launch: Launch) -> list[str]:
        """mpirun, then the worker."""
        as_root, hosts = os.geteuid() == 0, hosts_here()
        tokens = launch_arguments(self.launcher, launch.ranks, launch.threads, usable_cores(), as_root, hosts)
        return [*tokens, *worker_arguments(launch)]

    def environment(self, launch: Launch) -> dict[str, str]:
        """Inherited variables without those of an enclosing launch, with the fabric's."""
        return launch_environment(os.environ, launch.fabric, launch.threads)

    def explain(self, folder: Path) -> str:
        """This machine is still there."""
        return ""


def worker_arguments(launch: Launch, python: str = sys.executable) -> list[str]:
    """The program of a rank."""
    return [python, "-m", "clustermark.runners.worker", str(Path(launch.folder) / "job.json")]


@dataclass(frozen=True)
class Ended:
    """How an mpirun ended: its exit status (None: it had to be killed), and whether for silence."""

    status: int | None
    timed_out: bool


def run_plan(run: RunDirectory, launcher: Launcher, progress: Progress = lambda result: None) -> None:
    """Run every case of the plan that has no result yet.

    Parameters
    ----------
    run : locked by the caller
    launcher : starts the ranks
    progress : called with each new result

    Raises
    ------
    StoreError : results cannot be written; what was finished stays
    """
    record_unwatched_failures(run)
    finished = run.finished()
    copies: dict[str, int | None] = {}
    for number, job in enumerate(run.plan.jobs):
        left = list(job.left(finished))
        if left and job.fabric not in copies:
            copies[job.fabric] = count_copies(launcher, job.fabric)
        run_job(run, LocalStarter(launcher), f"{number:04d}", job, left, copies.get(job.fabric), progress)


def run_job(
    run: RunDirectory,
    starter: Starter,
    name: str,
    job: Job,
    left: list[int],
    copies: int | None,
    progress: Progress = lambda result: None,
) -> None:
    """Launch until every case that is left of the job has a result; each bad end gives one case its failure.

    Parameters
    ----------
    run : its journal is this process's own
    name : of the launches' folders
    left : numbers of the cases to run, in order
    copies : process_vm_readv calls seen in a launch of this fabric, None if not counted

    Raises
    ------
    StoreError : results cannot be written; what was finished stays
    """
    retries = starter.retries
    while left:
        folder = run.launch_folder(name)
        events: list[Event] = []
        launch = _write_launch(run, folder, job, left, copies, starter.spreads)
        ended = _launch(run, starter, folder, launch, _collect(events, progress))
        done = {event["case"] for event in events if event["event"] == "done"}
        left = [case for case in left if case not in done]
        if not left:
            return
        foreign = starter.explain(folder)
        if retries and not foreign and not any(folder.glob("rank*")):
            retries -= 1
            continue
        reason = foreign or diagnose(folder, ended.status, ended.timed_out, run.plan.sampling.timeout)
        if cannot_write(folder, ended.status):
            raise StoreError(reason if "cannot be written" in reason else _disk_sentence(run, reason))
        started = [event["case"] for event in events if event["event"] == "start"]
        guilty = [started[-1]] if started and started[-1] in left and not foreign else left
        for case in guilty:
            progress(fail(run, case, job.launch, f"{reason} [{_where(starter.place, folder)}]"))
        left = [case for case in left if case not in guilty]


def _where(place: str, folder: Path) -> str:
    return f"{place}{'; ' if place else ''}logs: ranks/{folder.name}"


def _disk_sentence(run: RunDirectory, reason: str) -> str:
    return (
        f"{run.path}: cannot be written ({reason}); nothing that was finished is lost: "
        f"free space, then continue with `clustermark run --resume {run.path}`"
    )


def _collect(events: list[Event], progress: Progress) -> Callable[[Event], None]:
    def collect(event: Event) -> None:
        events.append(event)
        if event["event"] == "done":
            progress(Result.from_header(event["result"]))

    return collect


def record_unwatched_failures(run: RunDirectory) -> None:
    """Failures that no launcher saw (inside a user's own mpirun, or it was killed): from the ranks' notes.

    A case that was begun, has no result, and whose ranks left a note is failed; one whose ranks were killed from
    outside left none and simply runs again. Raises StoreError.
    """
    begun: dict[tuple[int, int], str] = {}
    for event in read_journal(run.journal_path):
        key = event.get("case"), event.get("launch")
        if event["event"] == "start":
            begun[key] = str(event.get("folder"))  # type: ignore[index]
        elif event["event"] in ("done", "retry"):
            begun.pop(key, None)  # type: ignore[arg-type]
    for (case, launch), name in begun.items():
        folder = run.path / "ranks" / Path(name).name
        reason = seen_in_notes(folder, run.plan.sampling.timeout)
        if reason and 0 <= case < len(run.plan.cases) and not cannot_write(folder, None):
            fail(run, case, launch, f"{reason} [{_where('', folder)}]")


def fail(run: RunDirectory, case: int, launch: int, reason: str) -> Result:
    """Record that a case failed in a launch."""
    result = Result(run.plan.cases[case], launch, "failed", reason, started_utc=utc_now())
    journal = Journal(run.journal_path)
    try:
        run.record(journal, result)
    finally:
        journal.close()
    return result


def _write_launch(
    run: RunDirectory, folder: Path, job: Job, cases: list[int], copies: int | None, spreads: bool
) -> Launch:
    """What the ranks are told, as job.json. Raises StoreError."""
    launch = Launch.of_job(run, folder, job, cases, recorded_variables(), copies, spreads)
    atomic_write(folder / "job.json", launch.to_json().encode())
    return launch


def _launch(
    run: RunDirectory, starter: Starter, folder: Path, launch: Launch, collect: Callable[[Event], None]
) -> Ended:
    """One start of the ranks to its end; `collect` sees every event of the journal as it appears."""
    reader = JournalReader(run.journal_path, _size(run.journal_path))
    with (folder / "mpirun.stdout").open("wb") as out, (folder / "mpirun.stderr").open("wb") as err:
        process = subprocess.Popen(
            starter.arguments(launch),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=starter.environment(launch),
            start_new_session=True,
            pass_fds=run.held,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
        )
    try:
        return _watch(process, reader, folder / "alive", run.plan.sampling.timeout + GRACE_SECONDS, collect)
    finally:
        end(process)
        for event in reader.new_events():
            collect(event)


def _watch(
    process: subprocess.Popen[bytes],
    reader: JournalReader,
    alive: Path,
    patience: float,
    collect: Callable[[Event], None],
) -> Ended:
    last_sign, last_touch = time.monotonic(), 0.0
    while True:
        status = process.poll()
        events = reader.new_events()
        for event in events:
            collect(event)
        if status is not None:
            return Ended(status if status >= 0 else 128 - status, False)
        touch = alive.stat().st_mtime if alive.exists() else 0.0
        if events or touch != last_touch:
            last_sign, last_touch = time.monotonic(), touch
        if time.monotonic() - last_sign > patience:
            return Ended(None, True)
        time.sleep(POLL_SECONDS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
