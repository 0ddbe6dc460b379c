"""From a plan to job arrays: one array per resource shape, one task per launch (or all of a shape packed in one)."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from clustermark.core.case import Case
from clustermark.core.errors import UsageError
from clustermark.core.plan import Job, Machine, Plan, make_jobs, make_plan
from clustermark.core.suite import Suite
from clustermark.core.workload import Workload
from clustermark.runners.slurm_site import Site
from clustermark.transports.fabrics import FABRICS
from clustermark.transports.ports import PORT_WIRES

GPU_DEVICES = ("cuda",)
# What a launch and a case may take beside their samples before a job is cut off: start, compilation, checks.
LAUNCH_SECONDS = 60.0
CASE_SECONDS = 5.0


@dataclass(frozen=True)
class Shape:
    """What a job asks for."""

    nodes: int
    ranks: int
    ranks_per_node: int
    threads: int
    gpus_per_node: int

    def __str__(self) -> str:
        """``2 nodes × 2 ranks × 1 thread``"""
        parts = [_counted(self.nodes, "node"), _counted(self.ranks_per_node, "rank"), _counted(self.threads, "thread")]
        if self.gpus_per_node:
            parts.append(_counted(self.gpus_per_node, "GPU"))
        return " × ".join(parts)


@dataclass(frozen=True)
class Task:
    """One task of an array: numbers of the plan's jobs, and (case, launch) that had no result when it was planned."""

    jobs: tuple[int, ...]
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Array:
    """One job array."""

    number: int
    shape: Shape
    minutes: int
    tasks: tuple[Task, ...]

    def facts(self) -> dict[str, Any]:
        """All but the tasks, as plain JSON types."""
        return {"number": self.number, "shape": asdict(self.shape), "minutes": self.minutes, "tasks": len(self.tasks)}


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def plan_for_site(
    suite: Suite, workloads: dict[str, Workload], machine: Machine, site: Site, nodes: Sequence[int], per_node: int
) -> Plan:
    """The plan of a suite for a cluster.

    Parameters
    ----------
    machine : what the site's nodes offer
    nodes : node counts that replace the suite's ranks; empty keeps those of the suite
    per_node : ranks per node, 0 for the suite's or the site's

    Raises
    ------
    UsageError : as make_plan; or a node count without a number of ranks per node
    """
    per_node = per_node or (site.ranks_per_node if nodes or not _says_per_node(suite) else 0)
    if nodes and not per_node:
        raise UsageError("submit: --nodes needs ranks per node; give --ranks-per-node, or ranks_per_node in the site")
    plans = []
    for count in nodes or (0,):
        changes: dict[str, tuple[Any, ...]] = {"ranks_per_node": (per_node,)} if per_node else {}
        if count:
            changes["ranks"] = (count * per_node,)
        if count > 1 and site.fabric:
            changes["fabric"] = (site.fabric,)
        plans.append(make_plan(replace(suite, overrides={**changes, **suite.overrides}), workloads, machine))
    return _fitted(_merged(plans), site)


def _says_per_node(suite: Suite) -> bool:
    return any("ranks_per_node" in block.axes for block in suite.blocks)


def _merged(plans: Sequence[Plan]) -> Plan:
    cases: dict[str, Case] = {}
    skipped: dict[str, tuple[Case, str]] = {}
    for plan in plans:
        cases |= {case.id: case for case in plan.cases}
        skipped |= {case.id: (case, reason) for case, reason in plan.skipped}
    skipped = {name: pair for name, pair in skipped.items() if name not in cases}
    return replace(plans[0], cases=tuple(cases.values()), skipped=tuple(skipped.values()), jobs=())


def _fitted(plan: Plan, site: Site) -> Plan:
    """Without the cases that the site cannot run, which are skipped with the reason."""
    reasons = {case.id: refuse(case, site) for case in plan.cases}
    cases = tuple(case for case in plan.cases if not reasons[case.id])
    refused = tuple((case, reasons[case.id]) for case in plan.cases if reasons[case.id])
    jobs = make_jobs(cases, plan.launches, plan.seed)
    return replace(plan, cases=cases, skipped=plan.skipped + refused, jobs=jobs)


def refuse(case: Case, site: Site) -> str:
    """ "" or why the nodes of a site cannot run a case, as the end of a sentence."""
    row = FABRICS.get(case.fabric)
    if row is not None and case.nodes > 1 and row.wire == "none":
        return f"fabric '{case.fabric}' is shared memory: it does not reach over {case.nodes} nodes"
    if row is not None and case.nodes > 1 and row.wire == "loopback" and not site.virtual:
        return f"fabric '{case.fabric}' is bound to the loopback interface: it does not reach over {case.nodes} nodes"
    if row is not None and case.nodes == 1 and row.wire in ("network", *PORT_WIRES):
        return f"fabric '{case.fabric}' joins nodes, and this case has one; use shm, or more nodes"
    cpus = case.ranks_per_node * case.threads
    if site.cpus_per_node and cpus > site.cpus_per_node:
        return f"needs {cpus} CPUs on a node, the nodes of site '{site.name}' have {site.cpus_per_node}"
    gpus = _gpus(case)
    if gpus > site.gpus_per_node:
        return f"needs {gpus} GPUs on a node, the nodes of site '{site.name}' have {site.gpus_per_node}"
    return ""


def _gpus(case: Case) -> int:
    return case.ranks_per_node if case.device in GPU_DEVICES else 0


def make_arrays(
    plan: Plan, finished: Container[tuple[int, int]], site: Site, pack: bool, minutes: int, longest: int
) -> tuple[Array, ...]:
    """Arrays for all that has no result.

    Parameters
    ----------
    finished : (case number, launch) with a result
    pack : all launches of a shape one after another in one allocation, so that they share its nodes
    minutes : time limit of a task, 0 for the site's or an estimate
    longest : tasks that one array may have
    """
    groups: dict[Shape, list[Task]] = {}
    for number, job in enumerate(plan.jobs):
        left = job.left(finished)
        if left:
            task = Task((number,), tuple((case, job.launch) for case in left))
            groups.setdefault(shape_of(job, plan), []).append(task)
    arrays: list[Array] = []
    for shape, tasks in groups.items():
        if pack:
            tasks = [Task(tuple(n for t in tasks for n in t.jobs), tuple(p for t in tasks for p in t.points))]
        for start in range(0, len(tasks), longest):
            part = tuple(tasks[start : start + longest])
            limit = minutes or site.minutes or max(estimate(plan, task) for task in part)
            arrays.append(Array(len(arrays), shape, limit, part))
    return tuple(arrays)


def shape_of(job: Job, plan: Plan) -> Shape:
    """What a launch asks of Slurm; one GPU per rank if any of its cases runs on GPUs."""
    gpus = max(_gpus(plan.cases[case]) for case in job.cases)
    return Shape(plan.cases[job.cases[0]].nodes, job.ranks, job.ranks_per_node, job.threads, gpus)


def estimate(plan: Plan, task: Task) -> int:
    """[min] in which a task surely ends, if nothing hangs."""
    cases = len(task.points) * (1.5 * plan.sampling.seconds + CASE_SECONDS)
    return 1 + math.ceil((len(task.jobs) * LAUNCH_SECONDS + cases) / 60)
