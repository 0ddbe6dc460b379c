"""The adapter around sbatch, squeue, scontrol, sacct and scancel: each call is one process with a time limit.

A command that fails because the controller does not answer is told apart from one that says no: the first is
retried by whoever asked, the second is an answer.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clustermark.core.errors import ClustermarkError, UsageError, plain
from clustermark.runners.children import Ask, Ended, ask
from clustermark.runners.slurm_site import Site
from clustermark.runners.slurm_states import (
    SACCT_FIELDS,
    Accounted,
    State,
    parse_partition,
    parse_sacct,
    parse_scontrol,
    parse_squeue,
)

CALL_SECONDS = 30.0
SUBMIT_SECONDS = 120.0
TRIES = 5
LONGEST_ARRAY = 1000
# Of an enclosing job or launch: Slurm's commands would take them for wishes about the new one.
_LEAKS = re.compile(
    r"^(SLURM_|SLURMD_|SBATCH_|SALLOC_|SRUN_|PMI_|PMI2_|PMIX_|OMPI_COMM_|OMPI_UNIVERSE|PRTE_|HYDI?_|MPI_LOCAL)"
)
_KEPT = ("SLURM_CONF", "SBATCH_ACCOUNT", "SBATCH_QOS", "SBATCH_RESERVATION")
_GONE = re.compile(r"Invalid job id|Invalid job array|No job found|not found", re.I)
_SILENT = re.compile(
    r"contact slurm controller|Connection refused|Connection timed out|Socket timed out|Unable to contact|"
    r"Resource temporarily unavailable|backup controller|Zero Bytes were transmitted|communications|"
    r"Transport endpoint|Protocol authentication error",
    re.I,
)


class SilentError(ClustermarkError):
    """Slurm could not be asked: nothing is known, and the same question may succeed later."""


def clean_environment(variables: Mapping[str, str], site: Site) -> dict[str, str]:
    """Variables for Slurm's commands and the jobs: without those of an enclosing job or launch.

    What a user sets for every job (SBATCH_ACCOUNT …) is kept unless the site says it: such variables win over the
    directives of a script.
    """
    kept = {key: value for key, value in variables.items() if key in _KEPT or not _LEAKS.match(key)}
    for name in ("account", "qos", "reservation"):
        if getattr(site, name):
            kept.pop(f"SBATCH_{name.upper()}", None)
    return kept | ({"SLURM_CONF": site.slurm_conf} if site.slurm_conf else {})


@dataclass
class Slurm:
    """Slurm's commands as one site sees them; `asking` and `sleep` are replaced in tests."""

    site: Site
    asking: Ask = ask
    sleep: Callable[[float], None] = time.sleep
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    calls: int = 0

    def _call(self, words: Sequence[str], seconds: float = CALL_SECONDS) -> Ended:
        """One command. Raises SilentError: it is not installed, hung, or got no answer."""
        self.calls += 1
        ended = self.asking(words, clean_environment(self.variables, self.site), seconds)
        if ended.status is None or (ended.status != 0 and _SILENT.search(ended.stderr)):
            raise SilentError(f"{words[0]} got no answer from Slurm: {plain(ended.complaint(), 300)}")
        return ended

    def _insist(self, words: Sequence[str], seconds: float = CALL_SECONDS) -> Ended:
        """As `_call`, a few times: a controller that restarts is away for seconds. Raises SilentError."""
        for attempt in range(TRIES - 1):
            try:
                return self._call(words, seconds)
            except SilentError as error:
                if "cannot be started" in str(error):
                    raise
                self.sleep(2.0 * (attempt + 1))
        return self._call(words, seconds)

    def submit(self, script: Path, run: Path, options: Sequence[str] = ()) -> str:
        """sbatch; returns the job id. Raises UsageError (Slurm says no) or SilentError, after which a job may exist."""
        words = ["sbatch", "--parsable", f"--chdir={run}", *options, str(script)]
        ended = self._call(words, SUBMIT_SECONDS)
        job = ended.stdout.strip().splitlines()[-1].partition(";")[0] if ended.stdout.strip() else ""
        if ended.status != 0 or not job.isdigit():
            raise UsageError(f"site {self.site.name}: sbatch refused {script.name}: {plain(ended.complaint(), 400)}")
        return job

    def test(self, script: Path, run: Path) -> str:
        """sbatch --test-only: "" if the job could run some day, else what Slurm says. Raises SilentError."""
        ended = self._insist(["sbatch", "--test-only", f"--chdir={run}", str(script)], SUBMIT_SECONDS)
        return "" if ended.status == 0 else plain(ended.complaint(), 400)

    def partition(self) -> Mapping[str, object]:
        """State and time limit of the site's partition, {} if none is named or Slurm does not say."""
        if not self.site.partition or "," in self.site.partition:
            return {}
        ended = self._insist(["scontrol", "show", "partition", self.site.partition, "--oneliner"])
        if ended.status != 0:
            raise UsageError(
                f"site {self.site.name}: partition '{self.site.partition}' is not there ({plain(ended.complaint())}); "
                f"`sinfo` shows all"
            )
        return parse_partition(ended.stdout)

    def longest_array(self) -> int:
        """Tasks that one array may have here."""
        match = re.search(r"MaxArraySize\s*=\s*(\d+)", self._insist(["scontrol", "show", "config"]).stdout)
        return min(LONGEST_ARRAY, int(match.group(1)) - 1) if match and int(match.group(1)) > 1 else 1

    def find(self, job_name: str) -> str:
        """Id of the job or array of that name, "" if there is none. Raises SilentError."""
        ended = self._call(["squeue", "-h", "-t", "all", "-o", "%F", f"--name={job_name}"])
        return ended.stdout.split()[0] if ended.status == 0 and ended.stdout.split() else ""

    def queue(self, jobs: Sequence[str]) -> dict[str, State]:
        """One squeue for all jobs and tasks: id → state; what has left the queue is absent. Raises SilentError."""
        if not jobs:
            return {}
        ended = self._call(["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r", f"--jobs={','.join(jobs)}"])
        if ended.status != 0 and not _GONE.search(ended.stderr):
            raise SilentError(f"squeue failed: {plain(ended.complaint(), 300)}")
        return parse_squeue(ended.stdout)

    def show(self, job: str) -> dict[str, State]:
        """scontrol show job: as `queue`, for one job or array."""
        ended = self._call(["scontrol", "show", "job", job, "--oneliner"])
        return parse_scontrol(ended.stdout) if ended.status == 0 else {}

    def account(self, jobs: Sequence[str]) -> dict[str, Accounted]:
        """sacct for all jobs; {} where nothing is accounted. Raises SilentError."""
        if not jobs:
            return {}
        words = ["sacct", "-n", "-P", "-a", "-o", ",".join(SACCT_FIELDS), f"--jobs={','.join(jobs)}"]
        ended = self._call(words)
        return parse_sacct(ended.stdout) if ended.status == 0 else {}

    def cancel(self, jobs: Sequence[str]) -> None:
        """scancel; a job that has ended is no error. Raises SilentError, or UsageError where Slurm says no."""
        if not jobs:
            return
        ended = self._insist(["scancel", *jobs])
        if ended.status != 0 and not re.search(r"Invalid job id|already completing|not found", ended.stderr, re.I):
            raise UsageError(f"scancel {' '.join(jobs)}: {plain(ended.complaint(), 300)}")
