"""A workload that goes wrong on purpose, on its last rank: what every checker of the harness must catch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clustermark.core.workload import Amount, Check, Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

MODES = (
    *("none", "slow", "wrong", "raise", "raise-in-prepare", "memory"),
    *("hang", "hang-all", "kill", "exit", "os-exit", "crash", "eat", "link-down"),
)


def _go_wrong(mode: str) -> None:
    if mode == "raise":
        raise ArithmeticError("planted: the step divided by zero")
    if mode in ("hang", "hang-all"):
        time.sleep(3600)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "link-down":  # of this node of an emulated cluster
        subprocess.run(["ip", "link", "set", "eth0", "down"], check=True)
    if mode == "exit":
        sys.exit(0)
    if mode == "os-exit":
        os._exit(0)
    if mode == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "eat":
        eaten = [bytearray(b"x" * (1 << 26)) for _ in range(16)]  # 1 GiB that is really touched
        time.sleep(30)
        eaten.clear()
    if mode == "memory":
        raise MemoryError("planted: 1 EiB")


def prepare(case: Case, context: Context) -> Trial:
    """A sum of ones over ranks; after `after` steps the last rank does what `mode` says."""
    import numpy as np

    mode, after = str(case.params["mode"]), int(case.params["after"])
    transport = context.transport
    last = transport.rank == transport.size - 1
    if mode == "raise-in-prepare" and last:
        raise ValueError("planted: nothing to prepare")
    send, receive = np.ones(8), np.zeros(8)
    reduce = transport.prepare_allreduce(send, receive)
    steps = [0]

    def step() -> None:
        steps[0] += 1
        if steps[0] > after and (last or mode == "hang-all"):
            _go_wrong(mode)
        if mode == "slow":
            time.sleep(0.02)
        reduce()

    def check() -> Check:
        if mode == "wrong" and last:
            receive[3] += 1
        wrong = transport.sum(float((receive != transport.size).sum()))
        return Check("wrong elements", wrong, 0.0, wrong == 0, f"element 3 is {receive[3]}, should be {transport.size}")

    return Trial(step, check, {"rate": Amount(64.0, "B")})


FAULTY = Workload(
    name="faulty",
    version=1,
    summary="goes wrong on purpose",
    source="none",
    devices=("cpu",),
    precisions=("fp64",),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("mode", "none", "what goes wrong", check=lambda mode: "" if mode in MODES else f"not in {MODES}"),
        Param("after", 5, "steps before it does"),
        Param("number", 0, "tells equal cases apart"),
    ),
)

CALLS_MODES = ("kill", "hang", "error")


def prepare_calls(case: Case, context: Context) -> Trial:
    """A ping-pong by compiled code; after `after` windows the last rank does what `mode` says, amid the calls."""
    from clustermark.benchmarks.pingpong import prepare as prepare_pingpong
    from clustermark.core.context import Exchange

    mode, after, transport = str(case.params["mode"]), int(case.params["after"]), context.transport
    trial = prepare_pingpong(case, context)
    last, windows, many = transport.rank == transport.size - 1, [0], trial.many
    assert many is not None
    to_nobody = transport.compile_step([Exchange(sends=[(np_ones(), 99)], blocking=True)])

    def goes_wrong(steps: int) -> None:
        windows[0] += 1
        if windows[0] == after and mode == "kill":
            if last:
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()
            steps = 10**9
        if windows[0] == after and last and mode == "hang":
            time.sleep(3600)
        if windows[0] == after and last and mode == "error":
            to_nobody(1)
        many(steps)

    return replace(trial, many=goes_wrong, windows=None, windows_at=None)


def np_ones() -> Any:
    """Eight bytes."""
    import numpy as np

    return np.ones(8, np.uint8)


FAULTY_CALLS = Workload(
    name="faulty_calls",
    version=1,
    summary="goes wrong amid MPI calls of compiled code",
    source="none",
    devices=("cpu",),
    precisions=("fp64",),
    transports=("mpi",),
    prepare=prepare_calls,
    params=(
        Param("mode", "kill", "what goes wrong", check=lambda mode: "" if mode in CALLS_MODES else "unknown"),
        Param("after", 5, "windows before it does"),
        Param("bytes", 8, "message size", "B"),
        Param("caller", "compiled", "the only one"),
    ),
)
