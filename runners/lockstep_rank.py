"""One rank of one version in lockstep: takes a sample when it is told to, and sleeps in a read while the other does.

Run as a script under mpirun by the interpreter of its version: arguments are job.json and the socket of the check. The
ranks of the idle version block on that socket; in an MPI barrier they would spin and take the cores from the others.
"""

from __future__ import annotations

import faulthandler
import gc
import inspect
import json
import math
import os
import resource
import socket
import sys
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.core.context import Context
from clustermark.core.errors import LaunchError
from clustermark.core.journal import Journal
from clustermark.core.measurement import Measurement
from clustermark.core.precision import PRECISIONS
from clustermark.core.result import UNPROVEN, FabricProof, Result
from clustermark.core.rundir import RunDirectory, utc_now
from clustermark.core.workload import Trial
from clustermark.devices import DEVICES
from clustermark.runners import surroundings
from clustermark.runners.catalog import workloads
from clustermark.runners.children import die_with_parent
from clustermark.runners.launch_world import library_facts, redirect_output, start_mpi
from clustermark.runners.launcher import local_rank, rank_hint
from clustermark.runners.measure import (
    CLOCK,
    FLOORS_PER_SAMPLE,
    WARMUP_LEAST,
    WARMUP_MOST,
    WARMUP_SECONDS,
    harness_floor,
    windows,
)
from clustermark.runners.worker import Launch, _abort
from clustermark.transports import TRANSPORTS
from clustermark.transports.fabrics import FABRICS
from clustermark.transports.mpi import MpiTransport
from clustermark.transports.proof import prove

# Caches and clocks were the other version's until now: a sample is so long that finding them again does not matter,
# and a step before it is not timed.
SHORTEST_SAMPLE = 2e-3

Request = Mapping[str, Any]


@dataclass
class Prepared:
    """The case at hand: what is timed, what was."""

    number: int
    started: str
    trial: Trial
    transport: Any
    warmup: array[float]
    seconds: list[float] = field(default_factory=list)
    steps: int = 1


def _opened(row: Any, device: Any) -> Any:
    """A transport: there are versions that open it with its device, and versions that open it without."""
    return row.open(device) if inspect.signature(row.open).parameters else row.open()


