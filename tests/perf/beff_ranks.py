"""Our side of interconnect_vs_hpcc.py: the ping-pong and the ring of our own workloads, as HPCC 1.5.0 runs b_eff.

usage: beff_ranks.py FABRIC REPEATS     under mpirun, two ranks; rank 0 prints one JSON object a figure

A repeat is one b_eff in buffers of its own: the ping-pong in either direction by the clock of the rank that begins it,
the ring over its patterns by the slower rank's, the least of a few measurements that lie a whole round of patterns
apart. A step that does not count stands before each window.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from commbench import huge_kib, versions

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.pingpong import trial_between
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Trial
from clustermark.devices.cpu import CpuDevice
from clustermark.runners.launch_world import start_mpi

if TYPE_CHECKING:
    from clustermark.transports.mpi import MpiTransport

Take = Callable[[int, int], "array[float]"]
Seconds = npt.NDArray[np.float64]
# [s] b_eff lengthens its loop until a window takes this long: ten ticks of its clock, taken for a microsecond.
SHORTEST = 10e-6
GROWTH = 1.5
WAYS = ("sendrecv", "exchange")
BUFFERS, PAGE = 4, 4096


@dataclass(frozen=True)
class Protocol:
    """How HPCC 1.5.0 calls a part of b_eff: steps in a window, measurements to take the least of, rings after one."""

    name: str
    size: int
    steps: int
    least_of: int
    rings: int = 0


PROTOCOLS = (
    Protocol("ping-pong latency", 8, 8, 5),
    Protocol("ping-pong bandwidth", 2_000_000, 1, 2),
    Protocol("random ring latency", 8, 5, 8, 30),
    Protocol("random ring bandwidth", 2_000_000, 2, 3, 10),
)


def of_pairs(taken: Sequence[Seconds], bandwidth: bool) -> float:
    """[s] of a message: the least of each pair's measurements, of several pairs their mean, of bandwidths where so."""
    least = [float(np.min(each)) for each in taken]
    return 1 / statistics.fmean(1 / each for each in least) if bandwidth else statistics.fmean(least)


def of_rings(taken: Seconds) -> float:
    """[s] of a message, from (measurements, 1 + rings): least of each ring, geometric mean without the first."""
    return statistics.geometric_mean(taken.min(axis=0)[1:].tolist())


