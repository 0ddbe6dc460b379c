"""Systems, precisions or fabrics side by side: per-case ratios with intervals against the first of them.

Only equal work is compared: the same case, or cases that differ in nothing but the axis that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from clustermark.core.case import Case, canonical_json
from clustermark.core.environment import fact_differences
from clustermark.core.errors import UsageError, nearest
from clustermark.core.rank_sum import shift_bounds
from clustermark.core.runfile import Run, read_launch_medians
from clustermark.core.summary import Row
from clustermark.reports.rows import ReportRow, oldest_first, run_labels
from clustermark.reports.text import plain

BY = ("precision", "device", "transport", "fabric", "threads")
# One-sided error of each end: together a 95 % interval.
TAIL = 0.025
Standing = Literal["faster", "slower", "not told apart"]


@dataclass(frozen=True)
class Column:
    """One of the things compared: a run, or one value of an axis in a run."""

    name: str
    cases: Mapping[str, Measured]
    environments: Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """A case in a column: its row, and one median per launch [s] where it has a speed."""

    row: Row
    medians: tuple[float, ...]


@dataclass(frozen=True)
class Ratio:
    """Time in a column ÷ time in the first one; None and a reason where there is none.

    `scope` says what the interval covers: "launches" (exact bounds of the shift between launch medians) or "envelope"
    (from the lowest to the highest that the intervals of both sides allow).
    """

    column: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    scope: str = ""
    reason: str = ""

    @property
    def standing(self) -> Standing:
        """Against the first column; told only where the interval lies wholly on one side."""
        if self.high is not None and self.high < 1:
            return "faster"
        return "slower" if self.low is not None and self.low > 1 else "not told apart"


@dataclass(frozen=True)
class ComparedCase:
    """One case: its time in the first column [s], None where it has none there, and a ratio for each other column."""

    label: str
    reference: float | None
    reason: str
    ratios: tuple[Ratio, ...]


@dataclass(frozen=True)
class Comparison:
    """What `clustermark compare` shows.

    Attributes
    ----------
    columns : names, the first is the reference
    cases : those that the reference and at least one other column have
    left_out : label → why it is in no comparison
    differences : (fact, value in each column) of environments that are not alike; "–" where a fact is absent
    """

    columns: tuple[str, ...]
    cases: tuple[ComparedCase, ...]
    left_out: tuple[tuple[str, str], ...]
    differences: tuple[tuple[str, tuple[str, ...]], ...]

    def typical(self, column: str) -> float | None:
        """Geometric mean of the ratios of a column; None without any."""
        found = [r.value for case in self.cases for r in case.ratios if r.column == column and r.value is not None]
        return math.exp(sum(map(math.log, found)) / len(found)) if found else None


def compare(runs: Sequence[Run], by: str = "") -> Comparison:
    """Runs in the order given, or the values of an axis within them.

    Parameters
    ----------
    runs : at least one
    by : "" for run against run, or one of `BY`

    Raises
    ------
    UsageError : one column only, or an axis that is none
    ResultFileError : samples cannot be read
    """
    if by and by not in BY:
        raise UsageError(
            f"--by {plain(by)}: is no axis that keeps the work{nearest(by, BY)}; give one of {', '.join(BY)}"
        )
    columns = _columns(runs, by)
    if len(columns) < 2:
        what = f"one value of {by}" if by else "one run"
        raise UsageError(f"compare: has only {what} to compare; name another run, or an axis with --by")
    reference, others = columns[0], columns[1:]
    cases, left_out = [], []
    for key, measured in reference.cases.items():
        found = [column for column in others if key in column.cases]
        if found:
            cases.append(_compared(measured, key, others))
        elif measured.row.status != "skipped":
            left_out.append((measured.row.case.label, f"only in {reference.name}"))
    for column in others:
        for key, measured in column.cases.items():
            if key not in reference.cases and measured.row.status != "skipped":
                left_out.append((measured.row.case.label, f"in {column.name}, not in {reference.name}"))
    return Comparison(
        columns=tuple(column.name for column in columns),
        cases=tuple(cases),
        left_out=tuple(dict.fromkeys(left_out)),
        differences=_differences(columns),
    )


def _columns(runs: Sequence[Run], by: str) -> list[Column]:
    distinct = list({run.path.resolve(): run for run in runs}.values())
    aged = oldest_first(distinct)
    labels = dict(zip((run.path for run in aged), run_labels(aged), strict=True))
    columns = []
    for run in distinct:
        medians = read_launch_medians(run.path)
        groups: dict[str, dict[str, Measured]] = {}
        for row in run.rows:
            speed = medians.get(row.case.id, ()) if ReportRow("", "", row).drawable else ()
            groups.setdefault(_value(row.case, by), {})[_key(row.case, by)] = Measured(row, speed)
        for value, cases in groups.items():
            words = [labels[run.path]] if not by else [value] if len(distinct) == 1 else [labels[run.path], value]
            columns.append(Column(" ".join(words), cases, run.environments))
    return columns


def _value(case: Case, by: str) -> str:
    return str(case.to_dict()[by]) if by else ""


def _key(case: Case, by: str) -> str:
    """Equal for equal work."""
    if not by:
        return case.id
    return canonical_json({name: value for name, value in case.to_dict().items() if name != by})


def _compared(reference: Measured, key: str, others: Sequence[Column]) -> ComparedCase:
    value = float(np.median(reference.medians)) if reference.medians else None
    reason = "" if value else _why_no_time(reference)
    ratios = [_ratio(reference, column.cases.get(key), column.name, reason) for column in others]
    return ComparedCase(reference.row.case.label, value, reason, tuple(ratios))


def _why_no_time(measured: Measured) -> str:
    return f"{measured.row.status}: {measured.row.reason}" if measured.row.status != "ok" else "has no time"


def _ratio(reference: Measured, other: Measured | None, name: str, reason: str) -> Ratio:
    if other is None:
        return Ratio(name, reason="not measured")
    if not other.medians:
        return Ratio(name, reason=_why_no_time(other))
    if not reference.medians:
        return Ratio(name, reason=f"no reference ({reason})")
    change, low, high = shift_bounds(np.log(reference.medians), np.log(other.medians), TAIL)
    if math.isfinite(low):
        return Ratio(name, math.exp(change), math.exp(low), math.exp(high), "launches")
    x, y = reference.row.time, other.row.time
    if x is None or y is None or not x.low > 0 < y.low:
        return Ratio(name, math.exp(change))
    return Ratio(name, math.exp(change), y.low / x.high, y.high / x.low, "envelope")


def _differences(columns: Sequence[Column]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Facts of each column's first environment that are not the same in all columns."""
    facts = []
    for column in columns:
        first = next(iter(column.environments.values()), {})
        found = first.get("facts", {}) if isinstance(first, Mapping) else {}
        facts.append(found if isinstance(found, Mapping) else {})
    values: dict[str, list[str]] = {}
    for number, other in enumerate(facts[1:], 1):
        for name, here, there in fact_differences(facts[0], other):
            values.setdefault(name, [here] * len(facts))[number] = there
    return tuple((name, tuple(found)) for name, found in sorted(values.items()))


def comparison_document(found: Comparison) -> dict[str, Any]:
    """Plain JSON types, as `COMPARE_SCHEMA` of compare_text describes them."""
    return {
        "columns": list(found.columns),
        "typical_ratio": {name: found.typical(name) for name in found.columns[1:]},
        "cases": [
            {
                "label": case.label,
                "reference_seconds": case.reference,
                "reason": case.reason,
                "ratios": [asdict(ratio) | {"standing": ratio.standing} for ratio in case.ratios],
            }
            for case in found.cases
        ],
        "left_out": [{"label": label, "reason": reason} for label, reason in found.left_out],
        "differences": [{"fact": name, "values": list(values)} for name, values in found.differences],
    }
