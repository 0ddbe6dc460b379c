"""A site file: how one cluster wants its jobs. Every key exists once, with its default, kind and meaning."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from clustermark.core.errors import UsageError, nearest, plain

# What the scheduler reads as one word: no blank, no quote, nothing that its parser or a shell would treat.
_WORD = re.compile(r"[A-Za-z0-9_.,:@&|*\[\]()=+/%^~-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHOICES = {
    "mpi": ("auto", "openmpi", "mpich"),
    "launcher": ("auto", "srun", "mpiexec"),
    "gpu_syntax": ("gres", "gpus-per-node"),
    "runtime": ("", "apptainer", "pyxis"),
}
# Options of sbatch and variables of a shell that the site may not take from clustermark.
_WORDS = ("partition", "account", "qos", "constraint", "reservation", "mpi_type", "gpu_type", "memory")


@dataclass(frozen=True)
class Container:
    """Where the ranks run inside a container image; the batch script itself runs on the host.

    Attributes
    ----------
    runtime : "" for none, "apptainer" or "pyxis"
    image : a file for apptainer; a file or registry name for pyxis
    python : the interpreter inside the image that has clustermark
    mounts : folders of the host that are to be seen inside, besides that of the run
    nvidia : bring the GPU driver in (apptainer --nv)
    """

    runtime: str = ""
    image: str = ""
    python: str = "python3"
    mounts: tuple[str, ...] = ()
    nvidia: bool = False


@dataclass(frozen=True)
class Kubernetes:
    """What `submit --render mpijob` needs: image, namespace and the claim of a volume that takes the results."""

    image: str = ""
    namespace: str = "default"
    claim: str = ""
    python: str = "python3"


@dataclass(frozen=True)
class Site:
    """One cluster. Texts that are "" and numbers that are 0 leave the choice to Slurm or to clustermark.

    Attributes
    ----------
    name : of the file
    summary : one line for people
    partition, account, qos, constraint, reservation, memory : as sbatch knows them; memory is per node
    mpi : whose MPI the ranks load; "auto" is that of the mpirun beside this Python
    launcher : "srun", "mpiexec", or "auto" for srun
    mpi_type : of srun --mpi; "" is pmix for Open MPI and pmi2 for MPICH
    mpiexec : path of the launcher on the nodes, for launcher = "mpiexec"
    python : interpreter on the nodes that has clustermark; "" is the one that submits
    modules : loaded in the batch script, in this order
    environment : variables set in the batch script
    srun_options : further words for srun
    ranks_per_node : for suites that do not say
    cpus_per_node, gpus_per_node : what one node has, to refuse what cannot fit before it is queued
    gpu_syntax, gpu_type : --gres=gpu:TYPE:N or --gpus-per-node=TYPE:N
    fabric : of launches over several nodes
    exclusive : whole nodes: without them a time says little
    minutes : time limit of each job; 0 is estimated from the plan
    max_running : tasks of an array at a time
    max_pending : [min] after which a job that cannot start is given up by `submit --wait`
    requeue : let Slurm start a job again after a node failed; finished cases are not repeated
    signal_seconds : [s] before the time limit at which the job is told to end by itself; 0 for never
    virtual : nodes are not real: figures carry a label
    slurm_conf : path for SLURM_CONF, where the commands do not find the cluster themselves
    container, kubernetes : see there
    """

    name: str = ""
    summary: str = ""
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    reservation: str = ""
    memory: str = ""
    mpi: str = "auto"
    launcher: str = "auto"
    mpi_type: str = ""
    mpiexec: str = ""
    python: str = ""
    modules: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    srun_options: tuple[str, ...] = ()
    ranks_per_node: int = 0
    cpus_per_node: int = 0
    gpus_per_node: int = 0
    gpu_syntax: str = "gres"
    gpu_type: str = ""
    fabric: str = ""
    exclusive: bool = True
    minutes: int = 0
    max_running: int = 0
    max_pending: int = 0
    requeue: bool = True
    signal_seconds: int = 60
    virtual: bool = False
    slurm_conf: str = ""
    container: Container = field(default_factory=Container)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` takes it back."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any], where: str = "site") -> Site:
        """The site of a table. Raises UsageError: an unknown key, a value of the wrong kind, no plain word."""
        tables = {"container": Container, "kubernetes": Kubernetes}
        values = _checked(Site, {key: value for key, value in data.items() if key not in tables}, where, set(tables))
        for name, kind in tables.items():
            if name in data:
                if not isinstance(data[name], Mapping):
                    raise UsageError(f"{where}: {name} is no table; write [{name}] and its keys below")
                values[name] = kind(**_checked(kind, data[name], f"{where}: {name}"))
        site = Site(**values)
        container = site.container
        if container.runtime and not container.image:
            raise UsageError(f'{where}: container names no image; add image = "/path/to/clustermark.sif"')
        if container.runtime == "pyxis" and site.launcher == "mpiexec":
            raise UsageError(f'{where}: pyxis is a part of srun; drop launcher = "mpiexec", or use apptainer')
        for module in site.modules:
            if not module or module.startswith("-"):
                raise UsageError(f"{where}: modules holds '{plain(module)}', expected a name such as openmpi/5.0")
        return site


def _checked(kind: type, data: Mapping[str, Any], where: str, more: set[str] | None = None) -> dict[str, Any]:
    """The keys of a table as arguments of a dataclass."""
    known = {each.name: each for each in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            names = [*known, *(more or ())]
            raise UsageError(f"{where}: unknown key '{plain(str(key))}'{nearest(str(key), names)}; remove or rename it")
        default = getattr(kind(), key)
        values[key] = _value(value, default, f"{where}: {key}")
        if key in _CHOICES and value not in _CHOICES[key]:
            names = ", ".join(name for name in _CHOICES[key] if name)
            raise UsageError(f"{where}: {key} is '{plain(str(value))}', expected one of {names}")
        if key in _WORDS and not _WORD.fullmatch(value):
            raise UsageError(f"{where}: {key} is '{plain(str(value))}', expected one word, without blanks and quotes")
    return values


def _value(value: object, default: object, where: str) -> Any:
    """A value of the default's kind. Raises UsageError."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise UsageError(f"{where}: is {plain(repr(value))}, expected true or false")
        return value
    if isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**7:
            raise UsageError(f"{where}: is {plain(repr(value))}, expected a whole number from 0 to 10000000")
        return value
    if isinstance(default, str):
        return _line(value, where)
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple):
            raise UsageError(f"{where}: is {plain(repr(value))}, expected a list of texts")
        return tuple(_line(item, where) for item in value)
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: is {plain(repr(value))}, expected a table of texts")
    for name in value:
        if not _VARIABLE.fullmatch(str(name)):
            raise UsageError(f"{where}: '{plain(str(name))}' is no name of a variable; use letters, digits and _")
    return {str(name): _line(text, f"{where}.{name}") for name, text in value.items()}


