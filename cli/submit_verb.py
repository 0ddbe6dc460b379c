"""``clustermark submit SUITE --site SITE``: a suite as job arrays of Slurm, and ``submit --retry-failed RUN``."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from clustermark.cli.layout import print_json, print_lines
from clustermark.cli.options import add_suite_options, suite_from
from clustermark.cli.slurm_output import job_lines, job_rows, open_submitted, private_files, warn_of_doomed
from clustermark.core.errors import EXIT_INTERRUPTED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from clustermark.core.plan import Plan
    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.slurm_arrays import Array
    from clustermark.runners.slurm_site import Site
    from clustermark.runners.slurm_states import State
    from clustermark.runners.slurm_submission import Submission
    from clustermark.runners.slurm_tools import Slurm
    from clustermark.runners.slurm_watch import Key

_MOST_NODES = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_suite_options(parser, suite_required=False)
    parser.add_argument("--site", metavar="SITE", help="name of a site, or a .toml file: see slurm/sites/template.toml")
    parser.add_argument("--nodes", metavar="1,2,4", help="node counts; they replace the ranks of every block")
    parser.add_argument("--ranks-per-node", type=int, default=0, metavar="N", help="(what the site says)")
    parser.add_argument("--minutes", type=int, default=0, metavar="N", help="time limit of each job (estimated)")
    parser.add_argument("--pack", action="store_true", help="all launches of a shape in one job, on the same nodes")
    parser.add_argument("--wait", action="store_true", help="wait for the end and show the results; Ctrl-C cancels")
    parser.add_argument("--max-pending", type=float, metavar="MIN", help="with --wait: give up what can never start")
    parser.add_argument("--print", action="store_true", help="show the batch scripts, submit nothing")
    parser.add_argument("--render", choices=["mpijob"], help="print a Kubernetes MPIJob instead (not executed here)")
    parser.add_argument("--retry-failed", type=Path, metavar="RUN", help="submit what failed or is missing again")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where runs go (results/)")
    parser.add_argument("--no-report", action="store_true", help="leave out report.html and report.md")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Submit; returns the exit code. Raises ClustermarkError."""
    from clustermark.runners.slurm_tools import Slurm

    private_files()
    if (options.suite is None) == (options.retry_failed is None):
        raise UsageError("submit: give either a suite (`clustermark submit smoke --site SITE`) or --retry-failed RUN")
    if options.retry_failed is not None:
        return _retry(options)
    if options.site is None:
        raise UsageError("submit: names no site; give --site with a name or file, as in slurm/sites/template.toml")
    site, mpi, plan = _planned(options)
    if options.render:
        return _render(options, plan, site, mpi)
    slurm = Slurm(site)
    run = _placeholder(options, plan) if options.print else _create(options, plan)
    submission = _submission(run, 0, site, mpi, options, 1000 if options.print else slurm.longest_array())
    if options.print:
        return _print(submission)
    return _submit(run, [submission], slurm, options)


def _planned(options: argparse.Namespace) -> tuple[Site, str, Plan]:
    """Site, its MPI, and the plan for its nodes. Raises UsageError, LaunchError."""
    from clustermark.cli.run_verb import refuse_empty
    from clustermark.runners.catalog import machine, workloads
    from clustermark.runners.launcher import Launcher, find_launcher
    from clustermark.runners.slurm_arrays import GPU_DEVICES, plan_for_site
    from clustermark.runners.slurm_site import load_site

    site = load_site(options.site)
    launcher = Launcher(site.mpiexec, site.mpi, "") if site.mpi != "auto" else find_launcher(options.mpirun)
    if site.launcher == "mpiexec" and not site.mpiexec:
        site = replace(site, mpiexec=launcher.path or find_launcher(options.mpirun).path)
    nodes = _node_counts(options)
    here = machine(launcher, nodes=None)
    gpus = {name: "" for name in GPU_DEVICES if name in here.devices and site.gpus_per_node}
    plan = plan_for_site(
        suite_from(options),
        workloads(),
        replace(here, devices={**here.devices, **gpus}),
        site,
        nodes,
        options.ranks_per_node,
    )
    refuse_empty(plan)
    return site, launcher.mpi, plan


