"""The rules by which a point passes, and the client's manners; no Slurm needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustermark.core.case import Case
from clustermark.core.errors import UsageError
from clustermark.core.measurement import Measurement
from clustermark.core.plan import Plan, make_jobs
from clustermark.core.result import Result
from clustermark.core.rundir import RunDirectory
from clustermark.core.suite import Sampling
from clustermark.runners.children import Ended
from clustermark.runners.slurm_arrays import make_arrays
from clustermark.runners.slurm_judge import Point, Witness, judge
from clustermark.runners.slurm_site import Site
from clustermark.runners.slurm_states import (
    ALIVE,
    CUT_SHORT,
    State,
)
from clustermark.runners.slurm_submission import Submission
from clustermark.runners.slurm_submit import cancel, refuse_partition, submit, wait
from clustermark.runners.slurm_tools import SilentError, Slurm, clean_environment
from clustermark.runners.slurm_watch import Key, Watch, next_delay

CASE = Case("noop", 1, {}, "fp64", "cpu", "mpi", "ompi-tcp", 4, 2)

# --- the rules -------------------------------------------------------------------------------------------------


def point(**changes: Any) -> Point:
    """One that passes, with changes."""
    samples = Measurement(np.ones((3, 4)), np.ones((1, 4)), 1, "c", "barrier", 0.0, "time")
    good = Point(
        case=CASE,
        result=Result(CASE, 0, "ok", measurement=samples),
        witness=Witness(4, 2),
        state=State("COMPLETED", "", "squeue"),
        record={"status": "complete", "exit_code": 0},
        place="Slurm job 12_3",
        log="log",
        has_log=True,
    )
    return replace(good, **changes)


def test_a_point_on_which_all_agree_passes() -> None:
    assert judge(point()) == ""


FAULTS = [
    ({"witness": None}, "no launch tells"),
    ({"witness": Witness(1, 1)}, "1 rank(s) measured it where 4 were planned"),
    ({"witness": Witness(4, 1)}, "on 1 node(s) where 2 were planned"),
    ({"record": {}}, "is COMPLETED for Slurm, but its task left no record of its end"),
    ({"record": {"status": "running"}}, "left no record of its end"),
    ({"state": State("FAILED", "", "squeue")}, "is FAILED for Slurm, but its task says it completed"),
    ({"state": State("OUT_OF_MEMORY")}, "is OUT_OF_MEMORY for Slurm"),
    ({"state": State("UNKNOWN", "Slurm could not be asked")}, "state of Slurm job 12_3 is unknown"),
    ({"state": State("ABSENT")}, "is unknown"),
    ({"state": State("LOST", "gone")}, "the end of Slurm job 12_3 is unknown"),
]


@pytest.mark.parametrize(("changes", "part"), FAULTS)
def test_a_point_on_which_not_all_agree_fails(changes: dict[str, Any], part: str) -> None:
    assert part in judge(point(**changes))


def test_samples_of_another_world_fail() -> None:
    samples = Measurement(np.ones((3, 1)), np.ones((1, 1)), 1, "c", "barrier", 0.0, "time")
    assert "its samples are of 1 rank(s)" in judge(point(result=Result(CASE, 0, "ok", measurement=samples)))


@pytest.mark.parametrize("state", sorted(CUT_SHORT))
def test_a_job_cut_short_keeps_what_it_had_and_misses_the_rest(state: str) -> None:
    cut = {"state": State(state), "record": {"status": "running"}}
    assert judge(point(**cut)) == ""
    assert f"Slurm job 12_3 ended {state}" in judge(point(**cut, result=None))


def test_a_memory_kill_that_a_failed_case_explains_does_not_spoil_the_others() -> None:
    assert judge(point(state=State("OUT_OF_MEMORY"), explained=True)) == ""


@pytest.mark.parametrize("state", sorted(ALIVE))
def test_a_point_of_a_job_that_goes_on_is_not_judged(state: str) -> None:
    assert judge(point(state=State(state), result=None, record={})) == ""


def test_a_missing_point_is_a_failure_and_says_where_to_look() -> None:
    missing = point(result=None, has_log=False, state=State("FAILED", "", "squeue"), record={})
    assert "it left no output" in judge(missing)
    assert "is unknown" not in judge(replace(missing, has_log=True))
    assert "see log" in judge(replace(missing, has_log=True))


# --- the client ------------------------------------------------------------------------------------------------


class FakeSlurm:
    """Answers as Slurm would; counts the calls of each command."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.states: dict[str, str] = {}
        self.next_id = 10
        self.silent: set[str] = set()
        self.hook: Any = None

    def __call__(self, words: Sequence[str], environment: Mapping[str, str], seconds: float) -> Ended:
        self.calls.append(tuple(words))
        if self.hook:
            self.hook(words)
        if words[0] in self.silent:
            return Ended(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
        if words[0] == "sbatch":
            self.next_id += 1
            return Ended(0, f"{self.next_id}\n")
        if words[0] == "squeue" and "%F" in words:
            return Ended(0, "")
        if words[0] == "squeue":
            return Ended(0, "".join(f"{job}|{state}|None\n" for job, state in self.states.items()))
        if words[0] == "sacct":
            return Ended(1, "", "Slurm accounting storage is disabled")
        return Ended(0 if words[0] == "scancel" else 1, "", "slurm_load_jobs error: Invalid job id specified")

    def count(self, command: str) -> int:
        return sum(call[0] == command for call in self.calls)


def submission(tmp_path: Path, cases: int, fabrics: int = 1) -> tuple[RunDirectory, Submission]:
    """A run of many cases, each fabric a shape of launches of its own."""
    planned = tuple(replace(CASE, seed=n, fabric=f"f{n % fabrics}") for n in range(cases))
    plan = Plan("many", "", planned, (), make_jobs(planned, 2, 0), 2, 0, Sampling())
    run = RunDirectory.create(tmp_path, plan)
    arrays = make_arrays(plan, set(), Site(name="s"), False, 0, 100)
    made = Submission(run.path, 0, Site(name="s"), "openmpi", "python", "many", arrays)
    made.write()
    return run, made


def test_a_thousand_cases_are_followed_with_one_squeue_per_poll_that_backs_off(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 1000, fabrics=500)
    fake = FakeSlurm()
    slurm = Slurm(Site(), asking=fake, sleep=lambda seconds: None)
    ids = submit(made, slurm, lambda part, job: None)
    tasks = [f"{ids[str(a.number)]}_{n}" for a in made.arrays for n in range(len(a.tasks))]
    assert len(tasks) == 1000
    fake.states = dict.fromkeys([*tasks, ids["collect"]], "PENDING")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 15:
            fake.states = dict.fromkeys(fake.states, "COMPLETED")

    fake.calls.clear()
    wait(Watch([made], slurm), lambda states, collector: None, 0, sleep=sleep)
    assert fake.count("squeue") == len(slept) + 1 == len(fake.calls)
    assert min(slept) >= 2.0
    assert slept[-1] == 30.0
    assert slept == sorted(slept)


def test_the_delay_returns_to_two_seconds_when_something_happens() -> None:
    assert next_delay(30.0, True) == 2.0
    assert next_delay(2.0, False) == 3.0


def test_a_silent_controller_changes_no_state_and_is_asked_again(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 2)
    fake = FakeSlurm()
    slurm = Slurm(Site(), asking=fake, sleep=lambda seconds: None)
    ids = submit(made, slurm, lambda part, job: None)
    watch = Watch([made], slurm, grace=0.0)
    fake.silent = {"squeue"}
    assert {state.state for state in watch.poll().values()} == {"UNKNOWN"}
    assert "no answer" in watch.silence
    fake.silent = set()
    fake.states = {f"{ids['0']}_0": "COMPLETED", f"{ids['0']}_1": "RUNNING"}
    assert [state.state for state in watch.poll().values()] == ["COMPLETED", "RUNNING"]
    fake.silent = {"squeue"}
    assert [state.state for state in Watch([made], slurm).poll().values()] == ["COMPLETED", "UNKNOWN"], (
        "ends stay known"
    )


def test_a_job_that_nobody_knows_is_lost_after_the_grace_period_only(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 1)
    fake, now = FakeSlurm(), [0.0]
    slurm = Slurm(Site(), asking=fake, sleep=lambda seconds: None)
    submit(made, slurm, lambda part, job: None)
    watch = Watch([made], slurm, grace=30.0, clock=lambda: now[0])
    assert {state.state for state in watch.poll().values()} == {"ABSENT"}
    now[0] = 31.0
    assert {state.state for state in watch.poll().values()} == {"LOST"}
    made.record_path(0, 0).write_text('{"status": "complete", "exit_code": 0}')
    states = Watch([made], slurm, grace=0.0).poll()
    assert states[Key(0, 0, 0)] == State("COMPLETED", "", "record"), "its own record is the last witness"


def test_an_interrupt_while_submitting_cancels_every_id(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 300, fabrics=150)
    fake = FakeSlurm()

    def interrupt(words: Sequence[str]) -> None:
        if words[0] == "sbatch" and fake.count("sbatch") == 3:
            raise KeyboardInterrupt

    fake.hook = interrupt
    slurm = Slurm(Site(), asking=fake, sleep=lambda seconds: None)
    with pytest.raises(KeyboardInterrupt):
        submit(made, slurm, lambda part, job: None)
    assert fake.calls[-1][:3] == ("scancel", "11", "12")
    assert any("%F" in call for call in fake.calls), "the one in doubt is looked up by its name"


def test_an_unanswered_sbatch_is_looked_up_before_it_is_sent_again(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 1)
    fake = FakeSlurm()
    order: list[str] = []

    def notice(words: Sequence[str]) -> None:
        order.append(words[0])
        fake.silent = {"sbatch"} if order.count("sbatch") == 1 else set()

    fake.hook = notice
    submit(made, Slurm(Site(), asking=fake, sleep=lambda seconds: None), lambda part, job: None)
    assert order[:3] == ["sbatch", "squeue", "sbatch"]


def test_cancel_ends_what_was_submitted(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 1)
    fake = FakeSlurm()
    slurm = Slurm(Site(), asking=fake, sleep=lambda seconds: None)
    ids = submit(made, slurm, lambda part, job: None)
    assert cancel([made], slurm) == list(ids.values())


def test_jobs_that_a_silent_slurm_could_not_cancel_are_not_forgotten(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 1)
    fake = FakeSlurm()
    slurm = Slurm(Site(), asking=fake, sleep=lambda seconds: None)
    ids = submit(made, slurm, lambda part, job: None)
    fake.silent = {"scancel"}
    with pytest.raises(SilentError, match=r"its jobs may go on: `clustermark cancel .*` later"):
        cancel([made], slurm)
    fake.silent = set()
    assert cancel([made], slurm) == list(ids.values())


def test_no_slurm_at_all_is_one_sentence(tmp_path: Path) -> None:
    slurm = Slurm(Site(), asking=lambda w, e, s: Ended(None, why="cannot be started (No such file)"))
    with pytest.raises(SilentError, match="sbatch got no answer from Slurm: cannot be started"):
        slurm.submit(tmp_path / "x", tmp_path)


def test_a_partition_that_cannot_serve_is_refused_before_anything_is_queued(tmp_path: Path) -> None:
    _, made = submission(tmp_path, 1)
    with pytest.raises(UsageError, match="its partition is DOWN"):
        refuse_partition({"state": "DOWN"}, made.arrays, "s")
    with pytest.raises(UsageError, match="the partition allows 1, so it would wait for ever"):
        refuse_partition({"state": "UP", "minutes": 1}, made.arrays, "s")
    refuse_partition({"state": "UP", "minutes": None}, made.arrays, "s")
    refuse_partition({}, made.arrays, "s")


def test_variables_of_an_enclosing_job_do_not_leak() -> None:
    inherited = {
        "SLURM_NTASKS": "99", "SLURM_JOB_ID": "1", "SLURM_CONF": "/c", "PMI_RANK": "3", "PMIX_RANK": "1",
        "OMPI_COMM_WORLD_SIZE": "4", "SBATCH_TIMELIMIT": "1", "SBATCH_ACCOUNT": "mine", "HOME": "/h",
        "HYDI_CONTROL_FD": "7",
    }  # fmt: skip
    assert clean_environment(inherited, Site()) == {"SLURM_CONF": "/c", "SBATCH_ACCOUNT": "mine", "HOME": "/h"}
    assert clean_environment(inherited, Site(account="a", slurm_conf="/d")) == {"SLURM_CONF": "/d", "HOME": "/h"}
