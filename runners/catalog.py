"""Everything that can run: the tables of this package and the workloads of installed plug-ins."""

import math
import os
from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from clustermark.apps import APPS
from clustermark.benchmarks import BENCHMARKS
from clustermark.core.context import TransportRow
from clustermark.core.errors import UsageError, nearest
from clustermark.core.machine import Machine
from clustermark.core.memory import available_bytes
from clustermark.core.workload import Workload
from clustermark.devices import DEVICES, cuda_driver
from clustermark.runners.hosts import hosts_here
from clustermark.runners.launcher import Launcher
from clustermark.transports import TRANSPORTS
from clustermark.transports.fabrics import every_fabric, fabric_aliases, refuse_fabrics

Refuse = Callable[[int, str, str], str]
PLUGIN_GROUP = "clustermark.workloads"


def workloads() -> dict[str, Workload]:
    """Name → declaration, of benchmarks, apps and plug-ins.

    Raises
    ------
    UsageError : a plug-in that cannot be imported, is no Workload, or takes a name that exists
    """
    table = {**BENCHMARKS, **APPS}
    for entry in entry_points(group=PLUGIN_GROUP):
        where = f"plug-in workload '{entry.name}' ({entry.value})"
        try:
            workload = entry.load()
        except Exception as error:
            raise UsageError(f"{where}: cannot be imported ({error}); mend or uninstall its package") from error
        if not isinstance(workload, Workload):
            raise UsageError(f"{where}: is a {type(workload).__name__}, expected a clustermark Workload")
        if workload.name in table:
            raise UsageError(f"{where}: the name '{workload.name}' is taken; rename it")
        table[workload.name] = workload
    return table


def machine(launcher: Launcher | None, why_no_launcher: str = "", nodes: int | None = 0) -> Machine:
    """What can be planned here, given the launcher that will start the ranks.

    `nodes` is how many nodes they lie on: 0 for those that CLUSTERMARK_HOSTS names, or this one; None where each case
    has its own, so that whoever plans them refuses what does not reach.
    """
    mpi = launcher.mpi if launcher else ""
    hosts = hosts_here()
    if nodes == 0:
        nodes = len(hosts.names) if hosts else 1
    gpus = len(cuda_driver.driver().gpus) * (nodes or 0)
    return Machine(
        devices={name: row.missing() for name, row in DEVICES.items()},
        fabrics=refuse_fabrics(mpi, why_no_launcher, nodes),
        fabric_aliases=fabric_aliases(mpi, nodes),
        every_fabric=every_fabric(mpi, nodes),
        transports={name: _refusal(row, gpus) for name, row in TRANSPORTS.items()},
        precisions={name: row.refuse for name, row in DEVICES.items()},
        # Of other nodes nothing is known here: each looks for itself before it allocates.
        memory=available_bytes() if nodes == 1 and not hosts else math.inf,
    )


def _refusal(row: TransportRow, gpus: int) -> Refuse:
    """The row's own, and of ranks that would share one of `gpus` where it allows none to; 0: not known."""

    def refuse(ranks: int, precision: str, device: str) -> str:
        if row.own_gpu and device == "cuda" and ranks > gpus > 0:
            return (
                f"wants a GPU for each rank, and there are {ranks} ranks and {gpus} GPU(s); use 'mpi', or fewer ranks"
            )
        return row.refuse(ranks, precision, device)

    return refuse


def suites() -> dict[str, Path]:
    """Name → file of the suites that come with clustermark."""
    folder = files("clustermark.runners") / "suites"
    found = [Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {path.stem: path for path in sorted(found)}


def suite_path(name: str) -> Path:
    """The file of a suite: a name from `suites`, or a path. Raises UsageError with the nearest name."""
    known = suites()
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix == ".toml" or os.path.exists(path):  # noqa: PTH110 - Path.exists raises for a name that is too long
        return path
    raise UsageError(f"suite '{name}' is not known{nearest(name, known)}; give one of these or a .toml file")
