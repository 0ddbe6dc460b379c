"""All-reduce as a sequence of steps: who sends how much to whom (Thakur, Rabenseifner, Gropp, IJHPCA 19 (2005)).

The time of a step is α + hops·h + load·n/β + γ·n for the n bytes that each flow carries: α and β of messages of that
size, h per hop, the load of the most shared link, γ per byte that is added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from clustermark.reports.model.messages import MessageModel
from clustermark.reports.model.topology import Nodes, Topology


@dataclass(frozen=True)
class Step:
    """Flows that start together: from where to where, [B] of each, whether it is added up, how many such steps."""

    sources: Nodes
    targets: Nodes
    size: float
    adds: bool
    repeated: int = 1


@dataclass(frozen=True)
class Machine:
    """What the steps run on.

    Attributes
    ----------
    messages : between two nodes, as measured
    hop_seconds : [s] per hop beyond the two of neighbours, which the measurement has in it
    add_seconds : [s] per byte that is added up
    """

    messages: MessageModel
    hop_seconds: float = 0.0
    add_seconds: float = 0.0


def ring(nodes: int, size: float) -> Iterator[Step]:
    """Reduce-scatter and all-gather around a ring: 2(p - 1) steps of n/p."""
    ranks = np.arange(nodes)
    part = size / nodes
    yield Step(ranks, (ranks + 1) % nodes, part, True, nodes - 1)
    yield Step(ranks, (ranks + 1) % nodes, part, False, nodes - 1)


def _folded(nodes: int, size: float, inner: Callable[[Nodes], Iterator[Step]]) -> Iterator[Step]:
    """The steps among a power of two of ranks; the others hand their data to a neighbour first and get the sum last."""
    power = 1 << (nodes.bit_length() - 1)
    extra = nodes - power
    pairs = 2 * np.arange(extra)
    if extra:
        yield Step(pairs, pairs + 1, size, True)
    active = np.concatenate([pairs + 1, np.arange(2 * extra, nodes)])
    yield from inner(active)
    if extra:
        yield Step(pairs + 1, pairs, size, False)


def recursive_doubling(nodes: int, size: float) -> Iterator[Step]:
    """log₂p exchanges of everything with partners at distance 1, 2, 4, …"""

    def inner(active: Nodes) -> Iterator[Step]:
        places = np.arange(active.size)
        for bit in range(active.size.bit_length() - 1):
            yield Step(active, active[places ^ (1 << bit)], size, True)

    return _folded(nodes, size, inner)


def rabenseifner(nodes: int, size: float) -> Iterator[Step]:
    """Recursive halving (reduce-scatter), then recursive doubling (all-gather)."""

    def inner(active: Nodes) -> Iterator[Step]:
        places = np.arange(active.size)
        bits = range(active.size.bit_length() - 1)
        for count, bit in enumerate(reversed(bits)):
            yield Step(active, active[places ^ (1 << bit)], size / 2 ** (count + 1), True)
        for count, bit in enumerate(bits):
            yield Step(active, active[places ^ (1 << bit)], size / 2 ** (len(bits) - count), False)

    return _folded(nodes, size, inner)


def tree(nodes: int, size: float) -> Iterator[Step]:
    """A binomial tree up (reduce) and down (broadcast): everything in each of 2⌈log₂p⌉ steps."""
    ranks = np.arange(nodes)
    distances = [1 << bit for bit in range((nodes - 1).bit_length())]
    for down, ordered in ((False, distances), (True, distances[::-1])):
        for distance in ordered:
            child = ranks[(ranks % (2 * distance)) == distance]
            yield Step(*((child - distance, child) if down else (child, child - distance)), size, not down)


ALGORITHMS: dict[str, Callable[[int, float], Iterator[Step]]] = {
    "ring": ring,
    "recursive doubling": recursive_doubling,
    "Rabenseifner": rabenseifner,
    "tree": tree,
}
# Hops that the measurement between two neighbours has in it.
MEASURED_HOPS = 2


def seconds(steps: Iterator[Step], topology: Topology, machine: Machine) -> float:
    """[s] of a sequence of steps: each begins when the slowest flow of the one before has ended."""
    total = 0.0
    for step in steps:
        if not step.sources.size or step.repeated == 0:
            continue
        load, hops = topology.load(step.sources, step.targets)
        fit = machine.messages.piece(step.size).fit
        time = fit.alpha + max(0, hops - MEASURED_HOPS) * machine.hop_seconds + load * step.size / fit.beta
        total += step.repeated * (time + (machine.add_seconds * step.size if step.adds else 0.0))
    return total
