"""Which case of the baseline belongs to which of the candidate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clustermark.core.case import Case, canonical_json


@dataclass(frozen=True)
class Matched:
    """A case of the check.

    Attributes
    ----------
    label : of the candidate's case, of the baseline's where it vanished
    baseline, candidate : case ids, "" where the side has none
    reason : why a side has none, or why the two are unlike
    unlike : they have a pair of ids and may not be compared all the same
    """

    label: str
    baseline: str
    candidate: str
    reason: str = ""
    unlike: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class SidePlan:
    """What a side can run of the suite: cases, skipped ones with reasons, blocks that it does not know."""

    cases: tuple[Case, ...]
    skipped: tuple[tuple[Case, str], ...] = ()
    refused: tuple[str, ...] = ()


def match(
    baseline: SidePlan, candidate: SidePlan, may_differ: Iterable[str] = (), aliases: Mapping[str, str] | None = None
) -> list[Matched]:
    """Pair the cases of both sides; a case that only the baseline has has vanished.

    Parameters
    ----------
    baseline, candidate : as each side planned the same suite
    may_differ : axes that the user set differently on the two sides
    aliases : fabric → what both MPIs call that wire

    Returns
    -------
    list of Matched : in the candidate's order, vanished ones last; cases that neither side can run are left out
    """
    keys = _Keys(baseline, candidate, frozenset(may_differ), aliases or {})
    known = {keys.of(case): case for case in baseline.cases}
    unable = {keys.of(case): reason for case, reason in baseline.skipped}
    matched = []
    for case in candidate.cases:
        other = known.pop(keys.of(case), None)
        if other is None:
            why = unable.get(keys.of(case), "the baseline does not know it")
            matched.append(Matched(case.label, "", case.id, why))
        elif other.version != case.version:
            why = f"workload '{case.workload}' is version {other.version} there and {case.version} here: other work"
            matched.append(Matched(case.label, other.id, case.id, why, unlike=True))
        else:
            matched.append(Matched(case.label, other.id, case.id))
    reasons = {keys.of(case): reason for case, reason in candidate.skipped}
    refused = "; ".join(candidate.refused) or "the candidate does not plan it"
    return matched + [Matched(case.label, case.id, "", reasons.get(key, refused)) for key, case in known.items()]


class _Keys:
    """What makes two cases the same work, over the parameters that both versions of a workload know."""

    def __init__(
        self, baseline: SidePlan, candidate: SidePlan, may_differ: frozenset[str], aliases: Mapping[str, str]
    ) -> None:
        self.aliases = aliases
        self.axes = [axis for axis in ("device", "transport", "fabric", "threads") if axis not in may_differ]
        self.names: dict[str, frozenset[str] | None] = {}
        sides = [[*plan.cases, *(case for case, _ in plan.skipped)] for plan in (baseline, candidate)]
        for workload in {case.workload for side in sides for case in side}:
            here = [[case for case in side if case.workload == workload] for side in sides]
            known = [frozenset.intersection(*(frozenset(case.params) for case in side)) for side in here if side]
            self.names[workload] = frozenset.intersection(*known)
            # A parameter that only one version has may tell its cases apart: then they are matched in full.
            if any(len({self.of(case) for case in side}) < len({case.id for case in side}) for side in here):
                self.names[workload] = None

    def of(self, case: Case) -> str:
        """Equal for equal work."""
        names = self.names[case.workload]
        data = case.to_dict()
        kept = {key: data[key] for key in ("workload", "precision", "ranks", "ranks_per_node", "seed", *self.axes)}
        if "fabric" in kept:
            kept["fabric"] = self.aliases.get(case.fabric, case.fabric)
        params = {key: value for key, value in case.params.items() if names is None or key in names}
        return canonical_json(kept | {"params": params})