class Heap(CpuDevice):
    """A device whose buffers lie one behind the other, as malloc cuts them from a heap, the same for trial after trial.

    b_eff uses its buffers for both ways, and after its first ping-pong malloc takes them from the heap, 2,000,016 B
    apart; arrays of NumPy are mappings of their own and all begin 16 B behind a page.
    """

    def __init__(self, size: int) -> None:
        """Four buffers of `size` bytes."""
        self.chunk, self.given = max(32, (size + 8 + 15) // 16 * 16), 0
        pages = np.full(BUFFERS * self.chunk + 2 * PAGE, 1, np.uint8)
        self.heap = pages[-pages.ctypes.data % PAGE + 16 :]

    def again(self) -> None:
        """From the first buffer on."""
        self.given = 0

    def from_host(self, array: Any) -> Any:
        """A buffer that holds the same."""
        begin, self.given = self.given * self.chunk, self.given + 1
        buffer = self.heap[begin : begin + array.nbytes].view(array.dtype)
        buffer[...] = array
        return buffer


def made_ready(protocol: Protocol, world: MpiTransport) -> list[Trial]:
    """Both directions, or both ways, on the same buffers. Raises RuntimeError without calls from compiled code."""
    name = "random_ring" if protocol.rings else "pingpong"
    defaults = {p.name: p.default for p in BENCHMARKS[name].params} | {"bytes": protocol.size}
    device = Heap(protocol.size)
    context = Context(device, world, PRECISIONS["fp64"], np.random.default_rng(1))

    def prepared(number: int) -> Trial:
        device.again()
        params = defaults | ({"calls": WAYS[number]} if protocol.rings else {})
        case = Case(name, BENCHMARKS[name].version, params, "fp64", "cpu", "mpi", "", 2, 2, 1, 1)
        if protocol.rings:
            return BENCHMARKS[name].prepare(case, context)
        return trial_between(case, context, number, 1 - number)

    trials = [prepared(number) for number in range(2)]
    for trial in trials:
        compiled: Any = trial.windows
        if compiled is None:
            raise RuntimeError(f"{protocol.name}: {trial.caller}; b_eff's windows need calls from compiled code")
        compiled.__self__.begin_windows_with_a_step()
    return trials


def steps_of(steps: int, take: Take, world: MpiTransport) -> int:
    """Steps in a window: b_eff's, lengthened as b_eff does, equal on all ranks."""
    while world.maximum(take(steps, 1)[0]) < SHORTEST:
        steps = int(steps * GROWTH) if steps > 1 else 2
    return steps


def pairs_measured(protocol: Protocol, windows: Sequence[Take], world: MpiTransport) -> list[Seconds]:
    """[s] of a message in every window of both directions, on this rank; a step is two messages."""
    steps = steps_of(protocol.steps, windows[0], world)
    windows[0](steps, protocol.least_of)  # b_eff estimates its time by one pair first
    taken = [[take(steps, 1)[0] for take in windows] for _ in range(protocol.least_of)]
    return list(np.array(taken).T / (2 * steps))


def rings_measured(protocol: Protocol, windows: Sequence[Take], world: MpiTransport) -> tuple[Seconds, Seconds]:
    """(measurements, 1 + rings) [s] of a message by the better way, and by the exchange, on this rank."""
    steps = steps_of(protocol.steps, windows[0], world)
    shape = (protocol.least_of, 1 + protocol.rings, len(WAYS))
    taken = np.array([[take(steps, 1)[0] for take in windows] for _ in range(shape[0] * shape[1])])
    taken = taken.reshape(shape) / (2 * steps)
    return taken.min(axis=2), taken[:, :, WAYS.index("exchange")]


def figure(protocol: Protocol, world: MpiTransport) -> tuple[float, float, list[Trial]]:
    """[s] of a message as b_eff takes it and the median of all windows, on rank 0, and what holds the buffers.

    Raises RuntimeError for a wrong element.
    """
    trials = made_ready(protocol, world)
    windows = [trial.windows for trial in trials if trial.windows is not None]
    found = [0.0, 0.0]
    if protocol.rings:
        better, exchanged = rings_measured(protocol, windows, world)
        slowest, middle = (world.max_to_root(np.ascontiguousarray(each)) for each in (better, exchanged))
        if slowest is not None and middle is not None:
            found = [of_rings(slowest), float(np.median(middle))]
    else:
        told = world.gather(pairs_measured(protocol, windows, world))
        own = None if told is None else [told[rank][rank] for rank in range(2)]  # rank r begins pair r
        if own is not None:
            found = [of_pairs(own, "bandwidth" in protocol.name), float(np.median(own))]
    for check in [trial.check() for trial in trials]:
        if not check.passed:
            raise RuntimeError(f"{protocol.name}: {check.name}: {check.detail}")
    return found[0], found[1], trials


def rows(world: MpiTransport, repeats: int) -> list[dict[str, Any]]:
    """On rank 0 a row for each figure. Raises RuntimeError for a wrong element."""
    taken: dict[str, list[tuple[float, float]]] = {protocol.name: [] for protocol in PROTOCOLS}
    held: list[Trial] = []  # so that every repeat has pages of its own
    for _ in range(repeats):
        for protocol in PROTOCOLS:
            best, middle, trials = figure(protocol, world)
            taken[protocol.name].append((best, middle))
            held += trials
    told = {"huge_kib": huge_kib(), "caller": held[0].caller}
    return [
        {"figure": name, "seconds": [one for one, _ in values], "medians": [other for _, other in values], **told}
        for name, values in taken.items()
    ]


def main() -> None:
    """Measure all figures."""
    fabric, repeats = sys.argv[1], int(sys.argv[2])
    mpi = start_mpi(fabric, 2)
    from clustermark.transports.mpi import MpiTransport

    world = MpiTransport()
    gc.disable()
    found = rows(world, repeats)
    if world.rank == 0:
        for row in [*found, versions(mpi)]:
            print(json.dumps(row), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main()
