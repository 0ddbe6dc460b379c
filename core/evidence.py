"""From the launches of both sides of a case to what the gate judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.gate import Evidence
from clustermark.core.result import Result, Status

Floats = npt.NDArray[np.float64]

# Share of a case's launches under foreign load from which its time may not be called unchanged.
NOISY_SHARE = 0.2
NOISY, OVERSUBSCRIBED = "noisy machine", "oversubscribed"
INTERLEAVED, LOCKSTEP, COMMAND, STORED = "interleaved", "lockstep", "command", "stored"


@dataclass(frozen=True)
class Observed:
    """One launch of one side of a case.

    Attributes
    ----------
    status, reason : as of a Result
    cost : (samples,) float64, above 0; less is better
    conditions : labels that a reader must see
    work : name → (amount of work per step, unit)
    """

    status: Status
    reason: str = ""
    cost: Floats = field(default_factory=lambda: np.empty(0))
    conditions: tuple[str, ...] = ()
    work: Mapping[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether it has an answer that was not found wrong, and a time."""
        return self.status == "ok" and self.cost.size > 0

    @staticmethod
    def of(result: Result) -> Observed:
        """A launch of a suite's case."""
        return Observed(
            status=result.status,
            reason=result.reason,
            cost=result.measurement.step_seconds if result.measurement is not None else np.empty(0),
            conditions=result.conditions,
            work={name: (amount.value, amount.unit) for name, amount in result.work.items()},
        )


# launch → what was seen; of one side in one stage
Launches = Mapping[int, Observed]


def log_ratios(baseline: Launches, candidate: Launches, method: str) -> list[float]:
    """log(candidate ÷ baseline) of each launch that both sides have a right answer of, in order.

    The unit is the launch: its medians where launches took turns, the median over its pairs of samples in lockstep.
    """
    ratios = []
    for launch in sorted(baseline.keys() & candidate.keys()):
        old, new = baseline[launch], candidate[launch]
        if not old.timed or not new.timed:
            continue
        if method == LOCKSTEP and old.cost.size == new.cost.size:
            ratios.append(float(np.median(np.log(new.cost / old.cost))))
        else:
            ratios.append(float(np.log(np.median(new.cost) / np.median(old.cost))))
    return ratios


def timed_evidence(
    label: str, baseline: Sequence[Launches], candidate: Sequence[Launches], method: str, unit: str = "s"
) -> Evidence:
    """All that the launches of a case say.

    Parameters
    ----------
    label : what people call it
    baseline, candidate : one mapping per stage; both empty mappings where nothing ran
    method : INTERLEAVED, LOCKSTEP or COMMAND
    unit : of the cost
    """
    old = [one for stage in baseline for _, one in sorted(stage.items())]
    new = [one for stage in candidate for _, one in sorted(stage.items())]
    was, now = _trouble(old), _trouble(new)
    ratios = [log_ratios(x, y, method) for x, y in zip(baseline, candidate, strict=True)]
    return Evidence(
        label=label,
        first=tuple(ratios[0]) if ratios else (),
        confirm=tuple(ratios[1]) if len(ratios) > 1 else (),
        became=now if now and not was else "",
        mended=f"was {was}" if was and not now and new else "",
        broken=f"{now}; and before: {was}" if was and now else "",
        unlike=_unlike_work(old, new),
        doubt=doubt([*old, *new]),
        barred=next((text for one in (*old, *new) for text in one.conditions if text.startswith(OVERSUBSCRIBED)), ""),
        facts=facts(old, new, unit) | {"log_ratios": ratios},
    )


def fresh_evidence(label: str, candidate: Sequence[Launches]) -> Evidence:
    """A case without a baseline: only a wrong or failed answer counts."""
    now = _trouble([one for stage in candidate for _, one in sorted(stage.items())])
    return Evidence(label, broken=now, fresh=not now)


def _trouble(launches: Sequence[Observed]) -> str:
    """The worst that happened: ``"wrong: element 3 …"``; in how many launches, if not in all."""
    for status in ("wrong", "failed", "skipped"):
        bad = [one for one in launches if one.status == status]
        if bad:
            share = f" in {len(bad)} of {len(launches)} launches" if len(bad) < len(launches) else ""
            return f"{status}{share}: {bad[0].reason}"
    return ""


def _unlike_work(old: Sequence[Observed], new: Sequence[Observed]) -> str:
    """Amounts of work per step that differ: the same label then does not mean the same thing."""
    before = next((one.work for one in old if one.timed), {})
    after = next((one.work for one in new if one.timed), {})
    for name in before.keys() & after.keys():
        (x, unit), (y, other_unit) = before[name], after[name]
        if unit == other_unit and abs(x - y) > 1e-9 * max(abs(x), abs(y)):
            return f"a step is {x:g} {unit} there and {y:g} {unit} here: other work"
    return ""


def doubt(launches: Sequence[Observed]) -> str:
    """ "" or how many of the launches ran beside other programs, where that is more than NOISY_SHARE of them."""
    noisy = sum(any(text.startswith(NOISY) for text in one.conditions) for one in launches)
    if noisy <= NOISY_SHARE * len(launches):
        return ""
    return f"{NOISY} in {noisy} of {len(launches)} launches"


def facts(old: Sequence[Observed], new: Sequence[Observed], unit: str) -> dict[str, Any]:
    """Median of the launch medians of each side; None where a side has none."""
    sides = [[float(np.median(one.cost)) for one in side if one.timed] for side in (old, new)]
    baseline, candidate = (float(np.median(medians)) if medians else None for medians in sides)
    return {"unit": unit, "baseline": baseline, "candidate": candidate}
