"""Lockstep: both versions alive in one mpirun each, taking single samples in turns; the idle one sleeps.

What disturbs the machine for longer than a sample disturbs both alike, so that pairs scatter far less than launches do.
Each launch gives one number per case, the median over its pairs; launches are repeated as everywhere.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.core import noise
from clustermark.core.environment import recorded_variables
from clustermark.core.errors import StoreError, UsageError, plain
from clustermark.core.files import atomic_write
from clustermark.core.plan import Job
from clustermark.core.rundir import RunDirectory
from clustermark.core.suite import Sampling
from clustermark.runners.children import die_with_parent, end
from clustermark.runners.diagnose import cannot_write, diagnose
from clustermark.runners.launcher import Launcher, launch_arguments, launch_environment, usable_cores
from clustermark.runners.sides import Side
from clustermark.runners.worker import Launch

SCRIPT = Path(__file__).with_name("lockstep_rank.py")
# Pairs of samples per launch and case: enough for a median, few enough for many launches.
MOST_PAIRS = 40
MOST_STEPS = 1_000_000
START_SECONDS = 60.0
GRACE_SECONDS = 10.0

# What Python says where a version lacks what the script of this one imports.
_UNKNOWN = re.compile(r"ImportError|ModuleNotFoundError|cannot import name")

Say = Callable[[str], None]
# (side, case number in its run, launch, reason): record that it failed
Fail = Callable[[str, int, int, str], None]


class _SideDownError(Exception):
    """A version whose ranks have ended or do not answer."""

    def __init__(self, down: _Ranks, timed_out: bool) -> None:
        super().__init__(down.side.name)
        self.down = down
        self.timed_out = timed_out


@dataclass(frozen=True)
class Pair:
    """A case under its numbers in the runs of both versions."""

    baseline: int
    candidate: int
    label: str

    def number(self, side: str) -> int:
        """In the run of that side."""
        return self.baseline if side == "baseline" else self.candidate


class _Ranks:
    """The ranks of one version in one launch: an mpirun and a socket to each rank."""

    def __init__(
        self, side: Side, run: RunDirectory, job: Job, cases: Sequence[int], launcher: Launcher, name: str
    ) -> None:
        self.side, self.run, self.ranks = side, run, job.ranks
        self.folder = run.launch_folder(name)
        self.patience = run.plan.sampling.timeout + GRACE_SECONDS
        self.channels: list[tuple[socket.socket, Any]] = []
        launch = Launch.of_job(run, self.folder, job, cases, recorded_variables())
        atomic_write(self.folder / "job.json", launch.to_json().encode())
        environment = side.environment(launch_environment(os.environ, job.fabric, job.threads))
        self.place = tempfile.TemporaryDirectory(prefix="clustermark-")
        self.listener = socket.socket(socket.AF_UNIX)
        address = f"{self.place.name}/check"
        self.listener.bind(address)
        self.listener.listen(job.ranks)
        self.listener.settimeout(0.2)
        words = launch_arguments(launcher, job.ranks, job.threads, usable_cores(), os.geteuid() == 0)
        words += [side.python, "-P", str(SCRIPT), str(self.folder / "job.json"), address]
        with (self.folder / "mpirun.stdout").open("wb") as out, (self.folder / "mpirun.stderr").open("wb") as err:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
            )

    def connect(self) -> None:
        """Wait until every rank is there; raises _SideDownError."""
        begun = time.monotonic()
        while len(self.channels) < self.ranks:
            try:
                channel, _ = self.listener.accept()
            except TimeoutError:
                late = time.monotonic() - begun > max(START_SECONDS, self.patience)
                if late or self.process.poll() is not None:
                    raise _SideDownError(self, late) from None
                continue
            channel.settimeout(self.patience)
            self.channels.append((channel, channel.makefile("r", encoding="utf-8")))
        for _, reader in self.channels:
            self._read(reader)

    def ask(self, do: str, **request: Any) -> list[dict[str, Any]]:
        """The same request to every rank, and all answers; raises _SideDownError."""
        line = json.dumps({"do": do, **request}).encode() + b"\n"
        try:
            for channel, _ in self.channels:
                channel.sendall(line)
        except TimeoutError:
            raise _SideDownError(self, True) from None
        except OSError:
            raise _SideDownError(self, False) from None
        return [self._read(reader) for _, reader in self.channels]

    def _read(self, reader: Any) -> dict[str, Any]:
        try:
            return json.loads(reader.readline())
        except TimeoutError:
            raise _SideDownError(self, True) from None
        except (OSError, ValueError):
            raise _SideDownError(self, False) from None

    def leave(self) -> None:
        """Let the ranks finish by themselves."""
        for channel, _ in self.channels:
            channel.sendall(b'{"do": "end"}\n')

    def wait(self) -> None:
        """Give them the time to do so."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_SECONDS)

    def why(self, timed_out: bool) -> str:
        """Why it went down, as one sentence; ends what is left of it."""
        status: int | None = None
        if not timed_out:
            try:
                status = self.process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                timed_out = True
        self.close()
        reason = diagnose(self.folder, status, timed_out, self.run.plan.sampling.timeout)
        if cannot_write(self.folder, status):
            raise StoreError(f"{self.run.path}: cannot be written ({reason}); free space, then `check --resume`")
        return f"{reason} [logs: {self.folder.relative_to(self.run.path)}]"

    def close(self) -> None:
        """End whatever lives."""
        for channel, reader in self.channels:
            reader.close()
            channel.close()
        self.listener.close()
        self.place.cleanup()
        end(self.process)


