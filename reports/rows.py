"""Runs flattened into rows: what every table and every chart is made from."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clustermark.core.case import Case
from clustermark.core.counters import CACHED_ARRAY
from clustermark.core.plan import SELF
from clustermark.core.runfile import Run
from clustermark.core.summary import Metric, Row
from clustermark.reports.costs import Costs
from clustermark.reports.text import plain

VERIFIED, NOT_VERIFIED, NO_WIRE = "verified", "not verified", "no wire"
FABRIC_DOUBT = "fabric not verified"
MOST_RUNS_DRAWN = 8


@dataclass(frozen=True)
class ReportRow:
    """One case of one run.

    Attributes
    ----------
    run : the run's label for people, unique in the report
    created_utc : of the run
    row : the case, its status and its metrics
    ceiling : measured ceiling of the headline metric in the same run, None where there is none
    costs : what the user's machine costs, None where that was not told
    """

    run: str
    created_utc: str
    row: Row
    ceiling: Metric | None = None
    costs: Costs | None = None

    @property
    def case(self) -> Case:
        """The point of the matrix."""
        return self.row.case

    @property
    def drawable(self) -> bool:
        """Whether the case has a speed: only an answer that was checked and found right has one."""
        return (
            self.row.status == "ok" and self.row.time is not None and (self.row.check is None or self.row.check.passed)
        )

    @property
    def headline(self) -> Metric | None:
        """The first rate of the workload; None where it has none or the case has no speed."""
        if not self.drawable:
            return None
        return next((metric for metric in self.row.metrics if metric.name != "time"), None)

    @property
    def share_of_ceiling(self) -> float | None:
        """Headline ÷ ceiling; None where either is missing."""
        if self.headline is None or self.ceiling is None or self.ceiling.value <= 0:
            return None
        return self.headline.value / self.ceiling.value

    @property
    def fabric_proof(self) -> str:
        """ "verified", "not verified", or "no wire" for one rank."""
        if self.case.fabric == SELF:
            return NO_WIRE
        return VERIFIED if self.row.fabric.proven else NOT_VERIFIED

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why a speed may be shown but not ranked: ``("fabric not verified", "noisy machine")``; empty if it may."""
        unproven = (FABRIC_DOUBT,) if self.fabric_proof == NOT_VERIFIED else ()
        return (*unproven, *_by_kind(self.row.conditions))

    @property
    def ranked(self) -> bool:
        """Whether the case has a speed that nothing casts doubt on."""
        return self.drawable and not self.doubts

    def speed(self, name: str) -> Metric | None:
        """The metric of that name if it can be drawn: the case is ok, value and interval are positive."""
        metric = self.row.metric(name) if self.drawable else None
        if metric is None or not all(math.isfinite(v) and v > 0 for v in (metric.value, metric.low, metric.high)):
            return None
        return metric


def report_rows(runs: Sequence[Run], costs: Costs | None = None) -> list[ReportRow]:
    """The rows of all runs, oldest run first, each run in the order of its plan; each with the costs given."""
    ordered = oldest_first(runs)
    return [
        row if costs is None else replace(row, costs=costs)
        for run, label in zip(ordered, run_labels(ordered), strict=True)
        for row in with_ceilings(run.rows, label, run.created_utc)
    ]


def with_ceilings(rows: Sequence[Row], run: str = "", created_utc: str = "") -> list[ReportRow]:
    """The rows of one run, each with the measured ceiling of its headline metric.

    The ceiling ``"peak.flop_rate"`` is that metric of the row of workload ``peak`` with the same precision, ranks,
    threads and device; the highest where several match.
    """
    wanted = {row.ceiling for row in rows if row.ceiling}
    found: dict[tuple[object, ...], Metric] = {}
    for name in sorted(wanted):
        workload, _, metric_name = name.rpartition(".")
        for row in rows:
            named = row.case.workload == workload and CACHED_ARRAY not in row.counters
            metric = ReportRow(run, created_utc, row).speed(metric_name) if named else None
            if metric is not None:
                key = (name, *_shape(row.case))
                found[key] = max(found.get(key, metric), metric, key=lambda one: one.value)
    return [ReportRow(run, created_utc, row, found.get((row.ceiling, *_shape(row.case)))) for row in rows]


def _shape(case: Case) -> tuple[object, ...]:
    return case.precision, case.ranks, case.threads, case.device


def oldest_first(runs: Sequence[Run]) -> list[Run]:
    """The runs by age; a file given twice counts once."""
    distinct: Mapping[Path, Run] = {run.path.resolve(): run for run in runs}
    return sorted(distinct.values(), key=lambda run: (run.created_utc, run.run_id))


def run_labels(runs: Sequence[Run]) -> list[str]:
    """``"2026-11-23 14:31 smoke"`` for each run; runs that would share a label get the end of their name, too."""
    short = [plain(f"{run.created_utc[:10]} {run.created_utc[11:16]} {run.suite}") for run in runs]
    shared = Counter(short)
    labels = [
        label if shared[label] == 1 else plain(f"{label} {run.run_id.rpartition('-')[2]}")
        for label, run in zip(short, runs, strict=True)
    ]
    again = Counter(labels)
    return [label if again[label] == 1 else f"{label} #{number}" for number, label in enumerate(labels, 1)]


def newest_runs(rows: Sequence[ReportRow]) -> tuple[list[ReportRow], int]:
    """The rows of the newest eight runs, and how many older runs were left out: more lines cannot be told apart."""
    runs = sorted({(row.created_utc, row.run) for row in rows})
    kept = set(runs[-MOST_RUNS_DRAWN:])
    return [row for row in rows if (row.created_utc, row.run) in kept], max(len(runs) - MOST_RUNS_DRAWN, 0)


def latest_rows(rows: Sequence[ReportRow]) -> tuple[list[ReportRow], int]:
    """Each case as the newest run has it, in the order given, and how many older results were left out.

    What is wrong or failed now stays so: an older speed of it is no speed of today.
    """
    newest: dict[str, ReportRow] = {}
    for row in rows:
        known = newest.get(row.case.id)
        if known is None or (row.created_utc, row.run) >= (known.created_utc, known.run):
            newest[row.case.id] = row
    kept = [row for row in rows if newest[row.case.id] is row]
    return kept, len(rows) - len(kept)


def condition_counts(rows: Sequence[ReportRow]) -> list[tuple[str, int]]:
    """Conditions with the number of cases under each; those that differ in their figures only are one."""
    kinds: dict[str, Counter[str]] = {}
    for row in rows:
        for kind, texts in _by_kind(row.row.conditions).items():
            kinds.setdefault(kind, Counter())[texts[0] if len(texts) == 1 else kind] += 1
    return [(next(iter(texts)) if len(texts) == 1 else kind, texts.total()) for kind, texts in sorted(kinds.items())]


def _by_kind(conditions: Sequence[str]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for condition in conditions:
        kinds.setdefault(plain(condition.partition(":")[0]), []).append(plain(condition))
    return kinds
