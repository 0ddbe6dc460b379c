"""``clustermark plan SUITE``: what `run` would do, without doing it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from clustermark.cli.layout import columns, print_json, print_lines, section, wrapped
from clustermark.cli.options import add_suite_options, suite_from
from clustermark.core.errors import EXIT_OK, EXIT_USAGE, ClustermarkError, LaunchError

if TYPE_CHECKING:
    from clustermark.core.plan import Job, Plan
    from clustermark.runners.launcher import Launcher

# Start of Python and MPI on every rank, the proof of the fabric, the end of the launch.
LAUNCH_SECONDS = 1.5
# Prepare, warm up, calibrate, check and record.
CASE_SECONDS = 0.15


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_suite_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Show the plan; returns 0, or 2 where every case is refused, as `run` would return. Raises UsageError."""
    from clustermark.cli.run_verb import refuse_empty
    from clustermark.core.plan import make_plan
    from clustermark.runners.catalog import machine, workloads
    from clustermark.runners.launcher import find_launcher

    suite = suite_from(options)
    launcher, why = None, ""
    try:
        launcher = find_launcher(options.mpirun)
    except LaunchError as error:
        why = str(error)
    plan = make_plan(suite, workloads(), machine(launcher, f"has no launcher: {why}"))
    data = plan_facts(plan, launcher, why, narrowing(options))
    if options.json:
        print_json("plan", data)
    else:
        print_lines(text(data))
    try:
        refuse_empty(plan)
    except ClustermarkError as error:
        print(f"clustermark: {error}", file=sys.stderr)
        return EXIT_USAGE
    if launcher is None:
        print(f"clustermark: nothing of this starts before there is a launcher: {why}", file=sys.stderr)
    return EXIT_OK


def narrowing(options: argparse.Namespace) -> list[str]:
    """The suite and the options that change its cases, as words for another command line; fabric and threads apart."""
    words = [options.suite]
    for name in ("ranks", "precision", "transport", "device", "only", "launches", "seed", "seconds", "timeout"):
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name}", str(value)]
    for assignment in options.set:
        words += ["--set", assignment]
    return words


def plan_facts(plan: Plan, launcher: Launcher | None, why_no_launcher: str, words: list[str]) -> dict[str, Any]:
    """The plan as plain JSON types.

    Parameters
    ----------
    launcher : None where there is none, for the reason `why_no_launcher`
    words : the suite and its options, as `narrowing` gives them
    """
    from clustermark.transports.fabrics import FABRICS

    seconds = dict.fromkeys(shapes(plan), 0.0)
    for job in plan.jobs:
        seconds[_shape(job)] += LAUNCH_SECONDS + len(job.cases) * (plan.sampling.seconds + CASE_SECONDS)
    # Each shared-memory fabric gets a launch of its own first, in which its copies are counted.
    used = [FABRICS[name] for name in {job.fabric for job in plan.jobs} if name in FABRICS]
    proving = sum(row.wire == "none" and row.kernel_copies is not None for row in used)
    return {
        "suite": plan.suite,
        "summary": plan.summary,
        "launcher": {"path": launcher.path, "mpi": launcher.mpi, "version": launcher.version} if launcher else None,
        "why_no_launcher": why_no_launcher,
        "launches": plan.launches,
        "seed": plan.seed,
        "cases": [{"label": case.label, "id": case.id, **case.to_dict()} for case in plan.cases],
        "refused": [{"label": case.label, "reason": reason, **case.to_dict()} for case, reason in plan.skipped],
        "merged": plan.merged,
        "jobs": [
            {
                "ranks": job.ranks,
                "ranks_per_node": job.ranks_per_node,
                "threads": job.threads,
                "fabric": job.fabric,
                "launches": plan.launches,
                "cases": sorted(job.cases),
                "seconds": round(seconds[shape], 1),
                **command(job, launcher, words),
            }
            for shape, job in shapes(plan).items()
        ],
        "seconds": round(sum(seconds.values()) + proving * LAUNCH_SECONDS, 1),
        "assumed": {
            "proving_launches": proving,
            "seconds_per_launch": LAUNCH_SECONDS,
            "seconds_per_case": round(plan.sampling.seconds + CASE_SECONDS, 6),
        },
    }


def _shape(job: Job) -> tuple[int, int, int, str]:
    return job.ranks, job.ranks_per_node, job.threads, job.fabric


def shapes(plan: Plan) -> dict[tuple[int, int, int, str], Job]:
    """Launch shape → its first job; the other launches of a shape differ in the order of the cases only."""
    found: dict[tuple[int, int, int, str], Job] = {}
    for job in sorted(plan.jobs, key=_shape):
        found.setdefault(_shape(job), job)
    return found