def run_job(
    sides: Mapping[str, Side],
    runs: Mapping[str, RunDirectory],
    jobs: Mapping[str, Job],
    pairs: Sequence[Pair],
    launchers: Mapping[str, Launcher],
    seed: str,
    fail: Fail,
    say: Say,
) -> None:
    """One launch of both versions for these cases; a version that goes down costs the case at hand, no other.

    Parameters
    ----------
    sides, runs, jobs : per side; the jobs have the same launch number
    pairs : cases that neither run has a result of
    launchers : start the ranks of each side
    seed : of the order within pairs of samples
    fail, say : record a failure; one line per case that ended

    Raises
    ------
    StoreError : results cannot be written
    UsageError : a version lacks what lockstep needs
    """
    left = list(pairs)
    order = random.Random(seed)
    while left:
        alive: dict[str, _Ranks] = {}
        at: list[Pair] = []
        try:
            for name in order.sample(list(sides), len(sides)):
                numbers = [pair.number(name) for pair in left]
                place = f"lockstep{jobs[name].launch:04d}"
                alive[name] = _Ranks(sides[name], runs[name], jobs[name], numbers, launchers[name], place)
            for ranks in alive.values():
                ranks.connect()
            for ranks in alive.values():
                ranks.ask("begin")
            sampling = runs["candidate"].plan.sampling
            for pair in list(left):
                at = [pair]
                _measure(alive, pair, sampling, order, say)
                left.remove(pair)
            for ranks in alive.values():
                ranks.leave()
            for ranks in alive.values():
                ranks.wait()
        except _SideDownError as problem:
            guilty = at or left
            reason = problem.down.why(problem.timed_out)
            if not problem.down.channels and _UNKNOWN.search(reason):
                raise UsageError(
                    f"{problem.down.side.name} ({problem.down.side.what}): lockstep needs functions that this version "
                    f"does not have ({plain(reason, 300)}); give --method interleaved"
                ) from None
            for pair in guilty:
                side = problem.down.side.name
                fail(side, pair.number(side), jobs[side].launch, reason)
                say(f"{pair.label} failed: {side}: {reason}")
            left = [pair for pair in left if pair not in guilty]
        finally:
            for ranks in alive.values():
                ranks.close()


def _measure(alive: Mapping[str, _Ranks], pair: Pair, sampling: Sampling, order: random.Random, say: Say) -> None:
    """Prepare both, then samples in turns, in random order within each pair; then check both."""
    ready = {name: ranks.ask("prepare", case=pair.number(name)) for name, ranks in alive.items()}
    typical = {name: max(answer["typical"] for answer in answers) for name, answers in ready.items()}
    shortest = max(answer["shortest"] for answers in ready.values() for answer in answers)
    steps = min(MOST_STEPS, max(1, math.ceil(shortest / max(min(typical.values()), 1e-9))))
    before, own = noise.snapshot(), _own(alive)
    begun = time.monotonic()
    count, stopped_by = 0, "samples"
    most = max(sampling.min_samples, min(MOST_PAIRS, sampling.max_samples))
    while count < most:
        for name in order.sample(list(alive), len(alive)):
            alive[name].ask("sample", steps=steps)
        count += 1
        if count >= sampling.min_samples and time.monotonic() - begun > len(alive) * sampling.seconds:
            stopped_by = "time"
            break
    shares = noise.between(before, noise.snapshot(), _own(alive) - own)
    told = {"stopped_by": stopped_by, "conditions": noise.labels(shares), "counters": noise.report(shares)}
    for name, ranks in alive.items():
        for answer in ranks.ask("finish", **told):
            if answer["status"]:
                reason = f": {answer['reason']}" if answer["reason"] else ""
                say(f"{answer['case']} {name} {answer['status']}{reason}")


def _own(alive: Mapping[str, _Ranks]) -> float:
    """[s] CPU time of all ranks of both versions, and of this process."""
    return sum(answer["cpu"] for ranks in alive.values() for answer in ranks.ask("usage")) + time.process_time()
