"""From the launches of a case to one row: status, metrics with intervals, proof, conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clustermark.core.case import Case
from clustermark.core.result import STATUSES, UNPROVEN, FabricProof, Result, Status
from clustermark.core.stats import Estimate, estimate
from clustermark.core.workload import Check


@dataclass(frozen=True)
class Metric:
    """Work ÷ time, with the interval of the time turned over; `better` is "higher" or "lower"."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    better: str


@dataclass(frozen=True)
class Row:
    """One case over all its launches: all that a report, a table or a gate needs.

    Attributes
    ----------
    case, status, reason : status is the worst of the launches: wrong, then failed, skipped, ok
    launches, launches_planned : done and asked
    time : of one step; None unless every launch is ok: a wrong or simulated answer has no speed
    metrics : headline first; empty unless ok
    check, fabric : of the launch that was worst
    conditions, counters : of any launch; counters are the largest over the launches
    fingerprints : of the environments it ran in
    arithmetic : what numbers go through, "" for what the precision says
    caller : who called inside a step, of every launch; "" where there is one way only
    """

    case: Case
    status: Status
    reason: str
    launches: int
    launches_planned: int
    time: Estimate | None
    metrics: tuple[Metric, ...]
    check: Check | None
    fabric: FabricProof
    conditions: tuple[str, ...]
    fingerprints: tuple[str, ...]
    started_utc: str
    ceiling: str
    counters: Mapping[str, float] = field(default_factory=dict)
    arithmetic: str = ""
    caller: str = ""

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, with the case's id and label for people; `from_dict` takes it back."""
        return asdict(self) | {
            "case": self.case.to_dict(),
            "case_id": self.case.id,
            "label": self.case.label,
            "fabric": asdict(self.fabric) | {"detail": dict(self.fabric.detail)},
            "counters": dict(self.counters),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Row:
        """The row that `to_dict` wrote; KeyError, TypeError or ValueError for anything else."""
        if data["status"] not in STATUSES:
            raise ValueError(f"status {data['status']!r:.40}")
        return Row(
            case=Case.from_dict(data["case"]),
            status=data["status"],
            reason=data["reason"],
            launches=data["launches"],
            launches_planned=data["launches_planned"],
            time=Estimate(**data["time"]) if data["time"] else None,
            metrics=tuple(Metric(**metric) for metric in data["metrics"]),
            check=Check(**data["check"]) if data["check"] else None,
            fabric=FabricProof(**data["fabric"]),
            conditions=tuple(data["conditions"]),
            fingerprints=tuple(data["fingerprints"]),
            started_utc=data["started_utc"],
            ceiling=data["ceiling"],
            counters=dict(data["counters"]),
            arithmetic=str(data.get("arithmetic", "")),
            caller=str(data.get("caller", "")),
        )


_SEVERITY: dict[Status, int] = {"ok": 0, "skipped": 1, "failed": 2, "wrong": 3}


def summarise(case: Case, results: Sequence[Result], launches_planned: int) -> Row:
    """One row from the launches of a case.

    Parameters
    ----------
    case : the case; every result is of it
    results : its launches, at least one
    launches_planned : how many were asked
    """
    worst = max(results, key=lambda result: _SEVERITY[result.status])
    measured = [result.measurement for result in results if result.measurement is not None]
    # Arithmetic that counts no work has no speed: what is simulated is as slow as what stands in for it.
    without_speed = bool(worst.arithmetic) and not worst.work
    time = estimate(measured) if worst.status == "ok" and measured and not without_speed else None
    proofs = [result.fabric for result in results]
    doubtful = next((proof for proof in proofs if not proof.proven), proofs[0] if proofs else UNPROVEN)
    return Row(
        case=case,
        status=worst.status,
        reason=worst.reason,
        launches=len(results),
        launches_planned=launches_planned,
        time=time,
        metrics=_metrics(worst, time) if time else (),
        check=_worst_check(results),
        fabric=doubtful,
        conditions=tuple(sorted({label for result in results for label in result.conditions})),
        fingerprints=tuple(sorted({result.fingerprint for result in results if result.fingerprint})),
        started_utc=min(result.started_utc for result in results),
        ceiling=worst.ceiling,
        counters=_largest([result.counters for result in results]),
        arithmetic=worst.arithmetic,
        caller="; ".join(sorted({result.caller for result in results if result.caller})),
    )


def _largest(counters: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each counter's largest value over the launches."""
    merged: dict[str, float] = {}
    for each in counters:
        for name, value in each.items():
            merged[name] = max(value, merged.get(name, value))
    return merged


def _worst_check(results: Sequence[Result]) -> Check | None:
    checks = [result.check for result in results if result.check is not None]
    return max(checks, key=lambda check: (not check.passed, check.error), default=None)


def _metrics(result: Result, time: Estimate) -> tuple[Metric, ...]:
    rates = tuple(
        Metric(name, a.value / time.value, a.value / time.high, a.value / time.low, a.rate or f"{a.unit}/s", "higher")
        for name, a in result.work.items()
        if a.value > 0 and time.low > 0
    )
    return (*rates, Metric("time", time.value, time.low, time.high, "s", "lower"))