def _node_counts(options: argparse.Namespace) -> list[int]:
    if options.nodes is None:
        return []
    if options.ranks is not None:
        raise UsageError("submit: --nodes and --ranks both say how many ranks there are; give one of them")
    words = options.nodes.split(",")
    if not all(word.strip().isdecimal() and 0 < int(word) <= _MOST_NODES for word in words):
        raise UsageError(f"--nodes {options.nodes}: expected node counts such as 1,2,4")
    if not 0 <= options.ranks_per_node <= 4096:
        raise UsageError(f"--ranks-per-node: is {options.ranks_per_node}, expected 1 to 4096")
    return [int(word) for word in words]


def _create(options: argparse.Namespace, plan: Plan) -> RunDirectory:
    from clustermark.core.rundir import RunDirectory

    return RunDirectory.create(options.out.resolve(), plan)


def _placeholder(options: argparse.Namespace, plan: Plan) -> RunDirectory:
    """A run that is not made: only its name is needed."""
    from clustermark.core.rundir import RunDirectory

    return RunDirectory(options.out.resolve() / "RUN", plan, "")


def _submission(
    run: RunDirectory, generation: int, site: Site, mpi: str, options: argparse.Namespace, longest: int
) -> Submission:
    from clustermark.runners.slurm_arrays import make_arrays
    from clustermark.runners.slurm_submission import Submission

    finished = set() if options.print else set(run.finished())
    if options.minutes < 0:
        raise UsageError(f"--minutes: is {options.minutes}, expected a positive number")
    arrays: tuple[Array, ...] = make_arrays(run.plan, finished, site, options.pack, options.minutes, longest)
    python = site.python or sys.executable
    return Submission(run.path, generation, site, mpi, python, run.plan.suite, arrays, not options.no_report)


def _print(submission: Submission) -> int:
    lines: list[str] = []
    for part, text in submission.texts().items():
        script = submission.script(part)
        words = ["sbatch", "--parsable", f"--chdir={submission.run}"]
        if part == "collect":
            words += ["--dependency=afterany:JOB[:JOB…]", "--kill-on-invalid-dep=yes"]
        lines += [f"# {shlex.join([*words, str(script)])}", *text.rstrip("\n").splitlines(), ""]
    print_lines(lines)
    return EXIT_OK


def _render(options: argparse.Namespace, plan: Plan, site: Site, mpi: str) -> int:
    """Print a Kubernetes manifest; nothing is started."""
    from clustermark.runners.catalog import suite_path
    from clustermark.runners.mpijob import PodLaunch, render_mpijobs
    from clustermark.runners.slurm_arrays import shape_of

    launches = list(dict.fromkeys(PodLaunch(shape_of(job, plan), job.fabric) for job in plan.jobs))
    words: list[str] = []
    for name in ("precision", "transport", "device", "only", "seed", "seconds", "timeout"):
        value = getattr(options, name)
        words += [] if value is None else [f"--{name}", str(value)]
    words += [word for assignment in options.set for word in ("--set", assignment)]
    text = suite_path(options.suite).read_text(encoding="utf-8")
    print(json.dumps(render_mpijobs(plan.suite, text, launches, words, site, mpi), indent=1))
    print("clustermark: rendered, not executed here; start it with: kubectl apply -f FILE", file=sys.stderr)
    return EXIT_OK


