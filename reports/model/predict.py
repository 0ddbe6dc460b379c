"""From a run's rows to modelled all-reduce times on larger machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clustermark.core.errors import UsageError
from clustermark.reports.model.collectives import ALGORITHMS, Machine, seconds
from clustermark.reports.model.messages import MessageModel, fit_messages
from clustermark.reports.model.topology import Dragonfly, FatTree, Topology
from clustermark.reports.rows import VERIFIED, ReportRow

LABEL = "modelled"
# A fit that is further off somewhere says little about that size.
ROUGH = 0.25
TOPOLOGIES: dict[str, Callable[[int, float], Topology]] = {
    "fat-tree": FatTree,
    "dragonfly": lambda nodes, _: Dragonfly(nodes),
}
MOST_NODES = 65536


@dataclass(frozen=True)
class Measured:
    """Where the parameters come from.

    Attributes
    ----------
    run, workload, fabric : the rows that were fitted
    proven : whether the fabric was proven in all of them
    messages : time of one message between two ranks
    add_seconds : [s] per byte added up, from the all-reduce over two ranks where the run has it, else 0
    conditions : labels of the rows ("noisy machine", "emulated network: …")
    """

    run: str
    workload: str
    fabric: str
    proven: bool
    messages: MessageModel
    add_seconds: float
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Predicted:
    """One modelled time: of the algorithm that is quickest there, [s], and those of the others."""

    nodes: int
    size: float
    algorithm: str
    seconds: float
    others: dict[str, float]


def one_way(row: ReportRow) -> float | None:
    """[s] of one message: 1 ÷ the metric in message/s of a case of two ranks; None where it has none."""
    rates = [metric for metric in row.row.metrics if metric.unit == "message/s" and metric.value > 0]
    return 1 / rates[0].value if rates and row.drawable and row.case.ranks == 2 else None


def measured_messages(rows: Sequence[ReportRow], fabric: str = "") -> list[Measured]:
    """One model of messages per run and fabric that has three sizes or more.

    Parameters
    ----------
    rows : of one or more runs
    fabric : only this one, "" for all

    Raises
    ------
    UsageError : no such rows
    """
    series: dict[tuple[str, str, str], list[tuple[float, float, ReportRow]]] = {}
    for row in rows:
        time, size = one_way(row), row.case.params.get("bytes")
        if time is not None and isinstance(size, int) and fabric in ("", row.case.fabric):
            series.setdefault((row.run, row.case.workload, row.case.fabric), []).append((float(size), time, row))
    found = []
    for (run, workload, name), points in series.items():
        alone = {size: (time, row) for size, time, row in points}
        model = fit_messages(list(alone), [time for time, _ in alone.values()])
        if model is None:
            continue
        conditions = tuple(sorted({label for _, _, row in points for label in row.row.conditions}))
        proven = all(row.fabric_proof == VERIFIED for _, _, row in points)
        adding = _add_seconds([row for row in rows if (row.run, row.case.fabric) == (run, name)], model)
        found.append(Measured(run, workload, name, proven, model, adding, conditions))
    if not found:
        what = f" over fabric '{fabric}'" if fabric else ""
        raise UsageError(
            f"model: the run has no messages between 2 ranks at 3 sizes or more{what}; "
            f"measure some: clustermark run interconnects --only pingpong --ranks 2"
        )
    return found


def _add_seconds(rows: Sequence[ReportRow], messages: MessageModel) -> float:
    """[s/B] of adding up: what the largest all-reduce over two ranks takes beyond the exchange, at least 0."""
    candidates = [row for row in rows if row.speed("bus_bandwidth") and row.speed("algorithm_bandwidth")]
    whole = [row for row in candidates if row.case.ranks == 2 and row.case.workload == "allreduce" and row.row.time]
    sizes = [float(row.case.params["bytes"]) for row in whole]
    if not sizes:
        return 0.0
    best = int(np.argmax(sizes))
    time = whole[best].row.time
    assert time is not None
    return max(0.0, (time.value - messages.seconds(sizes[best])) / sizes[best])


def predict(
    measured: Measured, topology: str, nodes: Sequence[int], sizes: Sequence[int], hop: float, oversubscription: float
) -> list[Predicted]:
    """All-reduce on each number of nodes, one rank each, at each size; the quickest algorithm of each.

    Parameters
    ----------
    measured : parameters
    topology : of TOPOLOGIES
    nodes, sizes : counts and [B]
    hop : [s] per hop beyond those between neighbours
    oversubscription : of a fat tree's upward links

    Raises
    ------
    UsageError : a topology that is not known, a number out of range
    """
    if topology not in TOPOLOGIES:
        raise UsageError(f"--topology {topology}: is not known; write {' or '.join(TOPOLOGIES)}")
    if not (1 <= oversubscription <= 64 and 0 <= hop <= 1e-3):
        raise UsageError("model: --oversubscription must be 1 to 64, --hop up to 1ms")
    machine = Machine(measured.messages, hop, measured.add_seconds)
    found = []
    for count in nodes:
        if not 2 <= count <= MOST_NODES:
            raise UsageError(f"--nodes {count}: expected 2 to {MOST_NODES}")
        network = TOPOLOGIES[topology](count, oversubscription)
        for size in sizes:
            times = {name: seconds(steps(count, float(size)), network, machine) for name, steps in ALGORITHMS.items()}
            best = min(times, key=lambda name: times[name])
            found.append(Predicted(count, float(size), best, times[best], times))
    return found