def command(job: Job, launcher: Launcher | None, words: list[str]) -> dict[str, Any]:
    """The environment that a launch of this job adds and drops, and its argv; empty without a launcher.

    The program at its end is `clustermark run` inside the launch, which a person can start; `clustermark run`
    by itself puts runners.worker in its place, with the same environment and tokens before it.
    """
    from clustermark.runners.hosts import hosts_here
    from clustermark.runners.launcher import launch_arguments, launch_environment, usable_cores
    from clustermark.transports.fabrics import FABRICS

    if launcher is None:
        return {"environment": {}, "dropped": [], "argv": []}
    before = dict(os.environ)
    after = launch_environment(before, job.fabric, job.threads)
    fabric = ["--fabric", job.fabric] if job.fabric in FABRICS else []
    # The worker is told ranks and threads by its job file; inside a launch the same cases are chosen by options.
    program = [sys.executable, "-m", "clustermark", "run", *words, *fabric, "--threads", str(job.threads)]
    return {
        "environment": {key: value for key, value in sorted(after.items()) if before.get(key) != value},
        "dropped": sorted(key for key in before if key not in after),
        "argv": [
            *launch_arguments(launcher, job.ranks, job.threads, usable_cores(), os.geteuid() == 0, hosts_here()),
            *program,
        ],
    }


def shell_line(job: dict[str, Any]) -> str:
    """One line for a shell: env with what is dropped and set, then the argv."""
    drops = [word for name in job["dropped"] for word in ("-u", name)]
    sets = [f"{name}={value}" for name, value in job["environment"].items()]
    return shlex.join([*(["env", *drops, *sets] if drops or sets else []), *job["argv"]])


def text(data: dict[str, Any]) -> list[str]:
    """The same for people."""
    assumed = data["assumed"]
    job_of = {case: str(number) for number, job in enumerate(data["jobs"], 1) for case in job["cases"]}
    cases = [(str(n), job_of[n], case["label"]) for n, case in enumerate(data["cases"])]
    jobs = [
        (
            str(number),
            str(job["ranks"]),
            str(job["threads"]),
            job["fabric"],
            str(len(job["cases"])),
            str(job["launches"]),
            duration(job["seconds"]),
        )
        for number, job in enumerate(data["jobs"], 1)
    ]
    total = f"{len(data['cases'])} case(s) × {data['launches']} launch(es), {len(data['refused'])} refused"
    merged = f", {data['merged']} combination(s) named a case twice and were merged" if data["merged"] else ""
    estimate = (
        f"at most about {duration(data['seconds'])}: {assumed['seconds_per_launch']:g} s to start a launch, "
        f"{assumed['proving_launches']} more launch(es) to prove shared memory, and {assumed['seconds_per_case']:g} s "
        f"per case, of which {CASE_SECONDS:g} s to prepare and check; sampling stops earlier where the interval is "
        f"narrow enough"
    )
    return [
        f"{data['suite']}: {total}{merged}",
        *([f"  {data['summary']}"] if data["summary"] else []),
        "",
        *section("cases", columns(cases, ("no", "job", "case"))),
        *section("refused", _refused(data["refused"])),
        *section("jobs", columns(jobs, ("job", "ranks", "threads", "fabric", "cases", "launches", "time"))),
        *section("time", wrapped(estimate, "  ") if data["jobs"] else ()),
        *section("commands", _commands(data)),
    ]


def _refused(refused: list[dict[str, Any]]) -> list[str]:
    """Each reason once, with the cases below it."""
    by_reason: dict[str, list[str]] = {}
    for case in refused:
        by_reason.setdefault(case["reason"], []).append(case["label"])
    return [line for reason, labels in by_reason.items() for line in (f"  {reason}", *(f"    {x}" for x in labels))]


def _commands(data: dict[str, Any]) -> list[str]:
    if data["launcher"] is None:
        return wrapped(f"none: {data['why_no_launcher']}", "  ")
    lines = []
    for number, job in enumerate(data["jobs"], 1):
        lines += [f"  # job {number}: cases {', '.join(str(case) for case in job['cases'])}", f"  {shell_line(job)}"]
    if lines:
        lines += wrapped(
            "`clustermark run` starts every job with these variables and tokens and its own worker at the end. Pasted, "
            "a line runs the cases of its ranks by itself; --fabric there stands for every block of the suite.",
            "  # ",
        )
    return lines


def duration(seconds: float) -> str:
    """``95`` → ``"1 min 35 s"``."""
    whole = max(1, round(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