def _retry(options: argparse.Namespace) -> int:
    """Take back what failed and is missing, and submit it as the next generation. Raises ClustermarkError."""
    from clustermark.core.journal import Journal
    from clustermark.core.rundir import RunDirectory
    from clustermark.runners.slurm_site import load_site
    from clustermark.runners.slurm_submission import next_generation
    from clustermark.runners.slurm_tools import Slurm
    from clustermark.runners.slurm_watch import Watch

    run, old = open_submitted(options.retry_failed, options.out)
    site = load_site(options.site) if options.site else old[-1].site
    slurm = Slurm(site)
    watch = Watch(old, slurm)
    states = watch.poll()
    if watch.silence:
        raise UsageError(f"run {run.run_id}: {watch.silence}; whether its jobs are over is not known: try again later")
    going = sum(not state.ended and state.state != "ABSENT" for state in states.values())
    if going:
        raise UsageError(f"run {run.run_id}: {going} task(s) are not over; wait, or `clustermark cancel {run.path}`")
    from clustermark.runners.slurm_collect import collect

    collect(run, old, states, {})
    generation = next_generation(run)
    writer = RunDirectory.open(run.path, f"journals/{generation:04d}-retry.jsonl")
    journal = Journal(writer.journal_path)
    try:
        count = writer.retry(journal)
    finally:
        journal.close()
    submission = _submission(writer, generation, site, old[-1].mpi, options, slurm.longest_array())
    if not submission.arrays:
        print(f"run {run.run_id}: nothing failed and nothing is missing", file=sys.stderr)
        return EXIT_OK
    print(f"taking back {count} failed, wrong or missing result(s)", file=sys.stderr)
    return _submit(run, [*old, submission], slurm, options)


def _submit(run: RunDirectory, submissions: list[Submission], slurm: Slurm, options: argparse.Namespace) -> int:
    """Write, check, submit the newest submission; wait if asked. Raises ClustermarkError."""
    from clustermark.runners.slurm_submission import remove
    from clustermark.runners.slurm_submit import check, submit

    submission = submissions[-1]
    submission.write()
    try:
        check(submission, slurm)
    except BaseException:
        remove(submission)
        raise
    signal.signal(signal.SIGTERM, _interrupt)
    say = sys.stderr if options.json else sys.stdout
    print(f"{run.path}", file=say, flush=True)
    ids = submit(submission, slurm, lambda part, job: print(f"{_named(submission, part)}: job {job}", file=say))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if options.wait:
        return _wait(run, submissions, slurm, options)
    if options.json:
        print_json("submit", {"run": str(run.path), "jobs": ids, "cases": len(run.plan.cases)})
    else:
        print_lines([f"follow it: clustermark status {run.path}", f"its report: clustermark collect {run.path}"])
    return EXIT_OK


def _named(submission: Submission, part: str) -> str:
    if part == "collect":
        return "collector"
    array = submission.arrays[int(part)]
    return f"array {part}, {len(array.tasks)} × ({array.shape}), {array.minutes} min"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait(run: RunDirectory, submissions: list[Submission], slurm: Slurm, options: argparse.Namespace) -> int:
    """Follow the jobs to their end, then collect. Ctrl-C cancels every job; a lost connection cancels none."""
    from clustermark.cli.collect_verb import collect_and_tell
    from clustermark.runners.slurm_submit import cancel, wait
    from clustermark.runners.slurm_watch import Watch

    watch = Watch(submissions, slurm)
    limit = submissions[-1].site.max_pending if options.max_pending is None else options.max_pending
    shown: list[str] = []

    def show(states: Mapping[Key, State], collector: State) -> None:
        counts = Counter(f"{s.state} ({s.reason})" if s.state == "PENDING" else s.state for s in states.values())
        line = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        line += f"; collector {collector.state}" + (f"; {watch.silence}" if watch.silence else "")
        if line not in shown[-1:]:
            shown.append(line)
            print(line, file=sys.stderr, flush=True)
            warn_of_doomed(job_rows(watch, states), run.path)

    try:
        states = wait(watch, show, limit)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not leave jobs behind
        print("cancelling every job of the run", file=sys.stderr, flush=True)
        jobs = cancel(submissions[-1:], slurm)
        print(f"cancelled {' '.join(jobs)}; what was finished stays: clustermark collect {run.path}", file=sys.stderr)
        return EXIT_INTERRUPTED
    print("\n".join(job_lines(job_rows(watch, states))), file=sys.stderr, flush=True)
    return collect_and_tell(run, submissions, watch, options)
