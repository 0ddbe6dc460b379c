"""A check of a suite from start to end: both sides planned, pairs of launches, suspects looked at again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from clustermark.core.case import Case
from clustermark.core.check_folder import SIDES, CheckFolder
from clustermark.core.errors import UsageError
from clustermark.core.evidence import LOCKSTEP
from clustermark.core.gate import confirm_pairs, screen
from clustermark.core.pairing import Matched, SidePlan, match
from clustermark.core.plan import Job
from clustermark.core.rundir import RunDirectory
from clustermark.runners.launcher import Launcher, find_launcher
from clustermark.runners.lockstep import Pair, run_job
from clustermark.runners.side_process import SideProcess
from clustermark.runners.sides import Side
from clustermark.transports.fabrics import FABRICS

Say = Callable[[str], None]


def run_check(folder: CheckFolder, launcher: Launcher, say: Say) -> None:
    """Measure whatever of both stages has no result yet; the verdict is then in `folder.evidence()`.

    Parameters
    ----------
    folder : new, or cut short at any moment
    launcher : starts the ranks of both sides, unless a side is an environment with its own
    say : one line per case and launch that ended

    Raises
    ------
    SideError : a side cannot run at all
    StoreError : results cannot be written; what was finished stays
    """
    if folder.method == LOCKSTEP and os.environ.get("CLUSTERMARK_HOSTS"):
        raise UsageError(
            "check: lockstep is for one node, and CLUSTERMARK_HOSTS names others; give --method interleaved"
        )
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(SideProcess(Side.from_dict(folder.sides[name]), folder.path / name / "log"))
            for name in SIDES
        }
        own = not folder.request.get("mpirun")
        launchers = {name: side_launcher(one.side, launcher) if own else launcher for name, one in sides.items()}
        check = _Check(folder, launchers, sides, say)
        if not folder.stages:
            check.plan_all()
        check.measure(0)
        if len(folder.stages) == 1:
            suspects = [folder.matched[number] for number in screen(folder.evidence(), folder.rules)]
            if suspects:
                pairs = confirm_pairs(len(suspects), folder.rules)
                say(f"{len(suspects)} suspect(s): measured again in {pairs} fresh pairs")
                check.plan_again(suspects, pairs)
        if len(folder.stages) > 1:
            check.measure(1)
        for stage in range(len(folder.stages)):
            for name, side in sides.items():
                side.ask({"do": "assemble", "run": str(folder.path / folder.stages[stage][name])})


def side_launcher(side: Side, launcher: Launcher) -> Launcher:
    """The mpirun of a side: an environment's own, where it has one, else the given. Raises LaunchError."""
    own = Path(side.python).parent / "mpirun"
    return find_launcher(str(own)) if side.kind == "python" and own.exists() else launcher


