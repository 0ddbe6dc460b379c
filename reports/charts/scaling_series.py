"""Series of the same work on more and more ranks, and their efficiency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.plan import SELF
from clustermark.core.summary import Metric
from clustermark.reports.charts.panels import param_words, shape_words, shortened, title_of
from clustermark.reports.charts.sweep import SIZE
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import counted, plain

# How far amounts of work may differ and still be called equal: cells of a box are whole numbers.
SAME_WORK, SAME_SHARE = 0.01, 0.10


@dataclass(frozen=True)
class Step:
    """One number of ranks: efficiency = (rate ÷ ranks) ÷ (rate ÷ ranks of the fewest), its interval from both."""

    row: ReportRow
    metric: Metric
    efficiency: float
    low: float
    high: float
    doubtful: bool


@dataclass(frozen=True)
class Series:
    """Steps with rising ranks, the first of which is the reference; `panel` and `name` as they are shown."""

    panel: str
    name: str
    steps: tuple[Step, ...]


def strong_series(rows: Sequence[ReportRow]) -> list[Series]:
    """The same amount of work, and the same parameters, on different numbers of ranks."""
    return _series(rows, lambda row: tuple(sorted((n, str(v)) for n, v in row.case.params.items())), _equal_amounts)


def weak_series(rows: Sequence[ReportRow]) -> list[Series]:
    """The same amount of work per rank; parameters that are numbers may differ, as they make the work grow."""

    def fixed(row: ReportRow) -> tuple[Any, ...]:
        return tuple(sorted((n, str(v)) for n, v in row.case.params.items() if isinstance(v, str | bool)))

    return _series(rows, fixed, _equal_shares)


def _amount(row: ReportRow, metric: Metric) -> float:
    time = row.speed("time")
    return metric.value * time.value if time else 0.0


Measured = tuple[ReportRow, Metric]


def _equal_amounts(members: Sequence[Measured]) -> list[list[Measured]]:
    return _clusters(members, _amount, SAME_WORK)


def _equal_shares(members: Sequence[Measured]) -> list[list[Measured]]:
    return _clusters(members, lambda row, metric: _amount(row, metric) / row.case.ranks, SAME_SHARE)


def _clusters(
    members: Sequence[Measured], size: Callable[[ReportRow, Metric], float], tolerance: float
) -> list[list[Measured]]:
    """Members whose size is within the tolerance of the smallest among them; one for each number of ranks."""
    found: list[list[Measured]] = []
    for member in sorted(members, key=lambda member: (size(*member), member[0].case.ranks)):
        least = size(*found[-1][0]) if found else -1.0
        if least <= 0 or size(*member) > least * (1 + tolerance):
            found.append([])
        found[-1].append(member)
    chosen = []
    for cluster in found:
        by_ranks: dict[int, Measured] = {}
        for member in sorted(cluster, key=lambda member: (member[0].case.ranks, size(*member))):
            by_ranks.setdefault(member[0].case.ranks, member)
        chosen.append(list(by_ranks.values()))
    return [cluster for cluster in chosen if len(cluster) > 1]


def _series(
    rows: Sequence[ReportRow],
    fixed: Callable[[ReportRow], tuple[Any, ...]],
    cluster: Callable[[Sequence[Measured]], list[list[Measured]]],
) -> list[Series]:
    groups: dict[tuple[Any, ...], list[Measured]] = {}
    for row in rows:
        headline = row.headline
        metric = row.speed(headline.name) if headline else None
        if metric is None or SIZE in row.case.params:  # a message of one size is no work to share out
            continue
        case = row.case
        about = (case.workload, case.version, metric.name, metric.unit, case.precision, case.device, case.threads)
        groups.setdefault((*about, fixed(row), row.row.fingerprints), []).append((row, metric))
    found = []
    for members in groups.values():
        wires = dict.fromkeys((row.case.transport, row.case.fabric) for row, _ in members if row.case.fabric != SELF)
        for wire in wires:
            for per_node in _spreads(members, wire):
                chosen = [one for one in members if _belongs(one[0], wire, per_node)]
                found += [_one(part, wire, members) for part in cluster(chosen)]
    return found


def _spreads(members: Sequence[Measured], wire: tuple[str, str]) -> list[int]:
    """Ranks per node of the launches on several nodes; 0 where there are none."""
    cases = [row.case for row, _ in members]
    spread = {case.ranks_per_node for case in cases if (case.transport, case.fabric) == wire and case.nodes > 1}
    return sorted(spread) or [0]


def _belongs(row: ReportRow, wire: tuple[str, str], per_node: int) -> bool:
    """One rank begins every line, what fits into a node every line of its wire."""
    case = row.case
    if case.fabric == SELF:
        return True
    return (case.transport, case.fabric) == wire and (case.nodes == 1 or case.ranks_per_node == per_node)


def _one(members: Sequence[Measured], wire: tuple[str, str], group: Sequence[Measured]) -> Series:
    first, reference = members[0]
    base = reference.value / first.case.ranks
    steps = []
    for row, metric in members:
        scale = row.case.ranks / first.case.ranks
        same = row is first
        steps.append(
            Step(
                row,
                metric,
                metric.value / row.case.ranks / base,
                1.0 if same else metric.low / reference.high / scale,
                1.0 if same else metric.high / reference.low / scale,
                bool(row.doubts or first.doubts),
            )
        )
    transports = {row.case.transport for row, _ in group if row.case.fabric != SELF}
    words = [plain(first.case.precision), plain(wire[1])]
    words += [plain(wire[0])] if len(transports) > 1 else []
    words += [counted(first.case.threads, "thread")] if first.case.threads > 1 else []
    words += [f"{members[-1][0].case.ranks_per_node} per node"] if members[-1][0].case.nodes > 1 else []
    panel = [first.case.workload, *shape_words(first)[1:], *param_words(first)]
    return Series(title_of(panel), shortened(" · ".join(words), 48), tuple(steps))