class Rank:
    """Answers the requests of runners/lockstep.py; each is collective over the ranks of this version."""

    def __init__(self, launch: Launch, mpi: Any, log: Any) -> None:
        """Everything that is done once per launch: environment, harness floor, proof of the fabric."""
        self.launch = launch
        self.log = log
        self.run = RunDirectory.open(Path(launch.run))
        self.workloads = workloads()
        self.world = MpiTransport()
        environment = surroundings.gather_environment(self.world, library_facts(mpi), launch.variables, launch.threads)
        self.floor = self.world.maximum(harness_floor())
        self.proof = UNPROVEN
        if launch.fabric in FABRICS:
            self.proof = prove(FABRICS[launch.fabric], self.world, launch.kernel_copies)
        elif self.world.size == 1:
            self.proof = FabricProof("self", "one rank: nothing to carry", "none", True)
        self.fingerprint: str = ""
        self.crowded: tuple[str, ...] = ()
        self.journal: Journal | None = None
        if environment is not None:
            self.journal = Journal(self.run.journal_path)
            self.fingerprint = environment.fingerprint
            # Versions call it by either name.
            names = ("labels_of_launch", "oversubscription")
            labels = next(getattr(surroundings, name) for name in names if hasattr(surroundings, name))
            self.crowded = labels(environment, launch.threads)
            event = {"fingerprint": self.fingerprint, "environment": environment.to_dict()}
            self.journal.append({"event": "environment", **event, "folder": Path(launch.folder).name})
        self.prepared: Prepared | None = None

    def prepare(self, request: Request) -> dict[str, Any]:
        """Request: case (number). Make it ready and warm it up; the answer is the time of a typical step."""
        number = request["case"]
        case = self.run.plan.cases[number]
        if self.journal is not None:
            where = {"launch": self.launch.launch, "folder": Path(self.launch.folder).name}
            self.journal.append({"event": "start", "case": number, **where, "utc": utc_now()})
        if case.device != "cpu":
            raise LaunchError(f"lockstep times device 'cpu' only, not '{case.device}'; give --method interleaved")
        device = DEVICES[case.device].open(local_rank(os.environ))
        transport = _opened(TRANSPORTS[case.transport], device)
        seeds = np.random.SeedSequence((case.seed, int(case.id, 16)), spawn_key=(transport.rank,))
        context = Context(device, transport, PRECISIONS[case.precision], np.random.default_rng(seeds))
        started = utc_now()
        trial = self.workloads[case.workload].prepare(case, context)
        warmup = array("d")
        while len(warmup) < WARMUP_MOST:
            warmup.extend(windows(trial.step, transport.barrier, 1, WARMUP_LEAST, trial.reset))
            if transport.maximum(sum(warmup)) >= WARMUP_SECONDS:
                break
        self.prepared = Prepared(number, started, trial, transport, warmup)
        gc.collect()
        gc.disable()
        typical = transport.maximum(float(np.median(warmup[len(warmup) // 2 :])))
        return {"typical": typical, "shortest": max(FLOORS_PER_SAMPLE * self.floor, SHORTEST_SAMPLE)}

    def sample(self, request: Request) -> dict[str, Any]:
        """Request: steps. One window of that many steps."""
        at = self.prepared
        assert at is not None
        at.steps = request["steps"]
        if at.steps > 1:
            windows(at.trial.step, at.transport.barrier, 1, 1, at.trial.reset)
        many = getattr(at.trial, "many", None)  # versions without it have Python call every step
        step, steps = (at.trial.step, at.steps) if many is None else (partial(many, at.steps), 1)
        (seconds,) = windows(step, at.transport.barrier, steps, 1, at.trial.reset)
        at.seconds.append(seconds)
        return {"seconds": seconds}

    def usage(self, request: Request) -> dict[str, Any]:
        """[s] CPU time of this rank so far."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {"cpu": used.ru_utime + used.ru_stime}

    def finish(self, request: Request) -> dict[str, Any]:
        """Request: stopped_by, conditions, counters. Check the answer and record the launch."""
        at, self.prepared = self.prepared, None
        assert at is not None
        gc.enable()
        check = at.trial.check()
        rows = at.transport.gather((at.seconds, list(at.warmup)))
        if rows is None or self.journal is None:
            return {"status": ""}
        case = self.run.plan.cases[at.number]
        measurement = Measurement(
            seconds=np.ascontiguousarray(np.array([row[0] for row in rows]).T),
            warmup_seconds=np.ascontiguousarray(np.array([row[1] for row in rows]).T),
            steps_per_sample=at.steps,
            clock=CLOCK,
            sync="barrier" if at.transport.size > 1 else "none",
            floor=self.floor,
            stopped_by=request["stopped_by"],
        )
        reason = "" if check.passed else f"{check.name}: {check.error:.3g}, allowed {check.bound:.3g}; {check.detail}"
        # Versions without them take no such arguments.
        told = {name: getattr(at.trial, name, "") for name in ("arithmetic", "caller")}
        result = Result(
            case=case,
            launch=self.launch.launch,
            status="ok" if check.passed else "wrong",
            reason=reason,
            measurement=measurement,
            work=at.trial.work,
            check=check,
            conditions=tuple(sorted({*request["conditions"], *self.crowded})),
            started_utc=at.started,
            ceiling=self.workloads[case.workload].ceiling,
            counters={**at.trial.counters, **request["counters"]},
        )
        result = replace(result, **{name: text for name, text in told.items() if text})
        self.run.record(self.journal, replace(result, fabric=self.proof, fingerprint=self.fingerprint))
        return {"status": result.status, "reason": reason, "case": case.label}

    def drop(self, request: Request) -> dict[str, Any]:
        """The other version failed: this case has no pair."""
        self.prepared = None
        gc.enable()
        return {}

    def answer(self, request: Request) -> dict[str, Any]:
        """One request, watched: a rank that hangs writes its stack and leaves."""
        handlers: dict[str, Callable[[Request], dict[str, Any]]] = {
            "prepare": self.prepare,
            "sample": self.sample,
            "usage": self.usage,
            "finish": self.finish,
            "drop": self.drop,
        }
        watched = request["do"] in ("prepare", "finish")
        if watched:
            faulthandler.dump_traceback_later(self.run.plan.sampling.timeout, exit=True, file=self.log)
        try:
            return handlers[request["do"]](request)
        finally:
            if watched:
                faulthandler.cancel_dump_traceback_later()


def main(arguments: list[str]) -> int:
    """Entry point of a rank: job.json, socket."""
    die_with_parent()
    path = Path(arguments[0])
    redirect_output(path.parent, rank_hint(os.environ))
    launch = Launch.from_json(path.read_text())
    mpi = start_mpi(launch.fabric, launch.ranks)
    number = mpi.COMM_WORLD.rank
    with (
        socket.socket(socket.AF_UNIX) as channel,
        (path.parent / f"rank{number}.trace").open("a") as log,
    ):
        try:
            channel.connect(arguments[1])
            reader = channel.makefile("r", encoding="utf-8")
            channel.sendall(json.dumps({"rank": number}).encode() + b"\n")
            reader.readline()  # the other version starts at the same time, but proves its fabric at another
            rank = Rank(launch, mpi, log)
            channel.sendall(json.dumps({"ready": number}).encode() + b"\n")
            for line in reader:
                request = json.loads(line)
                if request["do"] == "end":
                    break
                channel.sendall(json.dumps(_plain(rank.answer(request))).encode() + b"\n")
        except BaseException as error:
            _abort(launch, number, error, mpi)
    mpi.COMM_WORLD.Barrier()
    mpi.Finalize()
    return 0


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity; no time of ours is one."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in answer.items()
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
