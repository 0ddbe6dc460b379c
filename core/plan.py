"""Suite → cases → jobs: the matrix expanded, every impossible combination refused with its reason."""

import itertools
import random
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clustermark.core.case import Case
from clustermark.core.errors import UsageError, nearest, plain
from clustermark.core.machine import EVERY, SELF, Machine, refusal
from clustermark.core.precision import PRECISIONS
from clustermark.core.suite import AXES, Block, Sampling, Suite, check_axis, plain_values
from clustermark.core.units import parse_bytes
from clustermark.core.workload import Param, ParamValue, Workload

MOST_CASES = 100_000
_DEFAULT_AXES: dict[str, tuple[Any, ...]] = {
    "precision": ("fp64",),
    "device": ("cpu",),
    "transport": ("mpi",),
    "fabric": ("shm",),
    "ranks": (1,),
    "ranks_per_node": (0,),
    "threads": (1,),
}


@dataclass(frozen=True)
class Job:
    """One MPI launch: the shape, and the cases it runs in this order (indices into Plan.cases)."""

    launch: int
    ranks: int
    ranks_per_node: int
    threads: int
    fabric: str
    cases: tuple[int, ...]

    def left(self, finished: Container[tuple[int, int]]) -> tuple[int, ...]:
        """The cases without a result, in order; `finished` holds (case number, launch)."""
        return tuple(case for case in self.cases if (case, self.launch) not in finished)


@dataclass(frozen=True)
class Plan:
    """All that a run will do; `to_dict` is plain JSON and `from_dict` takes it back.

    Attributes
    ----------
    suite, summary : name and one line
    cases : every case that will run
    skipped : (case, reason) of each impossible combination
    jobs : launches, in the random order in which they run
    launches, seed, sampling : as the suite or the flags say
    merged : how many combinations named a case that was already there
    """

    suite: str
    summary: str
    cases: tuple[Case, ...]
    skipped: tuple[tuple[Case, str], ...]
    jobs: tuple[Job, ...]
    launches: int
    seed: int
    sampling: Sampling
    merged: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "suite": self.suite,
            "summary": self.summary,
            "cases": [case.to_dict() for case in self.cases],
            "skipped": [[case.to_dict(), reason] for case, reason in self.skipped],
            "jobs": [asdict(job) | {"cases": list(job.cases)} for job in self.jobs],
            "launches": self.launches,
            "seed": self.seed,
            "sampling": {
                key: value
                for key, value in asdict(self.sampling).items()
                # Versions that do not know these can read plans that do not use them.
                if key not in ("cold", "synchronisation") or value != getattr(Sampling, key)
            },
            "merged": self.merged,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Plan":
        """The plan that `to_dict` wrote; KeyError, TypeError or ValueError for anything else."""
        return Plan(
            suite=data["suite"],
            summary=data["summary"],
            cases=tuple(Case.from_dict(case) for case in data["cases"]),
            skipped=tuple((Case.from_dict(case), str(reason)) for case, reason in data["skipped"]),
            jobs=tuple(Job(**{**job, "cases": tuple(job["cases"])}) for job in data["jobs"]),
            launches=data["launches"],
            seed=data["seed"],
            sampling=Sampling(**data["sampling"]),
            merged=data["merged"],
        )


def make_plan(suite: Suite, workloads: Mapping[str, Workload], machine: Machine) -> Plan:
    """Expand the matrix of a suite.

    Parameters
    ----------
    suite : checked for its form; `suite.overrides` replace axes and parameters of every block
    workloads : the tables of benchmarks and apps
    machine : what is usable here

    Returns
    -------
    Plan : `cases` can run here; the others are in `skipped` with their reason

    Raises
    ------
    UsageError : an unknown name or parameter, a value of the wrong kind, over 100,000 cases
    """
    _check_overrides(suite, workloads)
    cases: dict[str, Case] = {}
    skipped: dict[str, tuple[Case, str]] = {}
    merged = 0
    for block in suite.blocks:
        workload = _named(block.workload, workloads, f"{block.where}: workload")
        for case in _expand(block, suite, workload, machine):
            if len(cases) + len(skipped) + merged == MOST_CASES:
                raise UsageError(f"suite {suite.name}: has more than {MOST_CASES} cases; split it")
            if case.id in cases or case.id in skipped:
                merged += 1
                continue
            reason = refusal(case, workload, machine, suite.sampling)
            if reason:
                skipped[case.id] = (case, reason)
            else:
                cases[case.id] = case
    kept = tuple(cases.values())
    jobs = make_jobs(kept, suite.launches, suite.seed)
    return Plan(
        suite.name,
        suite.summary,
        kept,
        tuple(skipped.values()),
        jobs,
        suite.launches,
        suite.seed,
        suite.sampling,
        merged,
    )


def _named(name: str, table: Mapping[str, Any], where: str) -> Any:
    if name not in table:
        raise UsageError(f"{where}: '{plain(name)}' is not known{nearest(name, table)}; `clustermark list` shows all")
    return table[name]


