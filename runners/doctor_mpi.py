"""What `clustermark doctor` tries with MPI: launcher, library, a real launch of two ranks, every fabric."""

import os
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clustermark.core.errors import LaunchError
from clustermark.runners.children import Ask, Ended, probe_arguments
from clustermark.runners.findings import Finding
from clustermark.runners.hosts import hosts_here
from clustermark.runners.launcher import (
    Launcher,
    find_launcher,
    launch_arguments,
    launch_environment,
    usable_cores,
)
from clustermark.transports.fabrics import FABRICS, refuse_fabrics

RANKS = 2
WORLD_SECONDS = 30.0
FABRIC_SECONDS = 20.0
_INSTALL = "pip install 'clustermark[mpi]'"
_NAMES = {"openmpi": "Open MPI", "mpich": "MPICH"}


def examine_mpi(ask: Ask, mpirun: str | None, launch: bool) -> Iterator[Finding]:
    """Findings about MPI, each as soon as it is known.

    Parameters
    ----------
    ask : runs the children
    mpirun : the launcher that the user named, or None
    launch : whether ranks may be started
    """
    launcher = None
    try:
        launcher = find_launcher(mpirun)
        version = f"{_NAMES.get(launcher.mpi, launcher.mpi)} {launcher.version}"
        yield Finding("launcher", "ok", f"{version}, {launcher.path}")
    except LaunchError as error:
        yield Finding("launcher", "problem", str(error), _INSTALL)
    library = _library(ask)
    yield library_finding(library, launcher)
    if not launch:
        yield Finding("launch", "absent", "not tried: --no-launch")
        return
    if launcher is None or "error" in library:
        yield Finding("launch", "absent", "not tried: it needs a launcher and an MPI library")
        return
    world = _world(ask, launcher, library)
    yield world
    if world.status == "problem":
        yield Finding("fabrics", "absent", "not tried: launches do not work")
        return
    hosts = hosts_here()
    refused = refuse_fabrics(launcher.mpi, "", len(hosts.names) if hosts else 1)
    for name, reason in refused.items():
        if not reason and FABRICS[name].wire != "any":  # what claims nothing cannot be proven
            yield _fabric(ask, launcher, name)


def _library(ask: Ask) -> dict[str, Any]:
    ended = ask(probe_arguments("mpi"), os.environ, WORLD_SECONDS)
    documents = ended.documents()
    return documents[-1] if documents else {"error": f"the process that loads it {ended.complaint()}"}


def library_finding(library: Mapping[str, Any], launcher: Launcher | None) -> Finding:
    """Whether the library that mpi4py loads is the launcher's."""
    if "error" in library:
        mend = _INSTALL if launcher is None else f"export MPI4PY_LIBMPI={library_beside(launcher.path)}"
        return Finding("MPI library", "problem", f"mpi4py cannot load one: {library['error']}", mend)
    shown = f"{library['name']} {library['version']}, {library['path'] or 'path unknown'}"
    loaded = f"{shown}; MPI {library['standard']}, mpi4py {library['mpi4py']}"
    if launcher is None:
        return Finding("MPI library", "ok", loaded)
    if library["mpi"] != launcher.mpi:
        return Finding(
            "MPI library",
            "problem",
            f"{shown}, but the launcher is {_NAMES.get(launcher.mpi, launcher.mpi)}'s: ranks would not find each other",
            matching_pair(library, launcher),
        )
    if library["version"].split(".")[0] != launcher.version.split(".")[0]:
        what = f"{shown}, but the launcher is version {launcher.version}"
        return Finding("MPI library", "warning", what, matching_pair(library, launcher))
    return Finding("MPI library", "ok", loaded)


def library_beside(launcher_path: str) -> str:
    """Where the library of a launcher usually stands: ../lib/libmpi.so*, the first that is there."""
    folder = Path(launcher_path).resolve().parent.parent / "lib"
    found = sorted(folder.glob("libmpi.so*"))
    return shlex.quote(str(found[0] if found else folder / "libmpi.so"))


