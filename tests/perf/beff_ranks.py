"""Our side of interconnect_vs_hpcc.py: the ping-pong and the ring of our own workloads, in windows of b_eff's length.

usage: beff_ranks.py FABRIC GROUPS     under mpirun, two ranks; rank 0 prints one JSON object a figure

A group is as many windows as b_eff takes the least of; a step that does not count stands between barrier and window.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from commbench import huge_kib, versions

from clustermark.benchmarks import BENCHMARKS
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.devices import DEVICES
from clustermark.runners.launch_world import start_mpi
from clustermark.runners.measure import windows

if TYPE_CHECKING:
    from clustermark.transports.mpi import MpiTransport

Step = Callable[[], object]
# [s] b_eff lengthens its loop until a window takes this long: ten ticks of its clock, taken for a microsecond.
SHORTEST = 10e-6
GROWTH = 1.5


@dataclass(frozen=True)
class Protocol:
    """How HPCC 1.5.0 calls one part of b_eff: steps in a window at first, windows of which it takes the least."""

    name: str
    workload: str
    size: int
    steps: int
    least_of: int


PROTOCOLS = (
    Protocol("ping-pong latency", "pingpong", 8, 8, 5),
    Protocol("ping-pong bandwidth", "pingpong", 2_000_000, 1, 2),
    Protocol("random ring latency", "random_ring", 8, 5, 8),
    Protocol("random ring bandwidth", "random_ring", 2_000_000, 2, 3),
)


def sendrecv_ring(world: MpiTransport, size: int) -> Step:
    """b_eff's other ring on two ranks: MPI_Sendrecv to one neighbour, then to the other."""
    other = 1 - world.rank
    up, down, into, back = (np.full(size, world.rank + 1, np.uint8) for _ in range(4))
    one, two = world.prepare_sendrecv(up, other, into, other), world.prepare_sendrecv(down, other, back, other)

    def step() -> None:
        one()
        two()

    return step


def steps_of(protocol: Protocol, step: Step, together: Step, world: MpiTransport) -> int:
    """Steps in a window: b_eff's, lengthened as b_eff does, equal on all ranks."""
    steps = protocol.steps
    while True:
        taken = world.maximum(min(windows(step, together, steps, protocol.least_of)))
        if taken >= SHORTEST:
            return steps
        steps = int(steps * GROWTH)


def measured(protocol: Protocol, step: Step, world: MpiTransport, groups: int) -> list[float] | None:
    """[s] of a message in every window, (groups · least_of,), the slower rank's; on rank 0. A step is two messages."""

    def together() -> None:
        world.barrier()
        step()

    for _ in range(20):
        step()
    steps = steps_of(protocol, step, together, world)
    mine = windows(step, together, steps, groups * protocol.least_of)
    slowest = world.max_to_root(np.frombuffer(mine))
    return None if slowest is None else [float(seconds) / (2 * steps) for seconds in slowest]


def rows(world: MpiTransport, groups: int) -> list[dict[str, Any]]:
    """One row a figure, on rank 0. Raises RuntimeError where a workload's own check finds a wrong element."""
    device = DEVICES["cpu"].open(0)
    found: list[dict[str, Any]] = []
    for protocol in PROTOCOLS:
        params = {p.name: p.default for p in BENCHMARKS[protocol.workload].params} | {"bytes": protocol.size}
        case = Case(protocol.workload, 1, params, "fp64", "cpu", "mpi", "", 2, 2, 1, 1)
        context = Context(device, world, PRECISIONS["fp64"], np.random.default_rng(1))
        trial = BENCHMARKS[protocol.workload].prepare(case, context)
        ways = {"exchange": trial.step}
        if protocol.workload == "random_ring":
            ways["sendrecv"] = sendrecv_ring(world, protocol.size)
        for way, step in ways.items():
            seconds = measured(protocol, step, world, groups)
            if seconds is not None:
                found.append({"figure": protocol.name, "way": way, "seconds": seconds, "huge_kib": huge_kib()})
        check = trial.check()
        if not check.passed:
            raise RuntimeError(f"{protocol.name}: {check.name}: {check.detail}")
    return found


def main() -> None:
    """Measure all figures."""
    fabric, groups = sys.argv[1], int(sys.argv[2])
    mpi = start_mpi(fabric, 2)
    from clustermark.transports.mpi import MpiTransport

    world = MpiTransport()
    gc.disable()
    found = rows(world, groups)
    if world.rank == 0:
        for row in [*found, versions(mpi)]:
            print(json.dumps(row), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main()