def _check_overrides(suite: Suite, workloads: Mapping[str, Workload]) -> None:
    used = [workloads[b.workload] for b in suite.blocks if b.workload in workloads]
    known = {param.name for workload in used for param in workload.params} | set(_DEFAULT_AXES)
    for key, values in suite.overrides.items():
        where = f"--set {plain(key)}"
        if key not in known:
            raise UsageError(f"{where}: no workload of suite {suite.name} has this parameter{nearest(key, known)}")
        plain_values(values, where)
        if key in AXES:
            check_axis(key, values, where)


def _expand(block: Block, suite: Suite, workload: Workload, machine: Machine) -> list[Case]:
    given = {**block.params, **{k: v for k, v in suite.overrides.items() if workload.param(k)}}
    for key in given:
        if workload.param(key) is None:
            known = [param.name for param in workload.params]
            raise UsageError(
                f"{block.where}: workload '{workload.name}' has no parameter '{plain(key)}'{nearest(key, known)}; "
                f"`clustermark describe {workload.name}` shows them"
            )
    columns = {
        p.name: [_typed(v, p, f"{block.where}: params.{p.name}") for v in given.get(p.name, (p.default,))]
        for p in workload.params
    }
    axes = {**_DEFAULT_AXES, **block.axes, **{k: v for k, v in suite.overrides.items() if k in _DEFAULT_AXES}}
    names = {"precision": PRECISIONS, "device": machine.devices, "transport": machine.transports}
    where = {axis: f"--{axis}" if axis in suite.overrides else f"{block.where}: {axis}" for axis in axes}
    for axis, table in names.items():
        for value in axes[axis]:
            _named(value, table, where[axis])
    fabrics = [name for value in axes["fabric"] for name in _fabrics(value, machine, where["fabric"])]
    size = 1
    for values in (*axes.values(), *columns.values()):
        size *= len(values)
    if size > MOST_CASES:
        raise UsageError(f"{block.where}: has {size} cases, more than {MOST_CASES}; split it")
    shapes = itertools.product(
        axes["ranks"], axes["ranks_per_node"], axes["threads"], axes["device"], axes["transport"], fabrics
    )

    def points(ranks: int) -> list[dict[str, ParamValue]]:
        meant = [[one for value in columns[p.name] for one in p.expand(value, ranks)] for p in workload.params]
        return [dict(zip(columns, values, strict=True)) for values in itertools.product(*meant)]

    return [
        Case(
            workload=workload.name,
            version=workload.version,
            params=params,
            precision=precision,
            device=device,
            transport=transport,
            fabric=SELF if ranks == 1 else fabric,
            ranks=ranks,
            ranks_per_node=min(per_node, ranks) or ranks,
            threads=threads,
            seed=suite.seed,
        )
        for ranks, per_node, threads, device, transport, fabric in shapes
        for precision in axes["precision"]
        for params in points(ranks)
    ]


def _fabrics(name: str, machine: Machine, where: str) -> tuple[str, ...]:
    """The rows that a suite's value stands for; "all" where there are none is a row that is refused with the reason."""
    if name == EVERY and machine.every_fabric:
        return machine.every_fabric
    if name == SELF or name in machine.fabrics:
        return (name,)
    known = {**machine.fabric_aliases, EVERY: next(iter(machine.fabric_aliases.values()), SELF)}
    _named(name, {**machine.fabrics, **known}, where)
    return (known[name],)


def _typed(value: Any, param: Param, where: str) -> ParamValue:
    wanted = type(param.default)
    if wanted is int and param.unit == "B" and isinstance(value, str):
        value = parse_bytes(value, where)
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        value = value + 0.0  # also turns -0.0, which is equal to 0.0, into it: equal cases have one id
    if type(value) is not wanted:
        example = f"{param.default!r}".lower() if wanted is bool else repr(param.default)
        raise UsageError(f"{where}: is {plain(repr(value))}, expected a value such as {example}")
    problem = param.check(value)
    if problem:
        raise UsageError(f"{where}: is {plain(repr(value))}, {problem}")
    return value


def make_jobs(cases: tuple[Case, ...], launches: int, seed: int) -> tuple[Job, ...]:
    """One job per launch shape and launch; jobs, and the cases inside them, in an order drawn from the seed."""
    shapes: dict[tuple[int, int, int, str], list[int]] = {}
    for index, case in enumerate(cases):
        shapes.setdefault((case.ranks, case.ranks_per_node, case.threads, case.fabric), []).append(index)
    order = random.Random(seed)
    jobs: list[Job] = []
    for launch in range(launches):
        round_of_jobs = []
        for (ranks, per_node, threads, fabric), indices in shapes.items():
            shuffled = list(indices)
            order.shuffle(shuffled)
            round_of_jobs.append(Job(launch, ranks, per_node, threads, fabric, tuple(shuffled)))
        order.shuffle(round_of_jobs)
        jobs += round_of_jobs
    return tuple(jobs)