class _Check:
    """The two processes and the folder of one check."""

    def __init__(
        self, folder: CheckFolder, launchers: Mapping[str, Launcher], sides: Mapping[str, SideProcess], say: Say
    ) -> None:
        self.folder, self.launchers, self.sides, self.say = folder, launchers, sides, say

    def plan_all(self) -> None:
        """Stage 1: what each side can run of the suite, and which cases belong together."""
        pairs = self.folder.rules.pairs
        answers = {name: self._plan(name, pairs, None) for name in SIDES}
        plans = {name: _side_plan(answer) for name, answer in answers.items()}
        differing = {axis for side in self.sides.values() for axis in side.side.axes}
        aliases = {row.name: row.alias for row in FABRICS.values()}
        self.folder.matched = match(plans["baseline"], plans["candidate"], differing, aliases)
        for name, answer in answers.items():
            self.folder.notes += [f"{name}: {text}" for text in answer["refused"]]
        self._add_stage(answers, pairs)

    def plan_again(self, suspects: Sequence[Matched], pairs: int) -> None:
        """Stage 2: the suspects alone."""
        answers = {name: self._plan(name, pairs, [getattr(one, name) for one in suspects]) for name in SIDES}
        self._add_stage(answers, pairs)

    def _plan(self, name: str, launches: int, keep: list[str] | None) -> dict[str, Any]:
        request = self.folder.request
        overrides = {**request["overrides"], **{axis: [value] for axis, value in self.sides[name].side.axes.items()}}
        return self.sides[name].ask(
            {
                **request,
                "do": "plan",
                "suite": str(self.folder.path / "suite.toml"),
                "name": self.folder.name,
                "overrides": overrides,
                "launches": launches,
                "keep": keep,
                "root": str(self.folder.path / name),
                "mpirun": self.launchers[name].path,
            }
        )

    def _add_stage(self, answers: Mapping[str, dict[str, Any]], pairs: int) -> None:
        paths = {name: str(Path(answer["run"]).relative_to(self.folder.path)) for name, answer in answers.items()}
        self.folder.stages.append({**paths, "pairs": pairs})
        self.folder.save()

    def measure(self, stage: int) -> None:
        """Every pair of launches that is not complete."""
        runs = {name: self.folder.run(stage, name) for name in SIDES}
        for launch in range(self.folder.stages[stage]["pairs"]):
            if self.folder.method == LOCKSTEP:
                self._lockstep(runs, stage, launch)
                if stage or launch:
                    continue
                # What has no partner, or one that failed, is run alone once: its answer is checked all the same.
            for name in random.Random(f"{self.folder.seed} {stage} {launch}").sample(SIDES, len(SIDES)):
                if _left(runs[name], launch):
                    self._launch(runs[name], name, stage, launch)

    def _launch(self, run: RunDirectory, name: str, stage: int, launch: int) -> None:
        pairs = self.folder.stages[stage]["pairs"]
        head = f"[{'confirm ' if stage else ''}{launch + 1}/{pairs} {name}] "
        request = {"do": "launch", "run": str(run.path), "launch": launch, "mpirun": self.launchers[name].path}
        self.sides[name].ask(request, lambda text: self.say(head + text))

    def _lockstep(self, runs: Mapping[str, RunDirectory], stage: int, launch: int) -> None:
        done = {name: run.finished() for name, run in runs.items()}
        failed = {
            name: {case for (case, _), result in results.items() if result.status == "failed"}
            for name, results in done.items()
        }
        wanted: dict[tuple[str, str], Pair] = {}
        for one in self.folder.matched:
            ids = {"baseline": one.baseline, "candidate": one.candidate}
            if one.unlike or not all(ids[name] in runs[name].index for name in SIDES):
                continue
            numbers = {name: runs[name].index[ids[name]] for name in SIDES}
            if all((numbers[name], launch) in done[name] for name in SIDES):
                continue
            if any(numbers[name] in failed[name] for name in SIDES):  # its verdict stands, and each try ends a launch
                continue
            wanted[one.baseline, one.candidate] = Pair(numbers["baseline"], numbers["candidate"], one.label)
        pairs = self.folder.stages[stage]["pairs"]
        head = f"[{'confirm ' if stage else ''}{launch + 1}/{pairs}] "
        sides = {name: side.side for name, side in self.sides.items()}
        for number, (jobs, cases) in enumerate(_jobs_together(runs, launch, list(wanted.values()))):
            run_job(
                sides,
                runs,
                jobs,
                cases,
                self.launchers,
                f"{self.folder.seed} {stage} {launch} {number}",
                lambda *failure: self._fail(runs, *failure),
                lambda text: self.say(head + text),
            )

    def _fail(self, runs: Mapping[str, RunDirectory], name: str, case: int, launch: int, reason: str) -> None:
        request = {"do": "fail", "run": str(runs[name].path), "case": case, "launch": launch, "reason": reason}
        self.sides[name].ask(request)


def _left(run: RunDirectory, launch: int) -> bool:
    """Whether any case of that launch has no result."""
    done = run.finished()
    return any(job.left(done) for job in run.plan.jobs if job.launch == launch)


def _jobs_together(
    runs: Mapping[str, RunDirectory], launch: int, pairs: Sequence[Pair]
) -> list[tuple[dict[str, Job], list[Pair]]]:
    """Pairs by the jobs that hold them on both sides, in the candidate's order."""
    jobs = {
        name: {case: job for job in run.plan.jobs if job.launch == launch for case in job.cases}
        for name, run in runs.items()
    }
    grouped: dict[tuple[int, int], tuple[dict[str, Job], list[Pair]]] = {}
    order = {case: place for place, case in enumerate(jobs["candidate"])}
    for pair in sorted(pairs, key=lambda one: order[one.candidate]):
        both = {name: jobs[name][pair.number(name)] for name in SIDES}
        key = id(both["baseline"]), id(both["candidate"])
        grouped.setdefault(key, (both, []))[1].append(pair)
    return list(grouped.values())


def _side_plan(answer: Mapping[str, Any]) -> SidePlan:
    return SidePlan(
        cases=tuple(Case.from_dict(case) for case in answer["cases"]),
        skipped=tuple((Case.from_dict(case), str(reason)) for case, reason in answer["skipped"]),
        refused=tuple(answer["refused"]),
    )
