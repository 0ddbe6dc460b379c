"""The regression gate: paired differences in two stages, verdicts that say what is not known.

Stage 1 takes pairs of every case; a case is a suspect if the one-sided 90 % bound of its location lies beyond the
tolerance, on either side. Stage 2 takes fresh pairs of the suspects only and tests them exactly, with Holm's
correction over them: looking at many cases, and looking again, costs no false alarm. Nothing of stage 1 enters stage 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clustermark.core.errors import (
    EXIT_FAILED,
    EXIT_INCONCLUSIVE,
    EXIT_NOT_COMPARABLE,
    EXIT_OK,
    EXIT_REGRESSION,
)
from clustermark.core.gate_rules import Rules
from clustermark.core.signed_rank import (
    fewest_pairs,
    location,
    lower_bound,
    robust_spread,
    upper_bound,
    walsh_averages,
)
from clustermark.core.stats import signed_rank_p

Floats = npt.NDArray[np.float64]
Verdict = Literal["regressed", "improved", "unchanged", "inconclusive", "broken", "new", "not compared"]
VERDICTS: tuple[Verdict, ...] = (
    "regressed",
    "broken",
    "inconclusive",
    "not compared",
    "improved",
    "unchanged",
    "new",
)
# Distances from the estimate to the 90 % bound that a slowdown must exceed the tolerance by to be found nearly always:
# both stages must see it. tests/perf/gate_study.py measures how often it is.
DETECTABLE_DISTANCES = 3.0


@dataclass(frozen=True)
class Evidence:
    """What is known of one case.

    Attributes
    ----------
    label : what people call it
    first, confirm : (pairs,) log(candidate ÷ baseline) of stage 1 and of the fresh pairs of stage 2; above 0 is worse
    became : "" or how the case got worse whatever its time: "failed: …", "wrong: …", "vanished: …"
    mended : "" or what is well now and was not: "was wrong: …"
    broken : "" or why it has no time on either side
    unlike : "" or why its sides may not be compared
    fresh : it has no baseline
    doubt : "" or why its time may not be called unchanged ("noisy machine in 7 of 20 launches")
    barred : "" or why its time is not judged at all ("oversubscribed: 4 threads on 2 cores")
    facts : for people and machines: medians, units, environments
    """

    label: str
    first: Sequence[float] = ()
    confirm: Sequence[float] = ()
    became: str = ""
    mended: str = ""
    broken: str = ""
    unlike: str = ""
    fresh: bool = False
    doubt: str = ""
    barred: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether only its time is in question."""
        return not (self.became or self.mended or self.broken or self.unlike or self.fresh) and len(self.first) > 0


