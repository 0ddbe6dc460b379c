"""One submission of a run: slurm/<generation>/ in its folder, enough to go on from the files alone.

``submission.json`` (site, MPI, arrays), ``array<k>.jsonl`` (a line per task), ``array<k>.sbatch``,
``collect.sbatch``, ``jobs.jsonl`` (what was submitted, cancelled and seen), ``logs/``, ``tasks/`` (what each task
says of itself). Nothing is changed after the first sbatch but jobs.jsonl, logs and tasks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.core.errors import StoreError, UsageError
from clustermark.core.files import atomic_write, cannot_write
from clustermark.core.journal import Event, Journal, read_journal
from clustermark.core.rundir import JOURNALS, RunDirectory, utc_now
from clustermark.runners.slurm_arrays import Array, Shape, Task
from clustermark.runners.slurm_render import Batch, render_array, render_collector
from clustermark.runners.slurm_site import Site

COLLECTOR = "collect"


@dataclass(frozen=True)
class Submission:
    """What was submitted, and where its files are.

    Attributes
    ----------
    run : folder of the run
    generation : counted from 0; each resubmission is the next
    site : as it was then
    mpi : "openmpi" or "mpich"
    python : interpreter on the nodes
    suite : name, for people
    arrays : job arrays
    report : the collector writes report.html and report.md too
    """

    run: Path
    generation: int
    site: Site
    mpi: str
    python: str
    suite: str
    arrays: tuple[Array, ...]
    report: bool = True

    @property
    def folder(self) -> Path:
        """slurm/<generation>"""
        return self.run / "slurm" / f"{self.generation:04d}"

    @property
    def batch(self) -> Batch:
        """What its scripts share."""
        return Batch(str(self.run), self.generation, self.suite, self.python, self.report)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its jobs: "0", "1", … for the arrays, then the collector."""
        return (*(str(array.number) for array in self.arrays), COLLECTOR)

    def script(self, part: str) -> Path:
        """The batch script of an array or of the collector."""
        return self.folder / ("collect.sbatch" if part == COLLECTOR else f"array{part}.sbatch")

    def texts(self) -> dict[str, str]:
        """Part → text of its batch script."""
        arrays = {str(array.number): render_array(array, self.site, self.batch) for array in self.arrays}
        return {**arrays, COLLECTOR: render_collector(self.site, self.batch)}

    def journal(self, writer: str) -> str:
        """Name of a journal of this submission; names sort as retry < task < verdict, and by generation."""
        return f"{JOURNALS}/{self.generation:04d}-{writer}.jsonl"

    def record_path(self, array: int, task: int) -> Path:
        """What a task says of itself."""
        return self.folder / "tasks" / f"{array}-{task}.json"

    def record(self, array: int, task: int) -> Mapping[str, Any]:
        """The record of a task, {} if there is none that can be read."""
        try:
            data = json.loads(self.record_path(array, task).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}

    def log(self, array: int, task: int) -> Path:
        """The output of a task's batch script."""
        return self.folder / "logs" / f"array{array}-{task}.out"

    def write(self) -> None:
        """Make the folder with all its files. Raises StoreError."""
        try:
            for name in ("logs", "tasks"):
                (self.folder / name).mkdir(parents=True)
            (self.run / JOURNALS).mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        for array in self.arrays:
            lines = [json.dumps({"jobs": task.jobs, "points": task.points}) + "\n" for task in array.tasks]
            atomic_write(self.folder / f"array{array.number}.jsonl", "".join(lines).encode())
        for part, text in self.texts().items():
            atomic_write(self.script(part), text.encode())
        facts = {
            "generation": self.generation,
            "site": self.site.to_dict(),
            "mpi": self.mpi,
            "python": self.python,
            "suite": self.suite,
            "arrays": [array.facts() for array in self.arrays],
            "report": self.report,
            "created_utc": utc_now(),
        }
        atomic_write(self.folder / "submission.json", json.dumps(facts, indent=1).encode())

    def note(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Append events to jobs.jsonl. Raises StoreError."""
        if events:
            journal = Journal(self.folder / "jobs.jsonl")
            try:
                for event in events:
                    journal.append({**event, "utc": utc_now()})
            finally:
                journal.close()

    def events(self) -> list[Event]:
        """What was submitted, cancelled, seen. Raises StoreError."""
        return read_journal(self.folder / "jobs.jsonl")

    def ids(self) -> dict[str, str]:
        """Part → job id, "" for one whose submission was begun and never confirmed."""
        found: dict[str, str] = {}
        for event in self.events():
            if event["event"] == "submitting":
                found.setdefault(str(event["part"]), "")
            elif event["event"] == "submitted":
                found[str(event["part"])] = str(event["job"])
        return found

    @staticmethod
    def load(run: Path, generation: int) -> Submission:
        """A submission of a run. Raises UsageError: it is not there or damaged."""
        folder = run / "slurm" / f"{generation:04d}"
        try:
            data = json.loads((folder / "submission.json").read_bytes())
            arrays = []
            for facts in data["arrays"]:
                lines = (folder / f"array{facts['number']}.jsonl").read_text().splitlines()
                tasks = tuple(_task(json.loads(line)) for line in lines)
                arrays.append(Array(facts["number"], Shape(**facts["shape"]), facts["minutes"], tasks))
            site = Site.from_dict(data["site"], f"{folder}/submission.json: site")
            texts = {key: str(data[key]) for key in ("mpi", "python", "suite")}
            return Submission(run, generation, site, arrays=tuple(arrays), report=bool(data["report"]), **texts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"{folder}: holds no readable submission ({type(error).__name__}); the run's results stay in cases/"
            ) from error


def _task(data: Mapping[str, Any]) -> Task:
    return Task(tuple(data["jobs"]), tuple((int(case), int(launch)) for case, launch in data["points"]))


def submissions(run: RunDirectory) -> list[Submission]:
    """All submissions of a run, oldest first. Raises UsageError: it was never submitted, or one is damaged."""
    numbers = sorted(int(p.parent.name) for p in (run.path / "slurm").glob("[0-9]*/submission.json"))
    if not numbers:
        raise UsageError(f"run {run.run_id}: was not submitted to Slurm; go on with `clustermark run --resume`")
    return [Submission.load(run.path, number) for number in numbers]


def next_generation(run: RunDirectory) -> int:
    """Number of a new submission: behind every folder that is there, whole or not."""
    return 1 + max((int(p.name) for p in (run.path / "slurm").glob("[0-9]*")), default=-1)


def remove(submission: Submission) -> None:
    """Take away a submission of which no job was ever started. Raises StoreError."""
    import shutil

    try:
        shutil.rmtree(submission.folder)
    except OSError as error:
        raise StoreError(f"{submission.folder}: cannot be removed ({error.strerror})") from error
