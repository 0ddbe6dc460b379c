"""Fabrics ranked in every benchmark that several of them ran, and those that may not be ranked, with the reason.

A fabric's rank is one more than the number of fabrics that were faster beyond doubt: whose interval of the time of a
step lies wholly below its own. Fabrics that intervals cannot tell apart therefore share a rank.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clustermark.core.case import Case, canonical_json
from clustermark.core.plan import SELF
from clustermark.core.runfile import Run
from clustermark.core.stats import Estimate
from clustermark.core.units import format_quantity
from clustermark.reports.rows import ReportRow, latest_rows, oldest_first, report_rows
from clustermark.reports.text import counted, plain, shown_interval, shown_metric, shown_param, spoken

RANKING_RULE = (
    "A rank is one more than the number of fabrics whose interval lies wholly below; overlapping intervals share it. "
    "What is wrong, failed, refused, or in doubt is not ranked."
)
ONE_LAUNCH = "one launch only, whose interval is narrower than the truth"


@dataclass(frozen=True)
class Place:
    """A fabric's rank in one benchmark, from 1; `row` has its figures."""

    rank: int
    row: ReportRow


@dataclass(frozen=True)
class Ranking:
    """One benchmark: the same work on the same machine over several fabrics.

    Attributes
    ----------
    title : ``"pingpong · 64 KiB · fp64 · 2 ranks"``
    workload : for summaries
    places : ranked, fastest first
    refused : (row, why it is not ranked)
    """

    title: str
    workload: str
    places: tuple[Place, ...]
    refused: tuple[tuple[ReportRow, str], ...]


def rankings(rows: Sequence[ReportRow], machines: Mapping[str, str] | None = None) -> list[Ranking]:
    """Each case that was asked of two fabrics or more, as the newest run has it.

    Parameters
    ----------
    rows : of any runs
    machines : fingerprint of an environment → what names its machine: rows of different machines are never ranked
        against each other; None takes all for one machine
    """
    newest, _ = latest_rows(rows)
    groups: dict[str, list[ReportRow]] = {}
    for row in newest:
        if row.case.fabric != SELF:
            groups.setdefault(_key(row, machines or {}), []).append(row)
    found = [group for group in groups.values() if len({row.case.fabric for row in group}) > 1]
    return [_ranked(group) for group in found]


def machines_of(runs: Sequence[Run]) -> dict[str, str]:
    """What names the machine of each environment: processor, kernel, memory and network; not its libraries."""
    names = {}
    for run in runs:
        for fingerprint, environment in run.environments.items():
            facts = environment.get("facts") if isinstance(environment, Mapping) else None
            told = facts if isinstance(facts, Mapping) else {}
            kept = {key: told.get(key) for key in ("cpu", "system", "other_node_kinds", "emulated_network")}
            names[fingerprint] = json.dumps(kept, sort_keys=True, default=str)
    return names


def rankings_of(runs: Sequence[Run]) -> list[Ranking]:
    """The rankings of a report over these runs."""
    return rankings(report_rows(runs), machines_of(oldest_first(runs)))


def _key(row: ReportRow, machines: Mapping[str, str]) -> str:
    """Equal for the same work on the same machine; what never ran, anywhere, stands with the rest."""
    work = {name: value for name, value in row.case.to_dict().items() if name not in ("fabric", "seed")}
    where = sorted({machines.get(fingerprint, "") for fingerprint in row.row.fingerprints if machines})
    return canonical_json({"work": work, "where": where if len(machines) and len(set(machines.values())) > 1 else []})


def _ranked(group: Sequence[ReportRow]) -> Ranking:
    reasons = [(row, _why_not(row)) for row in group]
    times = [(row, row.row.time) for row, reason in reasons if not reason and row.row.time is not None]
    times.sort(key=lambda item: item[1].value)
    places = tuple(Place(1 + sum(_faster(other, time) for _, other in times), row) for row, time in times)
    refused = tuple((row, reason) for row, reason in reasons if reason)
    return Ranking(_title(group[0].case), group[0].case.workload, places, refused)


def _faster(one: Estimate, other: Estimate) -> bool:
    return one.high < other.low


def _why_not(row: ReportRow) -> str:
    """ "" or why a row may not be ranked."""
    if not row.drawable:
        return plain(f"{row.row.status}: {row.row.reason}" if row.row.status != "ok" else "has no time")
    if row.doubts:
        return "; ".join(_told(row))
    if row.row.time is not None and row.row.time.scope == "samples":
        return ONE_LAUNCH
    return ""


def _told(row: ReportRow) -> list[str]:
    """The doubts, with what was seen on the wire instead of what was asked for."""
    seen = plain(row.row.fabric.observed)
    return [f"{doubt} (seen: {seen})" if doubt.startswith("fabric not") else doubt for doubt in row.doubts]


def _title(case: Case) -> str:
    params = [shown_param(name, value) for name, value in case.params.items()]
    shape = counted(case.ranks, "rank") + (f" on {counted(case.nodes, 'node')}" if case.nodes > 1 else "")
    device = [] if case.device == "cpu" else [plain(case.device)]
    transport = [] if case.transport == "mpi" else [plain(case.transport)]
    return " · ".join([spoken(case.workload), *params, plain(case.precision), *device, *transport, shape])


def shown_place(place: Place) -> str:
    """``"1. ompi-sm-cma 12.1 µs (11.9 – 12.3)"``."""
    time = place.row.row.time
    assert time is not None
    value, interval = format_quantity(time.value, "s"), shown_interval(time.value, time.low, time.high, "s")
    rate = shown_metric(place.row.headline)
    return f"{place.rank}. {plain(place.row.case.fabric)}: {value} ({interval}), {rate}"


def ranking_lines(found: Sequence[Ranking]) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the table: benchmark, ranked fabrics, and what is not ranked and why."""
    lines = []
    for one in found:
        placed = "; ".join(shown_place(place) for place in one.places) or "–"
        refused = "; ".join(f"{plain(row.case.fabric)}: {reason}" for row, reason in one.refused) or "–"
        lines.append([one.title, placed, refused])
    return ["benchmark", "rank, fabric: time of a step (interval), rate", "not ranked"], lines


def ranking_sentences(found: Sequence[Ranking]) -> list[str]:
    """One sentence a workload: how often each fabric came first, alone or sharing the rank; and what was refused."""
    sentences = []
    for workload in dict.fromkeys(one.workload for one in found):
        of_it = [one for one in found if one.workload == workload]
        alone: Counter[str] = Counter()
        shared: Counter[str] = Counter()
        for one in of_it:
            first = [plain(place.row.case.fabric) for place in one.places if place.rank == 1]
            (alone if len(first) == 1 else shared).update(first if len(one.places) > 1 else [])
        ranked = sum(len(one.places) > 1 for one in of_it)
        told = [
            f"{fabric} first in {alone[fabric]}" + (f" and level in {shared[fabric]}" if shared[fabric] else "")
            for fabric in sorted(alone | shared, key=lambda name: (-alone[name], -shared[name], name))
        ]
        outcome = f"of {counted(ranked, 'benchmark')} ranked: {', '.join(told)}" if told else "nothing to rank"
        sentences.append(f"{spoken(workload)}: {outcome}.")
    refused = sum(len(one.refused) for one in found)
    if refused:
        sentences.append(f"Not ranked: {counted(refused, 'case')}, each with its reason in the table.")
    return sentences
