"""A virtual cluster for tests: brought up by slurm/virtual, asked through Slurm's own commands, ended by process id."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.core.journal import Event
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import Run, read_run
from clustermark.runners.slurm_states import State, parse_squeue
from clustermark.runners.slurm_submission import Submission, submissions

# Nodes on which nothing is planted to happen.
CALM = {"constraint": "vn5|vn6|vn7|vn8", "requeue": False}
# Nodes of which one goes down, and what is submitted to them; and jobs that meet their time limit.
SLOW: dict[str, tuple[Mapping[str, object], Sequence[str], Sequence[str]]] = {
    "timeout": (CALM | {"signal_seconds": 0}, ["none", "hang-all"], ["--nodes", "1", "--minutes", "1"]),
    "near": (CALM | {"signal_seconds": 55}, ["none", "hang-all"], ["--nodes", "1", "--minutes", "1", "--seed", "3"]),
    "requeue": ({"constraint": "vn1|vn2", "requeue": True}, ["none", *["slow"] * 5], ["--nodes", "2"]),
    "no requeue": ({"constraint": "vn3|vn4", "requeue": False}, ["hang-all"], ["--nodes", "2"]),
}

CLUSTER = Path(__file__).resolve().parents[2] / "slurm" / "virtual" / "cluster.py"


def cluster_command(*words: str, timeout: float = 60.0, umask: int = -1) -> subprocess.CompletedProcess[str]:
    """slurm/virtual/cluster.py as a user calls it; `umask` is that of the user, -1 for this process's."""
    command = [sys.executable, str(CLUSTER), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, umask=umask, check=False)


def writable_for_everybody(folder: Path) -> list[Path]:
    """Files and folders, not sockets and devices."""
    modes = ((path, path.lstat().st_mode) for path in [folder, *folder.rglob("*")])
    return [path for path, mode in modes if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and mode & stat.S_IWOTH]


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Poll until the condition gives something true, and return it; AssertionError after a while."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.2)


@dataclass(frozen=True)
class Cluster:
    """Real Slurm with virtual nodes."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Where Slurm's own commands find it."""
        return {**os.environ, "SLURM_CONF": str(self.root / "slurm.conf")}

    def slurm(self, *words: str) -> str:
        """Stdout of one of Slurm's commands, "" if it fails."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout if done.returncode == 0 else ""

    def site(self, folder: Path, keys: Mapping[str, Any] | None = None) -> Path:
        """The cluster's own site file with other keys."""
        path = folder / f"site{len(list(folder.glob('site*.toml')))}.toml"
        changed = keys or {}
        lines = (self.root / "site.toml").read_text().splitlines()
        kept = [line for line in lines if line.partition(" ")[0] not in changed]
        path.write_text("\n".join([*kept, *(f"{key} = {toml(value)}" for key, value in changed.items())]) + "\n")
        return path

    def states(self, job: str) -> dict[str, State]:
        """Every task of an array, or the one job."""
        return parse_squeue(self.slurm("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r", f"--jobs={job}"))

    def stop_controller(self) -> None:
        """End slurmctld; from then on clients give up soon."""
        controller = int((self.root / "run" / "slurmctld.pid").read_text())
        subprocess.run(["kill", str(controller)], check=True)
        wait_until(lambda: not Path(f"/proc/{controller}/fd").exists(), 20, "the controller's end")
        text = (self.root / "slurm.conf").read_text()
        (self.root / "slurm.conf.kept").write_text(text)
        (self.root / "slurm.conf").write_text(text.replace("MessageTimeout=10", "MessageTimeout=2"))

    def start_controller(self) -> None:
        """slurmctld again, with the state it had."""
        (self.root / "slurm.conf.kept").replace(self.root / "slurm.conf")
        words = ["/usr/sbin/slurmctld"]
        subprocess.run(words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        wait_until(lambda: self.slurm("squeue", "-h", "-t", "all"), 30, "the controller")

    def wait_for_end(self, job: str, seconds: float = 60.0) -> dict[str, State]:
        """States of a job's tasks when all have ended."""

        def ended() -> dict[str, State]:
            states = self.states(job)
            return states if states and all(state.ended for state in states.values()) else {}

        return wait_until(ended, seconds, f"the end of job {job}")


def toml(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return str(value) if isinstance(value, int) else f'"{value}"'


def suite(folder: Path, modes: Sequence[str], launches: int = 1, timeout: float = 60.0, **axes: object) -> Path:
    """A suite of the workload that goes wrong on purpose: one case per mode, numbered in order."""
    path = folder / f"suite{len(list(folder.glob('suite*.toml')))}.toml"
    blocks = "".join(
        '[[matrix]]\nworkload = "faulty"\n'
        + "".join(f"{axis} = {toml(value)}\n" for axis, value in axes.items())
        + f'params = {{ mode = "{mode}", number = {number} }}\n'
        for number, mode in enumerate(modes)
    )
    sampling = f"[sampling]\nseconds = 0.2\nmin_samples = 2\nmax_samples = 20\ninterval = 0.0001\ntimeout = {timeout}\n"
    path.write_text(f'name = "{path.stem}"\nlaunches = {launches}\n{sampling}{blocks}')
    return path


@dataclass(frozen=True)
class Submitted:
    """A run that was submitted."""

    folder: Path
    said: str

    @property
    def directory(self) -> RunDirectory:
        """As on the disk now."""
        return RunDirectory.open(self.folder)

    @property
    def last(self) -> Submission:
        """Its newest submission."""
        return submissions(self.directory)[-1]

    def job(self, part: str = "0") -> str:
        """Id of an array or of "collect"."""
        return self.last.ids()[part]

    def events(self, kind: str) -> list[Event]:
        """Of every journal."""
        return [event for event in self.directory.events() if event["event"] == kind]

    @property
    def result(self) -> Run:
        """run.h5"""
        return read_run(self.folder / "run.h5")

    def reasons(self) -> dict[str, str]:
        """Mode of a faulty case → "ok" or why not."""
        return {str(row.case.params["mode"]): row.reason or row.status for row in self.result.rows}


# What the fixture `submit` is: words of the command line to the run that was submitted.
Submit = Callable[..., Submitted]


def the_run(out: Path) -> Path:
    """The only run below a folder."""
    [path] = [entry.parent for entry in out.glob("*/plan.json")]
    return path
