"""A workload that goes wrong on purpose, on its last rank: what every checker of the harness must catch."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

MODES = (
    *("none", "slow", "wrong", "raise", "raise-in-prepare", "memory"),
    *("hang", "hang-all", "kill", "exit", "os-exit", "crash", "eat"),
)


def _go_wrong(mode: str) -> None:
    if mode == "raise":
        raise ArithmeticError("planted: the step divided by zero")
    if mode in ("hang", "hang-all"):
        time.sleep(3600)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
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
