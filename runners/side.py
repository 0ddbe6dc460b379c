"""One version of clustermark under a check: plans a suite and runs launch after launch, as it is told.

Run as a script by the interpreter of that version, with that version on PYTHONPATH: everything imported here is the
side's own, so that a check needs nothing of an older version but its functions. One JSON request per line of stdin, one
JSON reply per line of stdout; between requests it sleeps in a read.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustermark import __version__
from clustermark.core.errors import ClustermarkError, UsageError
from clustermark.core.journal import Journal
from clustermark.core.plan import Plan, make_jobs, make_plan
from clustermark.core.result import Result
from clustermark.core.rundir import RunDirectory, utc_now
from clustermark.core.suite import AXES, Block, Suite, load_suite
from clustermark.runners.catalog import machine, workloads
from clustermark.runners.launcher import find_launcher
from clustermark.runners.local import run_plan

if TYPE_CHECKING:
    from clustermark.core.workload import Workload

Request = Mapping[str, Any]
Say = Callable[[dict[str, Any]], None]


def plan(request: Request, say: Say) -> dict[str, Any]:
    """A run's folder with the cases of the suite that this version knows.

    Request: suite (path), overrides, only, launches, seed, seconds, timeout, keep (case ids or null), root, mpirun.
    """
    suite = _narrowed(load_suite(Path(request["suite"])), request)
    known, here = workloads(), machine(find_launcher(request["mpirun"]))
    refused, cases, skipped = [], {}, {}
    for block in suite.blocks:
        try:
            part = make_plan(_alone(suite, block, known), known, here)
        except UsageError as error:
            refused.append(str(error))
            continue
        cases |= {case.id: case for case in part.cases}
        skipped |= {case.id: (case, reason) for case, reason in part.skipped}
    keep = request["keep"]
    kept = tuple(case for case in cases.values() if keep is None or case.id in keep)
    whole = Plan(
        suite=suite.name,
        summary=suite.summary,
        cases=kept,
        skipped=tuple(pair for case_id, pair in skipped.items() if case_id not in cases),
        jobs=make_jobs(kept, suite.launches, suite.seed),
        launches=suite.launches,
        seed=suite.seed,
        sampling=suite.sampling,
    )
    run = RunDirectory.create(Path(request["root"]), whole)
    return {
        "run": str(run.path),
        "cases": [case.to_dict() for case in whole.cases],
        "skipped": [[case.to_dict(), reason] for case, reason in whole.skipped],
        "refused": refused,
        "version": __version__,
    }


def _narrowed(suite: Suite, request: Request) -> Suite:
    sampling = suite.sampling
    for name in ("seconds", "timeout"):
        if request[name] is not None:
            sampling = replace(sampling, **{name: request[name]})
    blocks = tuple(block for block in suite.blocks if not request["only"] or block.workload in request["only"])
    overrides = {key: tuple(values) for key, values in request["overrides"].items()}
    return replace(
        suite,
        name=request["name"],
        launches=request["launches"],
        seed=request["seed"],
        sampling=sampling,
        blocks=blocks,
        overrides=overrides,
    )


def _alone(suite: Suite, block: Block, known: Mapping[str, Workload]) -> Suite:
    """The suite with that block only, and with the overrides that mean anything to it."""
    workload = known.get(block.workload)
    names = {*AXES, *(param.name for param in workload.params)} if workload else set(AXES)
    overrides = {key: values for key, values in suite.overrides.items() if key in names}
    return replace(suite, blocks=(block,), overrides=overrides)


def launch(request: Request, say: Say) -> dict[str, Any]:
    """One launch of every case of a run that has no result of it yet. Request: run, launch, mpirun."""
    run = RunDirectory.open(Path(request["run"]))
    jobs = tuple(job for job in run.plan.jobs if job.launch == request["launch"])
    run.plan = replace(run.plan, jobs=jobs)

    def progress(result: Result) -> None:
        say({"case": result.case.label, "status": result.status, "reason": result.reason})

    run.lock()
    try:
        run_plan(run, find_launcher(request["mpirun"]), progress)
    finally:
        run.unlock()
    return {}


def fail(request: Request, say: Say) -> dict[str, Any]:
    """Record that a case failed. Request: run, case (number), launch, reason."""
    run = RunDirectory.open(Path(request["run"]))
    journal = Journal(run.journal_path)
    try:
        case = run.plan.cases[request["case"]]
        run.record(journal, Result(case, request["launch"], "failed", request["reason"], started_utc=utc_now()))
    finally:
        journal.close()
    return {}


def assemble(request: Request, say: Say) -> dict[str, Any]:
    """Write run.h5 from what there is. Request: run."""
    RunDirectory.open(Path(request["run"])).assemble()
    return {}


REQUESTS: dict[str, Callable[[Request, Say], dict[str, Any]]] = {
    "plan": plan,
    "launch": launch,
    "fail": fail,
    "assemble": assemble,
}


def main() -> int:
    """Answer requests until stdin ends; what anything else prints goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(reply: dict[str, Any]) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    say({"ready": __version__})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            say({"answer": REQUESTS[request["do"]](request, say)})
        except ClustermarkError as error:
            say({"error": str(error), "exit": error.exit_code})
        except Exception as error:  # a version that is too old for this script, or a bug of that version
            traceback.print_exc()
            say({"error": f"{type(error).__name__}: {error}", "exit": 2})
    return 0


if __name__ == "__main__":
    sys.exit(main())
