"""The text of batch scripts and the tokens of launchers: pure functions of job and site.

Words of a suite or a site reach the shell only through `shlex.quote`, and Slurm's directives only as words without
blanks and quotes (runners/slurm_site.py). Paths are given to sbatch as arguments, never inside a directive.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from clustermark.core.errors import UsageError, plain
from clustermark.runners.slurm_arrays import Array
from clustermark.runners.slurm_site import Site

COLLECT_MINUTES = 30
MPI_TYPES = {"openmpi": "pmix", "mpich": "pmi2"}


@dataclass(frozen=True)
class Batch:
    """What every script of a submission shares.

    Attributes
    ----------
    run : folder of the run, absolute
    generation : which submission of this run, counted from 0
    suite : for people
    python : interpreter on the nodes
    report : the collector writes report.html and report.md too
    """

    run: str
    generation: int
    suite: str
    python: str
    report: bool = True

    @property
    def folder(self) -> str:
        """Of the submission, relative to the run's: the directives may not hold a path with blanks."""
        return f"slurm/{self.generation:04d}"

    def job_name(self, part: str) -> str:
        """Of the array or the collector: unique, so that a job is found even if its id was never written down."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", self.run.rstrip("/").rpartition("/")[2])
        return f"cm-{name}-{self.generation}-{part}"


def render_array(array: Array, site: Site, batch: Batch) -> str:
    """The batch script of one array. Raises UsageError: a path with control characters."""
    shape, throttle = array.shape, f"%{site.max_running}" if site.max_running else ""
    directives = [
        f"--job-name={batch.job_name(str(array.number))}",
        f"--output={batch.folder}/logs/array{array.number}-%a.out",
        "--open-mode=append",
        f"--array=0-{len(array.tasks) - 1}{throttle}",
        f"--nodes={shape.nodes}",
        f"--ntasks={shape.ranks}",
        f"--ntasks-per-node={shape.ranks_per_node}",
        f"--cpus-per-task={shape.threads}",
        f"--time={array.minutes}",
        *([f"--signal=B:USR1@{site.signal_seconds}"] if site.signal_seconds else []),
        "--requeue" if site.requeue else "--no-requeue",
        *gpu_words(site, shape.gpus_per_node),
        *(["--exclusive"] if site.exclusive else []),
        *([f"--mem={site.memory}"] if site.memory else []),
        *_place(site),
    ]
    words = ["clustermark.runners.slurm_task", batch.run, str(batch.generation), str(array.number)]
    title = f"suite {batch.suite}, {shape}, {len(array.tasks)} task(s)"
    return _filled("array.sbatch", title, directives, site, [batch.python, "-m", *words])


def render_collector(site: Site, batch: Batch) -> str:
    """The batch script of the job that comes after all arrays."""
    directives = [
        f"--job-name={batch.job_name('collect')}",
        f"--output={batch.folder}/logs/collect.out",
        "--open-mode=append",
        "--nodes=1",
        "--ntasks=1",
        f"--time={COLLECT_MINUTES}",
        *_place(site),
    ]
    program = [batch.python, "-m", "clustermark", "collect", batch.run, *([] if batch.report else ["--no-report"])]
    return _filled("collect.sbatch", f"collect suite {batch.suite}", directives, site, program)


def _place(site: Site) -> list[str]:
    names = ("partition", "account", "qos", "constraint", "reservation")
    return [f"--{name}={getattr(site, name)}" for name in names if getattr(site, name)]


def gpu_words(site: Site, gpus: int) -> list[str]:
    """How the site asks for GPUs of each node; none for none."""
    if not gpus:
        return []
    kind = f"{site.gpu_type}:" if site.gpu_type else ""
    return [f"--gres=gpu:{kind}{gpus}" if site.gpu_syntax == "gres" else f"--gpus-per-node={kind}{gpus}"]


def _filled(template: str, title: str, directives: Sequence[str], site: Site, program: Sequence[str]) -> str:
    for word in program:
        if not word.isprintable():
            raise UsageError(f"{plain(word)}: holds control characters, which no batch script may; choose another name")
    text = (files("clustermark.slurm") / "templates" / template).read_text(encoding="utf-8")
    return Template(text).substitute(
        title=plain(title, 400),
        directives="\n".join(f"#SBATCH {word}" for word in directives),
        setup="\n".join(_setup(site)),
        program=shlex.join(program),
    )


def _setup(site: Site) -> list[str]:
    """Lines of the shell before the program: modules, variables."""
    lines = []
    if site.modules:
        # The function `module` uses unset variables, and is not there in every shell that is no login shell.
        lines += ["set +u", "type module >/dev/null 2>&1 || . /etc/profile"]
        lines += [f"module load {shlex.quote(module)}" for module in site.modules] + ["set -u"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in site.environment.items()]
    return lines or [": # no modules, no variables"]


def launch_tokens(site: Site, mpi: str, array: Array, run: str, as_root: bool) -> list[str]:
    """The words before the worker's interpreter, inside the allocation.

    Parameters
    ----------
    mpi : "openmpi" or "mpich"
    array : gives the shape
    run : folder that a container must see
    as_root : Open MPI's mpirun refuses root unless told otherwise
    """
    shape, container = array.shape, _container(site, run)
    if site.launcher != "mpiexec":
        return [
            "srun",
            f"--mpi={site.mpi_type or MPI_TYPES[mpi]}",
            f"--nodes={shape.nodes}",
            f"--ntasks={shape.ranks}",
            f"--ntasks-per-node={shape.ranks_per_node}",
            f"--cpus-per-task={shape.threads}",
            "--kill-on-bad-exit=1",
            "--input=none",
            *gpu_words(site, shape.gpus_per_node),
            *site.srun_options,
            *container,
        ]
    path = site.mpiexec or "mpiexec"
    if mpi == "mpich":
        bound = "none" if site.virtual else f"core:{shape.threads}"
        return [path, "-n", str(shape.ranks), "-ppn", str(shape.ranks_per_node), "-bind-to", bound, *container]
    mapping = f"ppr:{shape.ranks_per_node}:node"
    placed = [f"{mapping}:OVERSUBSCRIBE", "--bind-to", "none"] if site.virtual else [f"{mapping}:PE={shape.threads}"]
    root = ["--allow-run-as-root"] if as_root else []
    return [path, *root, "-n", str(shape.ranks), "--map-by", *placed, *container]


def _container(site: Site, run: str) -> list[str]:
    container = site.container
    if container.runtime == "apptainer":
        mounts = [word for folder in (run, *container.mounts) for word in ("--bind", folder)]
        return ["apptainer", "exec", *(["--nv"] if container.nvidia else []), *mounts, container.image]
    if container.runtime == "pyxis":
        mounts = ",".join(f"{folder}:{folder}" for folder in (run, *container.mounts))
        return [f"--container-image={container.image}", f"--container-mounts={mounts}"]
    return []