def matching_pair(library: Mapping[str, Any], launcher: Launcher) -> str:
    """The command that makes launcher and library one MPI: the launcher beside the library if there is one."""
    beside = Path(str(library["path"])).parent.parent / "bin" / "mpirun"
    if library["path"] and beside.exists() and beside != Path(launcher.path):
        return f"export CLUSTERMARK_MPIRUN={shlex.quote(str(beside))}  # and give no other --mpirun"
    return f"export MPI4PY_LIBMPI={library_beside(launcher.path)}"


def _launch(ask: Ask, launcher: Launcher, fabric: str, timeout: float, *words: str) -> Ended:
    tokens = launch_arguments(launcher, RANKS, 1, usable_cores(), os.geteuid() == 0, hosts_here())
    return ask([*tokens, *probe_arguments(*words)], launch_environment(os.environ, fabric, 1), timeout)


def _world(ask: Ask, launcher: Launcher, library: Mapping[str, Any]) -> Finding:
    started = time.monotonic()
    ended = _launch(ask, launcher, "self", WORLD_SECONDS, "world", str(RANKS))
    return world_finding(ended, launcher, library, time.monotonic() - started)


def world_finding(ended: Ended, launcher: Launcher, library: Mapping[str, Any], seconds: float) -> Finding:
    """Whether a launch of two ranks was one world of two."""
    sizes = [document.get("size") for document in ended.documents()]
    if ended.status == 0 and sizes == [RANKS] * RANKS:
        return Finding("launch", "ok", f"{RANKS} ranks found each other, started and ended in {seconds:.1f} s")
    if sizes and set(sizes) == {1}:
        worlds = "1 world of size 1" if len(sizes) == 1 else f"{len(sizes)} worlds of size 1"
        what = (
            f"{launcher.path} -n {RANKS} made {worlds} instead of one world of size {RANKS}: launcher and MPI "
            f"library ({library['name']} {library['version']}) do not belong together"
        )
        return Finding("launch", "problem", what, matching_pair(library, launcher))
    seen = f"; ranks saw worlds of size {', '.join(map(str, sizes))}" if sizes and sizes != [RANKS] * RANKS else ""
    what = f"{launcher.path} -n {RANKS} {ended.complaint()}{seen}"
    if library["mpi"] != launcher.mpi:
        return Finding("launch", "problem", what, matching_pair(library, launcher))
    by_hand = shlex.join([launcher.path, "-n", str(RANKS), *probe_arguments("world", str(RANKS))])
    return Finding("launch", "problem", what, f"see all that it says: {by_hand}")


def _fabric(ask: Ask, launcher: Launcher, name: str) -> Finding:
    return fabric_finding(name, _launch(ask, launcher, name, FABRIC_SECONDS, "fabric", name))


def fabric_finding(name: str, ended: Ended) -> Finding:
    """Whether two ranks exchanged bytes over this fabric, and whether counters prove that they took it."""
    documents = ended.documents()
    if ended.status != 0 or not documents:
        mend = f"leave it out: --fabric with the others (here: alias '{FABRICS[name].alias}')"
        return Finding(name, "warning", f"a launch with it {ended.complaint()}", mend)
    proof = documents[-1]
    detail = proof["detail"]
    names = {"tcp": "own sockets", "lo": "lo", "network": "other interfaces"}
    counters = [", ".join(f"{text} {detail[key]:.2f}" for key, text in names.items() if key in detail)]
    if "process_vm_readv" in detail:
        counters.append(f"{detail['process_vm_readv']} copies by the kernel")
    elif FABRICS[name].wire == "none" and FABRICS[name].kernel_copies is not None:
        counters.append("copies by the kernel cannot be counted here")
    shown = f"{proof['observed']} (bytes carried ÷ sent: {'; '.join(counters)})" if counters[0] else proof["observed"]
    if proof["proven"]:
        return Finding(name, "ok", f"proven: {shown}")
    mend = "keep other traffic off this node's interfaces, then run doctor again"
    if proof["evidence"] == "none":
        mend = "its figures stay 'not verified': /proc/net/dev must be readable inside this container"
    return Finding(name, "warning", f"works, but is not proven: {shown}", mend)