@dataclass(frozen=True)
class Decision:
    """The verdict on one case.

    Attributes
    ----------
    label, verdict, reason : `reason` is a sentence for all but plain verdicts
    change, low, high : relative change of the time and its one-sided bounds of `level` each (0.1 = 10 % slower); None
        where nothing was timed
    level : of each bound
    stage, pairs : which stage decided, and from how many pairs
    noise : robust relative spread of the pairs
    detectable : the smallest slowdown that these pairs would have shown nearly always; None where there are too few
    facts : of the evidence
    """

    label: str
    verdict: Verdict
    reason: str = ""
    change: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    stage: int = 0
    pairs: int = 0
    noise: float | None = None
    detectable: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` takes it back."""
        return asdict(self) | {"facts": dict(self.facts)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Decision:
        """The decision that `to_dict` wrote; KeyError, TypeError or ValueError for anything else."""
        if data["verdict"] not in VERDICTS:
            raise ValueError(f"verdict {data['verdict']!r:.40}")
        return Decision(**data)


def screen(evidence: Sequence[Evidence], rules: Rules) -> list[int]:
    """Numbers of the suspects: cases whose stage 1 lies beyond the tolerance, slower or faster, and may be judged."""
    return [
        number
        for number, one in enumerate(evidence)
        if one.timed and not one.barred and _direction(one.first, rules) != 0
    ]


def confirm_pairs(suspects: int, rules: Rules) -> int:
    """Fresh pairs of each suspect: as the rules say, or as many as Holm's correction needs to confirm all of them."""
    return max(rules.confirm_pairs, fewest_pairs(rules.family_error / max(suspects, 1)))


def _direction(first: Sequence[float], rules: Rules) -> int:
    """1 for a suspected slowdown, -1 for a suspected speed-up, 0 for none."""
    if not len(first):
        return 0
    walsh = walsh_averages(first)
    tolerance = math.log1p(rules.tolerance)
    if lower_bound(walsh, rules.suspect_tail) > tolerance:
        return 1
    return -1 if upper_bound(walsh, rules.suspect_tail) < -tolerance else 0


def decide(evidence: Sequence[Evidence], rules: Rules) -> list[Decision]:
    """One verdict per case.

    Parameters
    ----------
    evidence : all cases of the check at once: Holm's correction is over its suspects
    rules : as given to `screen`

    Returns
    -------
    list of Decision : in the order of `evidence`
    """
    suspects = {number: _direction(evidence[number].first, rules) for number in screen(evidence, rules)}
    confirmed: set[int] = set()
    for direction in (1, -1):
        family = [number for number, sign in suspects.items() if sign == direction]
        confirmed |= _holm({n: _p_beyond(evidence[n].confirm, direction, rules) for n in family}, rules.family_error)
    return [
        _decide_one(one, suspects.get(number, 0), number in confirmed, rules) for number, one in enumerate(evidence)
    ]


def _p_beyond(differences: Sequence[float], direction: int, rules: Rules) -> float:
    """One-sided p that the location is beyond the tolerance in that direction; 1 without pairs."""
    if not len(differences):
        return 1.0
    return signed_rank_p(direction * np.asarray(differences, dtype=np.float64) - math.log1p(rules.tolerance))


def _holm(p: Mapping[int, float], error: float) -> set[int]:
    """Holm 1979: reject from the smallest p on while p ≤ error ÷ (how many are left)."""
    rejected: set[int] = set()
    for index, number in enumerate(sorted(p, key=lambda key: p[key])):
        if p[number] > error / (len(p) - index):
            break
        rejected.add(number)
    return rejected


def _decide_one(one: Evidence, direction: int, confirmed: bool, rules: Rules) -> Decision:
    outweighing: tuple[tuple[str, Verdict], ...] = (
        (one.became, "regressed"),
        (one.unlike, "not compared"),
        (one.broken, "broken"),
        (one.mended, "improved"),
    )
    for text, verdict in outweighing:
        if text:
            return Decision(one.label, verdict, text, facts=one.facts)
    if one.fresh:
        return Decision(one.label, "new", "has no baseline", facts=one.facts)
    if not len(one.first):
        return Decision(one.label, "inconclusive", "no pair was measured", facts=one.facts)
    verdict, reason = _timed_verdict(one, direction, confirmed, rules)
    stage = 2 if direction and len(one.confirm) else 1
    return _with_figures(one, verdict, reason, stage, rules)


def _timed_verdict(one: Evidence, direction: int, confirmed: bool, rules: Rules) -> tuple[Verdict, str]:
    if one.barred:
        return "inconclusive", one.barred
    if direction and not len(one.confirm):
        way = "slower" if direction > 0 else "faster"
        return "inconclusive", f"looked {way}, and no fresh pairs were measured to confirm it"
    if confirmed:
        return ("regressed", "") if direction > 0 else ("improved", "")
    pairs = one.confirm if direction else one.first
    high = upper_bound(walsh_averages(pairs), rules.unchanged_tail)
    if high >= math.log1p(rules.budget):
        if len(pairs) < fewest_pairs(rules.unchanged_tail):
            return "inconclusive", f"{len(pairs)} pair(s) are too few"
        return "inconclusive", f"a slowdown of {rules.budget:.0%} cannot be excluded"
    return ("inconclusive", one.doubt) if one.doubt else ("unchanged", "")


def _with_figures(one: Evidence, verdict: Verdict, reason: str, stage: int, rules: Rules) -> Decision:
    pairs = one.confirm if stage == 2 else one.first
    walsh = walsh_averages(pairs)
    low, high = (bound(walsh, rules.unchanged_tail) for bound in (lower_bound, upper_bound))
    return Decision(
        label=one.label,
        verdict=verdict,
        reason=reason,
        change=math.expm1(location(walsh)),
        low=math.expm1(low) if math.isfinite(low) else None,
        high=math.expm1(high) if math.isfinite(high) else None,
        level=1 - rules.unchanged_tail,
        stage=stage,
        pairs=len(pairs),
        noise=robust_spread(pairs),
        detectable=detectable(one.first, rules),
        facts=one.facts,
    )


def detectable(first: Sequence[float], rules: Rules) -> float | None:
    """Smallest slowdown that a check with this noise finds nearly always (measured in docs/gate.md); None if unknown.

    Tolerance plus `DETECTABLE_DISTANCES` times the distance from the estimate to the bound that makes a suspect.
    """
    walsh = walsh_averages(first)
    low = lower_bound(walsh, rules.suspect_tail)
    if not math.isfinite(low):
        return None
    distance = DETECTABLE_DISTANCES * (location(walsh) - low)
    return math.expm1(math.log1p(rules.tolerance) + distance) if distance < 10 else None


def exit_code(decisions: Sequence[Decision], strict: bool = False) -> int:
    """1 regression; 4 broken on both sides; 5 nothing could be compared; 3 inconclusive under `strict`; else 0."""
    found = {decision.verdict for decision in decisions}
    if "regressed" in found:
        return EXIT_REGRESSION
    if "broken" in found:
        return EXIT_FAILED
    if not found - {"not compared", "new"}:
        return EXIT_NOT_COMPARABLE
    if strict and found & {"inconclusive", "not compared"}:
        return EXIT_INCONCLUSIVE
    return EXIT_OK
