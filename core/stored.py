"""Stored launches reduced to what a comparison needs: per case its status, its environment, one median per launch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from clustermark.core.gate import Decision, Verdict
from clustermark.core.gate_rules import Rules
from clustermark.core.rank_sum import shift_bounds
from clustermark.core.result import STATUSES, Status
from clustermark.core.runfile import Run, read_launch_medians
from clustermark.core.signed_rank import robust_spread

# One-sided error with which a stored comparison calls a case slower or faster; per case, there is no second look.
STORED_TAIL = 0.01
# Fewest launches a side with which that level can be reached: 1/252.
FEWEST_LAUNCHES = 5


@dataclass(frozen=True)
class StoredCase:
    """One case of one run.

    Attributes
    ----------
    key : equal for equal work: the case id, or the name of a foreign benchmark
    label, unit : for people
    status, reason : as of a Row
    medians : (launches,) [unit] of one step
    fingerprints : of the environments that the launches ran in
    conditions : labels that a reader must see
    """

    key: str
    label: str
    status: Status
    reason: str = ""
    unit: str = "s"
    medians: tuple[float, ...] = ()
    fingerprints: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` takes it back."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> StoredCase:
        """The case that `to_dict` wrote; KeyError, TypeError or ValueError for anything else."""
        medians = tuple(float(value) for value in data["medians"])
        if data["status"] not in STATUSES or not all(0 < value < math.inf for value in medians):
            raise ValueError("a case without a known status, or with a time that is none")
        texts = {name: tuple(str(text) for text in data[name]) for name in ("fingerprints", "conditions")}
        for name in ("key", "label", "reason", "unit"):
            if not isinstance(data[name], str):
                raise TypeError(f"{name} is no text")
        return StoredCase(**{**data, "medians": medians, **texts})


@dataclass(frozen=True)
class Stored:
    """A run, a baseline file or foreign results: what to call it, its cases, the facts of its environments."""

    what: str
    cases: tuple[StoredCase, ...]
    environments: Mapping[str, Any] = field(default_factory=dict)


def stored_run(run: Run, what: str) -> Stored:
    """The launches of a run. Raises ResultFileError."""
    medians = read_launch_medians(run.path)
    cases = [
        StoredCase(
            key=row.case.id,
            label=row.case.label,
            status=row.status,
            reason=row.reason,
            medians=medians.get(row.case.id, ()) if row.status == "ok" else (),
            fingerprints=row.fingerprints,
            conditions=row.conditions,
        )
        for row in run.rows
    ]
    return Stored(what, tuple(cases), run.environments)


def decide_stored(old: Stored, new: Stored, rules: Rules) -> list[Decision]:
    """One verdict per case, the weaker kind: two groups of launches that did not run side by side.

    A case is judged only where both sides ran in one and the same environment; slower and faster are called beyond
    `rules.budget` (not the closer tolerance: the day itself may differ), at `STORED_TAIL` per case.
    """
    known = {case.key: case for case in old.cases}
    kept = {case.key for case in new.cases}
    alike = {case.label: case.key for case in old.cases if case.key not in kept}
    decisions = []
    for case in new.cases:
        before = known.pop(case.key, None)
        if before is None and case.label in alike:
            known.pop(alike[case.label], None)
            reason = "is other work under the same label: another version of the workload, other parameters or seed"
            decisions.append(Decision(case.label, "not compared", reason))
        elif before is not None and before.status != "skipped":
            decisions.append(_decide_pair(before, case, rules))
        elif case.status != "skipped":
            decisions.append(_without_baseline(case))
    gone = [case for case in known.values() if case.status != "skipped"]
    return decisions + [Decision(c.label, "regressed", "vanished: the new run does not have it") for c in gone]


def _without_baseline(case: StoredCase) -> Decision:
    if case.status == "ok":
        return Decision(case.label, "new", "has no baseline")
    return Decision(case.label, "broken", f"{case.status}: {case.reason}; it has no baseline")


def _decide_pair(old: StoredCase, new: StoredCase, rules: Rules) -> Decision:
    facts = {
        "unit": new.unit,
        "baseline": float(np.median(old.medians)) if old.medians else None,
        "candidate": float(np.median(new.medians)) if new.medians else None,
    }
    if new.status != "ok":
        now = f"{new.status}: {new.reason}"
        verdict: Verdict = "regressed" if old.status == "ok" else "broken"
        return Decision(new.label, verdict, now, facts=facts)
    if old.status != "ok":
        return Decision(new.label, "improved", f"was {old.status}: {old.reason}", facts=facts)
    if set(old.fingerprints) != set(new.fingerprints) or len(set(old.fingerprints)) > 1:
        return Decision(new.label, "not compared", "ran in another environment", facts=facts)
    if not old.medians or not new.medians:
        return Decision(new.label, "inconclusive", "no launch was timed", facts=facts)
    return _decide_time(old, new, rules, facts)


def _decide_time(old: StoredCase, new: StoredCase, rules: Rules, facts: dict[str, Any]) -> Decision:
    x, y = np.log(old.medians), np.log(new.medians)
    change, low, high = shift_bounds(x, y, rules.unchanged_tail)
    _, surely_low, surely_high = shift_bounds(x, y, STORED_TAIL)
    budget = math.log1p(rules.budget)
    noise = math.hypot(robust_spread(x), robust_spread(y))
    fewest = min(len(x), len(y))
    verdict: Verdict = "inconclusive"
    reason = f"a slowdown of {rules.budget:.0%} cannot be excluded"
    barred = next((text for text in (*old.conditions, *new.conditions) if text.startswith("oversubscribed")), "")
    noisy = next((text for text in (*old.conditions, *new.conditions) if text.startswith("noisy machine")), "")
    if barred:
        reason = barred
    elif fewest < FEWEST_LAUNCHES:
        reason = f"{fewest} launch(es) of a side are too few, at least {FEWEST_LAUNCHES} of each are needed"
    elif surely_low > budget:
        verdict, reason = "regressed", ""
    elif surely_high < -budget:
        verdict, reason = "improved", ""
    elif high < budget:
        verdict, reason = ("inconclusive", noisy) if noisy else ("unchanged", "")
    return Decision(
        label=new.label,
        verdict=verdict,
        reason=reason,
        change=math.expm1(change),
        low=math.expm1(low) if math.isfinite(low) else None,
        high=math.expm1(high) if math.isfinite(high) else None,
        level=1 - rules.unchanged_tail,
        stage=1,
        pairs=fewest,
        noise=noise,
        facts=facts,
    )
