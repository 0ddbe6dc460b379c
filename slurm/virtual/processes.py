"""The processes of a virtual cluster: found by what they prove to be, ended by their ids."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

DAEMONS = ("slurmctld", "slurmstepd", "slurmd", "munged")
# The scheduler first, so that nothing is started or requeued; then what it runs; then what they need.
ORDER: tuple[tuple[tuple[str, ...], float], ...] = (
    (("slurmctld",), 5.0),
    (("slurmstepd", "job"), 0.2),
    (("slurmd",), 2.0),
    (("munged",), 2.0),
)


class NoSuchNodeError(Exception):
    """The node's daemon does not run."""


def of_cluster(root: Path) -> dict[int, str]:
    """Process id → kind ("slurmctld", …, "job") of what runs in this cluster.

    A daemon names the cluster's folder in its environment or command line; a job's process has the cluster's
    configuration and a job id in its environment.
    """
    configuration = f"SLURM_CONF={root}/slurm.conf".encode()
    found: dict[int, str] = {}
    for pid in _pids():
        try:
            process = Path("/proc") / str(pid)
            variables = (process / "environ").read_bytes().split(b"\0")
            words = (process / "cmdline").read_bytes()
            name = (process / "comm").read_text().strip()
            if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
        except OSError:
            continue
        daemon = next((d for d in DAEMONS if name == d or words.startswith(f"{d}:".encode())), "")
        if daemon and (configuration in variables or f"{root}/".encode() in words):
            found[pid] = daemon
        elif configuration in variables and any(v.startswith(b"SLURMD_NODENAME=") for v in variables):
            found[pid] = "job"
    return found


def end_cluster(root: Path) -> dict[int, str]:
    """End all of it, in order; returns what could not be ended."""
    for kinds, patience in ORDER:
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
            _signal([pid for pid, kind in of_cluster(root).items() if kind in kinds], number)
            if _gone(root, kinds, seconds):
                break
    return of_cluster(root)


def _gone(root: Path, kinds: tuple[str, ...], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while any(kind in kinds for kind in of_cluster(root).values()):
        if time.monotonic() > end:
            return False
        time.sleep(0.03)
    return True


def kill_node(root: Path, node: str, daemon_only: bool = False) -> int:
    """Crash a node: SIGKILL to everything in its UTS namespace; returns how many processes. Raises NoSuchNodeError."""
    file = root / "run" / f"slurmd-{node}.pid"
    try:
        pid = int(file.read_text())
        space = (Path("/proc") / str(pid) / "ns" / "uts").readlink()
        if (Path("/proc") / str(pid) / "comm").read_text().strip() != "slurmd":
            raise NoSuchNodeError(f"{file}: names another program's process")
    except (OSError, ValueError) as error:
        raise NoSuchNodeError(f"node {node}: its slurmd does not run ({error})") from error
    if daemon_only:
        _signal([pid], signal.SIGKILL)
        return 1
    if space == Path("/proc/self/ns/uts").readlink():
        raise NoSuchNodeError(f"node {node}: has no host name of its own, so its processes cannot be told apart")
    # All stop before any dies: no daemon may report the death of a task.
    victims = list(_in_space(space))
    _signal(victims, signal.SIGSTOP)
    _signal(victims, signal.SIGKILL)
    return len(victims)


def _in_space(space: Path) -> Iterator[int]:
    """Processes of a UTS namespace, daemons first."""
    found = []
    for pid in _pids():
        try:
            process = Path("/proc") / str(pid)
            if (process / "ns" / "uts").readlink() == space:
                found.append((not (process / "comm").read_text().startswith("slurm"), pid))
        except OSError:
            continue
    return (pid for _, pid in sorted(found))


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]  # noqa: PTH208


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