def _line(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: is {plain(repr(value))}, expected text in quotes")
    if not value.isprintable() or len(value) > 1000:
        raise UsageError(f"{where}: holds control characters or over 1000 characters; use one plain line")
    return value


def site_folders() -> list[Path]:
    """Where sites are looked for by name: those that come with clustermark, then the folder CLUSTERMARK_SITES."""
    own = os.environ.get("CLUSTERMARK_SITES")
    return [Path(str(files("clustermark.slurm") / "sites")), *([Path(own)] if own else [])]


def sites() -> dict[str, Path]:
    """Name → file of the sites that can be named; a user's site hides one of the same name that comes along."""
    return {path.stem: path for folder in site_folders() for path in sorted(folder.glob("*.toml"))}


def load_site(name: str) -> Site:
    """A site by name or file. Raises UsageError: unknown, unreadable, a bad key or value."""
    known = sites()
    path = known.get(name) or Path(name)
    if name not in known and path.suffix != ".toml":
        places = " and ".join(
            plain(str(folder), 1000) + ("" if folder.is_dir() else " (no folder)") for folder in site_folders()
        )
        raise UsageError(
            f"site '{plain(name)}' is not known{nearest(name, known)}; looked in {places}; give a .toml file, or a "
            f"folder of them in CLUSTERMARK_SITES"
        )
    shown = plain(str(path), 1000)
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UsageError(f"site {shown}: cannot be read ({error.strerror}); give a .toml file") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"site {shown}: is not TOML ({plain(str(error), 200)}); mend that line") from None
    return Site.from_dict({"name": path.stem, **data}, f"site {shown}")
