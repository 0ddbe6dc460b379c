"""Measured roofs of the roofline model, and the points beneath them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.counters import CACHED_ARRAY, STREAMED_ARRAY
from clustermark.core.precision import PRECISIONS
from clustermark.core.summary import Metric
from clustermark.reports.charts.sweep import SIZE
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import plain

FLOPS, BYTES = "flop/s", "B/s"
Shape = tuple[Any, ...]


@dataclass(frozen=True)
class Point:
    """A rate of operations at the intensity of its work, [flop/B]: both rates have the same time beneath them."""

    row: ReportRow
    metric: Metric
    intensity: float


@dataclass(frozen=True)
class Roof:
    """A measured ceiling: `metric` in flop/s lies flat, in B/s it slopes; `precision` is that of its case."""

    row: ReportRow
    metric: Metric

    @property
    def precision(self) -> str:
        """That it was measured in."""
        return self.row.case.precision

    @property
    def source(self) -> str:
        """``"peak.flop_rate"``."""
        return f"{plain(self.row.case.workload)}.{plain(self.metric.name)}"


def find_roofs(rows: Sequence[ReportRow]) -> list[Roof]:
    """The undoubted ceilings among the rows; of each shape, precision and unit only the highest is a roof."""
    named = {row.row.ceiling for row in rows if row.row.ceiling}
    best: dict[tuple[Any, ...], Roof] = {}
    for row in rows:
        for metric in row.row.metrics:
            is_named = f"{row.case.workload}.{metric.name}" in named
            if (
                not row.ranked
                or CACHED_ARRAY in row.row.counters
                or metric.unit not in (FLOPS, BYTES)
                or not (is_named or _only_bytes(row))
            ):
                continue
            if row.speed(metric.name) is None:
                continue
            # Memory does not know what its words mean: its roof is the highest over the precisions.
            key = (launch_shape(row), metric.unit, row.case.precision if metric.unit == FLOPS else "")
            if key not in best or metric.value > best[key].metric.value:
                best[key] = Roof(row, metric)
    return list(best.values())


def _only_bytes(row: ReportRow) -> bool:
    if STREAMED_ARRAY in row.row.counters:
        return True
    units = {metric.unit for metric in row.row.metrics if metric.name != "time"}
    return units == {BYTES} and not row.row.ceiling and SIZE not in row.case.params


def point_of(row: ReportRow) -> Point | None:
    """The first rate of operations over the first rate of bytes; None where the case has not both."""
    found = {}
    for unit in (FLOPS, BYTES):
        name = next((metric.name for metric in row.row.metrics if metric.unit == unit), None)
        found[unit] = row.speed(name) if name else None
    flops, data = found[FLOPS], found[BYTES]
    return Point(row, flops, flops.value / data.value) if flops and data else None


def launch_shape(row: ReportRow) -> Shape:
    """What a point and its roofs have in common: ranks, threads, device, environment."""
    case = row.case
    return (case.ranks, case.ranks_per_node, case.threads, case.device, row.row.fingerprints)


def attainable(point: Point, roofs: Sequence[Roof]) -> float | None:
    """min(flat roof of what the precision computes in, intensity × slope), [flop/s]; None where neither was measured.

    "mixed" keeps float64 beside kernels in float32: its flat roof is that of fp32.
    """
    known = PRECISIONS.get(point.row.case.precision)
    formats = {point.row.case.precision, known.compute if known else ""}
    flat = [roof for roof in roofs if roof.metric.unit == FLOPS]
    limits = [roof.metric.value for roof in flat if roof.precision in formats]
    slopes = [roof.metric.value * point.intensity for roof in roofs if roof.metric.unit == BYTES]
    # Without the flat roof of its format a point far to the right would be held against a slope that goes on for ever.
    if not limits and flat:
        slopes = [limit for limit in slopes if limit <= max(roof.metric.value for roof in flat)]
    return min([*limits, *slopes], default=None)
