"""Our side of interconnect_vs_hpcc.py: the ping-pong and the ring of our own workloads, in windows of b_eff's length.

usage: beff_ranks.py FABRIC GROUPS     under mpirun, two ranks; rank 0 prints one JSON object a figure

A group is as many windows as b_eff takes the least of; a step that does not count stands between barrier and window.
"""

from __future__ import annotations

import gc
import json
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from commbench import huge_kib, versions

from clustermark.benchmarks import BENCHMARKS
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Trial
from clustermark.devices import DEVICES
from clustermark.runners.launch_world import start_mpi

if TYPE_CHECKING:
    from clustermark.transports.mpi import MpiTransport

Take = Callable[[int, int], "array[float]"]
# [s] b_eff lengthens its loop until a window takes this long: ten ticks of its clock, taken for a microsecond.
SHORTEST = 10e-6
GROWTH = 1.5
BETTER = "better"


@dataclass(frozen=True)
class Protocol:
    """How HPCC 1.5.0 calls a part of b_eff: steps in a window, windows that it takes the least of, ways to send."""

    name: str
    workload: str
    size: int
    steps: int
    least_of: int
    ways: tuple[str, ...] = ("exchange",)


PROTOCOLS = (
    Protocol("ping-pong latency", "pingpong", 8, 8, 5),
    Protocol("ping-pong bandwidth", "pingpong", 2_000_000, 1, 2),
    Protocol("random ring latency", "random_ring", 8, 5, 8, ("exchange", "sendrecv")),
    Protocol("random ring bandwidth", "random_ring", 2_000_000, 2, 3, ("exchange", "sendrecv")),
)


def steps_of(protocol: Protocol, take: Take, world: MpiTransport) -> int:
    """Steps in a window: b_eff's, lengthened as b_eff does, equal on all ranks."""
    steps = protocol.steps
    while True:
        taken = world.maximum(min(take(steps, protocol.least_of)))
        if taken >= SHORTEST:
            return steps
        steps = int(steps * GROWTH)


def measured(protocol: Protocol, trial: Trial, world: MpiTransport, groups: int) -> npt.NDArray[np.float64]:
    """[s] of a message in every window, (groups · least_of,), on this rank. A step is two messages."""
    take = trial.windows
    if take is None:
        raise RuntimeError(f"{protocol.name}: {trial.caller}; b_eff's windows need calls from compiled code")
    compiled: Any = take
    compiled.__self__.begin_windows_with_a_step()
    for _ in range(20):
        trial.step()
    steps = steps_of(protocol, take, world)
    return np.frombuffer(take(steps, groups * protocol.least_of)) / (2 * steps)


def rows(world: MpiTransport, groups: int) -> list[dict[str, Any]]:
    """On rank 0 a row for each way of each figure, and for the better of two. Raises RuntimeError for a wrong element.

    The better way is b_eff's: chosen by every rank for each window, before the slower rank's is taken.
    """
    device = DEVICES["cpu"].open(0)
    found: list[dict[str, Any]] = []
    for protocol in PROTOCOLS:
        defaults = {p.name: p.default for p in BENCHMARKS[protocol.workload].params}
        taken: dict[str, npt.NDArray[np.float64]] = {}
        caller = ""
        for way in protocol.ways:
            params = defaults | {"bytes": protocol.size} | ({"calls": way} if len(protocol.ways) > 1 else {})
            case = Case(protocol.workload, 1, params, "fp64", "cpu", "mpi", "", 2, 2, 1, 1)
            context = Context(device, world, PRECISIONS["fp64"], np.random.default_rng(1))
            trial = BENCHMARKS[protocol.workload].prepare(case, context)
            taken[way], caller = measured(protocol, trial, world, groups), trial.caller
            check = trial.check()
            if not check.passed:
                raise RuntimeError(f"{protocol.name}: {check.name}: {check.detail}")
        for way, mine in {**taken, BETTER: np.minimum.reduce(list(taken.values()))}.items():
            slowest = world.max_to_root(mine)
            if slowest is not None:
                what = {"figure": protocol.name, "way": way, "caller": caller}
                found.append({**what, "seconds": slowest.tolist(), "huge_kib": huge_kib()})
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
