"""The folder of a run: plan.json, journal.jsonl, cases/*.h5, ranks/, and at the end run.h5.

Case files and journal are the truth while a run goes on; run.h5 is assembled from them, whole, at any time.
Where several launches run at once, on nodes that share the file system, each has a journal of its own in journals/:
they are read after journal.jsonl, in the order of their names.
"""

import contextlib
import fcntl
import itertools
import json
import os
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clustermark.core.assembly import write_run
from clustermark.core.errors import ResultFileError, StoreError, UsageError
from clustermark.core.files import atomic_write, cannot_write, sync_folder
from clustermark.core.journal import Event, Journal, read_journal
from clustermark.core.plan import Plan
from clustermark.core.result import Result
from clustermark.core.store import SCHEMA_VERSION, read_case, write_case
from clustermark.core.summary import Row, summarise

JOURNAL = "journal.jsonl"
JOURNALS = "journals"


def utc_now() -> str:
    """ISO 8601 in UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RunDirectory:
    """One run on the disk."""

    def __init__(self, path: Path, plan: Plan, created_utc: str, journal: str = JOURNAL) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.plan = plan
        self.created_utc = created_utc
        self.journal = journal
        self.index = {case.id: number for number, case in enumerate(plan.cases)}
        self._lock: int | None = None

    @property
    def run_id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def journal_path(self) -> Path:
        """The journal that this process writes: journal.jsonl, or one of journals/."""
        return self.path / self.journal

    @property
    def journal_files(self) -> list[Path]:
        """Every journal, in the order in which they are read: a later event of a case replaces an earlier one."""
        return [self.path / JOURNAL, *sorted((self.path / JOURNALS).glob("*.jsonl"))]

    def events(self) -> list[Event]:
        """The events of every journal. Raises StoreError."""
        return [event for path in self.journal_files for event in read_journal(path)]

    @property
    def run_file(self) -> Path:
        """run.h5"""
        return self.path / "run.h5"

    @property
    def is_submitted(self) -> bool:
        """A scheduler's jobs run it: each has a journal of its own, and nobody holds the lock."""
        return (self.path / JOURNALS).is_dir()

    def case_path(self, index: int, launch: int) -> Path:
        """cases/<number in the plan>.<launch>.h5"""
        return self.path / "cases" / f"{index:06d}.{launch}.h5"

    def launch_folder(self, name: str) -> Path:
        """A new folder ranks/<name>.<attempt> for the logs of one launch. Raises StoreError."""
        for attempt in itertools.count():
            folder = self.path / "ranks" / f"{name}.{attempt}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise cannot_write(folder, error) from error
            return folder
        raise AssertionError("unreachable: the count has no end")

    @staticmethod
    def create(root: Path, plan: Plan) -> "RunDirectory":
        """A new folder under `root`, its name from time, suite and chance. Raises StoreError."""
        created = utc_now()
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in plan.suite)[:40]
        path = root / f"{created.replace(':', '').replace('-', '')}-{name}-{secrets.token_hex(3)}"
        try:
            path.mkdir(parents=True)
            (path / "cases").mkdir()
            (path / "ranks").mkdir()
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be made ({error.strerror or error}); mend the permission or choose another folder"
            ) from error
        sync_folder(root)
        text = json.dumps({"schema_version": SCHEMA_VERSION, "created_utc": created, "plan": plan.to_dict()}, indent=1)
        atomic_write(path / "plan.json", text.encode())
        return RunDirectory(path, plan, created)

    @staticmethod
    def open(path: Path, journal: str = JOURNAL) -> "RunDirectory":
        """An existing folder, and the journal to write. Raises UsageError: no run there, a damaged or newer plan."""
        try:
            data = json.loads((path / "plan.json").read_bytes())
            version = int(data["schema_version"])
            if version > SCHEMA_VERSION:
                raise UsageError(f"{path}: was planned by a newer clustermark (schema {version}); install that one")
            return RunDirectory(path.resolve(), Plan.from_dict(data["plan"]), str(data["created_utc"]), journal)
        except OSError:
            raise UsageError(f"{path}: holds no run (no readable plan.json); give a folder under results/") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"{path}/plan.json: is damaged ({type(error).__name__}); its finished cases stay readable in cases/"
            ) from error

    def lock(self) -> int:
        """Hold the run for this process until it ends; returns the descriptor, to be inherited by mpirun.

        Raises
        ------
        UsageError : another process runs it
        StoreError : the lock file cannot be made
        """
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise cannot_write(self.path / "lock", error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UsageError(f"run {self.run_id}: is still running; wait for it or end it, then resume") from None
        except OSError:
            pass  # a file system without locks: the run goes on unguarded
        else:
            self._remove_temporaries()
        self._lock = descriptor
        return descriptor

    def _remove_temporaries(self) -> None:
        """What a kill left between a temporary name and its rename; nobody writes while the lock is ours.

        Writers with journals of their own do not take the lock, so that nothing is removed where there are any.
        """
        if self.is_submitted:
            return
        for folder in (self.path, self.path / "cases"):
            for file in folder.glob(".*.tmp"):
                with contextlib.suppress(OSError):
                    file.unlink()

    @property
    def held(self) -> tuple[int, ...]:
        """The descriptor of the lock, if this process holds it: a child that inherits it holds it too."""
        return () if self._lock is None else (self._lock,)

    def unlock(self) -> None:
        """Let go of the run."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def record(self, journal: Journal, result: Result) -> None:
        """Case file first, then the journal line that announces it. Raises StoreError."""
        index = self.index[result.case.id]
        file = None
        if result.measurement is not None:
            target = self.case_path(index, result.launch)
            write_case(target, result)
            file = str(target.relative_to(self.path))
        header = result.header()
        journal.append({"event": "done", "case": index, "launch": result.launch, "file": file, "result": header})

    def finished(self) -> dict[tuple[int, int], Result]:
        """(case number, launch) → result, without samples, of all that the journal calls done."""
        return _finished(self.events(), self.plan)

    def results(self) -> dict[str, dict[int, Result]]:
        """Case id → launch → result with its samples, of all that is done; damaged samples make a failed result."""
        found: dict[str, dict[int, Result]] = {}
        for (number, launch), result in sorted(self.finished().items()):
            found.setdefault(result.case.id, {})[launch] = self._with_samples(number, launch, result)
        return found

    def environments(self) -> dict[str, Any]:
        """Fingerprint → environment, of the launches so far."""
        return _environments(self.events())

    def retry(self, journal: Journal) -> int:
        """Take back every failed or wrong result, so that it runs again; returns how many. Raises StoreError."""
        bad = [key for key, result in self.finished().items() if result.status in ("failed", "wrong")]
        for case, launch in bad:
            journal.append({"event": "retry", "case": case, "launch": launch})
        return len(bad)

    def assemble(self) -> list[Row]:
        """Write run.h5 from plan, journal and case files; returns its rows. Raises StoreError."""
        finished, environments = self.finished(), self.environments()
        groups: list[tuple[int, list[Result], Row]] = []
        skipped = [
            Result(case, -1, "skipped", reason, started_utc=self.created_utc) for case, reason in self.plan.skipped
        ]
        for number, case in enumerate(self.plan.cases):
            results = [
                self._with_samples(number, launch, finished[number, launch])
                for launch in range(self.plan.launches)
                if (number, launch) in finished
            ]
            if results:
                groups.append((number, results, summarise(case, results, self.plan.launches)))
        for offset, result in enumerate(skipped):
            groups.append((len(self.plan.cases) + offset, [result], summarise(result.case, [result], 0)))
        complete = len(finished) == len(self.plan.cases) * self.plan.launches
        write_run(self.run_file, self.plan, self.created_utc, groups, environments, complete)
        return [row for _, _, row in groups]

    def _with_samples(self, number: int, launch: int, result: Result) -> Result:
        if result.status not in ("ok", "wrong"):
            return result
        path = self.case_path(number, launch)
        try:
            stored = read_case(path)
            if (stored.case, stored.launch) == (result.case, launch):
                return stored
            reason = f"{path}: holds {stored.case.label} launch {stored.launch}; its own samples are lost: run it again"
        except ResultFileError as error:
            reason = str(error)
        return replace(result, status="failed", reason=reason)


def _environments(events: list[Event]) -> dict[str, Any]:
    """Fingerprint → environment, with what a scheduler knows of the launches that ran in it."""
    found: dict[str, Any] = {}
    for event in events:
        fingerprint = event.get("fingerprint")
        if event["event"] == "environment" and isinstance(fingerprint, str) and "environment" in event:
            found[fingerprint] = event["environment"]
    for event in events:
        known = found.get(str(event.get("fingerprint"))) if event["event"] == "scheduler" else None
        if isinstance(known, dict) and isinstance(known.get("provenance"), dict):
            known["provenance"]["scheduler"] = event.get("scheduler")
    return found


def _finished(events: list[Event], plan: Plan) -> dict[tuple[int, int], Result]:
    done: dict[tuple[int, int], Result] = {}
    for event in events:
        if event["event"] not in ("done", "retry"):
            continue
        try:
            key = int(event["case"]), int(event["launch"])
            if event["event"] == "retry":
                done.pop(key, None)
                continue
            result = Result.from_header(event["result"])
            planned = 0 <= key[0] < len(plan.cases) and 0 <= key[1] < plan.launches
            if planned and result.case == plan.cases[key[0]] and result.launch == key[1]:
                done[key] = result
        except (KeyError, TypeError, ValueError):
            continue  # a foreign line: what it announced is run again
    return done
