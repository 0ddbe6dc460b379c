"""What became of the jobs of a run: one squeue per poll, and what else knows when that has forgotten.

The order of who is asked: squeue, scontrol, earlier answers (jobs.jsonl), sacct, the task's own record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clustermark.runners.slurm_states import ABSENT, COMPLETED, LOST, UNKNOWN, Accounted, State
from clustermark.runners.slurm_submission import COLLECTOR, Submission
from clustermark.runners.slurm_tools import SilentError, Slurm

FIRST_POLL_SECONDS = 2.0
LAST_POLL_SECONDS = 30.0
# A job that nobody knows is taken for lost after this long: queues and shared file systems lag behind.
GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class Key:
    """One task of one array of one submission."""

    generation: int
    array: int
    task: int


@dataclass
class Watch:
    """Follows every task of the submissions of a run.

    Attributes
    ----------
    submissions : oldest first
    slurm : the adapter of the newest one's site
    accounted : what accounting said of each task, where it was asked
    silence : why Slurm could not be asked at the last poll, "" if it could
    """

    submissions: Sequence[Submission]
    slurm: Slurm
    grace: float = GRACE_SECONDS
    clock: Callable[[], float] = time.monotonic
    accounted: dict[Key, Accounted] = field(default_factory=dict)
    silence: str = ""
    collector: State = field(default_factory=lambda: State(ABSENT))
    _absent_since: dict[Key, float] = field(default_factory=dict)
    _known: dict[Key, State] = field(default_factory=dict)
    _queued: Mapping[str, State] = field(default_factory=dict)

    def keys(self) -> Iterator[tuple[Key, str]]:
        """Every task and its id, "" where it has none."""
        for submission in self.submissions:
            ids = self._ids(submission)
            for array in submission.arrays:
                job = ids.get(str(array.number), "")
                for task in range(len(array.tasks)):
                    yield Key(submission.generation, array.number, task), f"{job}_{task}" if job else ""

    def _ids(self, submission: Submission) -> dict[str, str]:
        """Job ids; one whose sbatch was interrupted is looked up by its name. Raises SilentError."""
        ids = submission.ids()
        for part, job in ids.items():
            if not job:
                ids[part] = found = self.slurm.find(submission.batch.job_name(part))
                if found:
                    submission.note([{"event": "submitted", "part": part, "job": found}])
        return ids

    def poll(self) -> dict[Key, State]:
        """The state of every task now; never raises for a Slurm that does not answer. Raises StoreError."""
        self.silence = ""
        try:
            keys = dict(self.keys())
            for key, job in keys.items():
                if not job:
                    self._known[key] = State(LOST, "it was never submitted")
            return self._ask(keys)
        except SilentError as error:
            self.silence = str(error)
        return self._without_slurm()

    def _ask(self, keys: Mapping[Key, str]) -> dict[Key, State]:
        self._recall()
        open_keys = {key: job for key, job in keys.items() if not self._settled(key)}
        collector = self._ids(self.submissions[-1]).get(COLLECTOR, "")
        arrays = sorted({job.partition("_")[0] for job in open_keys.values()}, key=int)
        asked = [*arrays, *([collector] if collector and not self.collector.ended else [])]
        answers = self._queued = self.slurm.queue(asked)
        if collector:
            self.collector = answers.get(collector, State(ABSENT) if not self.collector.ended else self.collector)
        found = {key: answers[job] for key, job in open_keys.items() if job in answers}
        missing = {key: job for key, job in open_keys.items() if key not in found}
        found |= self._elsewhere(missing)
        self._remember(found)
        return {key: found.get(key) or self._known.get(key) or State(ABSENT) for key in keys}

    def ask_accounts(self) -> None:
        """What accounting knows of every task (energy, node list); nothing where there is no accounting."""
        try:
            keys = {key: job for key, job in self.keys() if job}
            books = self.slurm.account(sorted({job.partition("_")[0] for job in keys.values()}))
        except SilentError:
            return
        self.accounted |= {key: books[job] for key, job in keys.items() if job in books}

    def _settled(self, key: Key) -> bool:
        return key in self._known and self._known[key].ended

    def _elsewhere(self, missing: Mapping[Key, str]) -> dict[Key, State]:
        """Tasks that the queue has forgotten."""
        if not missing:
            return {}
        answers: dict[str, State] = {}
        for array in sorted({job.partition("_")[0] for job in missing.values()}):
            answers |= self.slurm.show(array)
        found = {key: answers[job] for key, job in missing.items() if job in answers}
        rest = {key: job for key, job in missing.items() if key not in found}
        accounted = self.slurm.account(sorted({job.partition("_")[0] for job in rest.values()})) if rest else {}
        for key, job in rest.items():
            if job in accounted:
                self.accounted[key] = accounted[job]
                found[key] = accounted[job].state
        known = {job.partition("_")[0] for job in [*answers, *self._queued]}
        for key in rest.keys() - found.keys():
            found[key] = self._own_record(key) or self._cancelled(key, rest[key], known) or self._absent(key)
        return found

    def _cancelled(self, key: Key, job: str, known: Container[str]) -> State | None:
        """Slurm keeps nothing of an array task that is cancelled while it waits.

        It was cancelled if clustermark did it, or if Slurm knows the array and not this task, which never began.
        """
        submission = next(s for s in self.submissions if s.generation == key.generation)
        array = job.partition("_")[0]
        for event in submission.events():
            if event["event"] == "cancelled" and {job, array} & set(event["jobs"]):
                return State("CANCELLED", str(event.get("reason", "by clustermark")), "seen")
        never_began = not submission.record(key.array, key.task)
        return State("CANCELLED", "while it waited", "squeue") if array in known and never_began else None

    def _own_record(self, key: Key) -> State | None:
        """What the task itself says of its end: the last witness where Slurm keeps no accounts."""
        submission = next(s for s in self.submissions if s.generation == key.generation)
        record = submission.record(key.array, key.task)
        if record.get("status") == "complete" and record.get("exit_code") == 0:
            return State(COMPLETED, "", "record")
        if record.get("status") in ("stopped", "error"):
            return State("FAILED", str(record.get("reason", "")), "record")
        return None

    def _absent(self, key: Key) -> State:
        since = self._absent_since.setdefault(key, self.clock())
        gone = self.clock() - since >= self.grace
        return State(LOST, "Slurm does not know the job, and it left no record of its end") if gone else State(ABSENT)

    def _recall(self) -> None:
        """What earlier polls wrote down."""
        for submission in self.submissions:
            for event in submission.events():
                if event["event"] == "seen":
                    key = Key(submission.generation, int(event["array"]), int(event["task"]))
                    self._known.setdefault(key, State(str(event["state"]), str(event["reason"]), "seen"))

    def _remember(self, found: Mapping[Key, State]) -> None:
        """Write ends down: Slurm forgets them, and the next command must not need to ask."""
        fresh = {key: state for key, state in found.items() if state.ended and not self._settled(key)}
        self._known |= found
        for submission in self.submissions:
            submission.note(
                [
                    {"event": "seen", "array": k.array, "task": k.task, "state": s.state, "reason": s.reason}
                    for k, s in fresh.items()
                    if k.generation == submission.generation and s.state != LOST and s.source != "record"
                ]
            )

    def _without_slurm(self) -> dict[Key, State]:
        """From the files alone."""
        self._recall()
        states = {}
        for submission in self.submissions:
            for array in submission.arrays:
                for task in range(len(array.tasks)):
                    key = Key(submission.generation, array.number, task)
                    known = self._known.get(key)
                    settled = known if known is not None and known.ended else None
                    states[key] = settled or self._own_record(key) or State(UNKNOWN, "Slurm could not be asked")
        return states


def next_delay(delay: float, changed: bool) -> float:
    """[s] to the next poll: 2 after a change, else half as long again as the last, at most 30."""
    return FIRST_POLL_SECONDS if changed else min(1.5 * delay, LAST_POLL_SECONDS)
