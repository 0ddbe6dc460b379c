"""A check made readable: the sentence, the table, and what every other form of it is made from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from clustermark.core.check_folder import CheckFolder
from clustermark.core.evidence import COMMAND, INTERLEAVED, LOCKSTEP, STORED
from clustermark.core.gate import VERDICTS, Decision, Verdict, decide, exit_code
from clustermark.core.gate_rules import Rules
from clustermark.core.units import format_quantity
from clustermark.reports.text import counted, plain

_ORDER = {verdict: number for number, verdict in enumerate(VERDICTS)}
_METHODS = {
    INTERLEAVED: "pairs of launches in random order",
    LOCKSTEP: "lockstep: samples of both versions in turns, the median ratio of each launch",
    COMMAND: "pairs of runs of a command in random order",
    STORED: "stored launches of two runs, which did not run side by side: the weaker verdict",
}


@dataclass(frozen=True)
class GateReport:
    """One check, judged.

    Attributes
    ----------
    name, method, created_utc, folder : of the check
    baseline, candidate : what the sides are, for people
    rules : that were applied
    decisions : worst first
    notes : sentences that belong under the verdict
    differences : facts of the environments that differ: (name, baseline, candidate)
    strict : inconclusive is not good enough
    """

    name: str
    method: str
    created_utc: str
    folder: str
    baseline: str
    candidate: str
    rules: Rules
    decisions: tuple[Decision, ...]
    notes: tuple[str, ...] = ()
    differences: tuple[tuple[str, str, str], ...] = ()
    strict: bool = False
    sides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """What the command line returns."""
        return exit_code(self.decisions, self.strict)

    @property
    def counts(self) -> dict[Verdict, int]:
        """Verdict → cases."""
        return {verdict: sum(one.verdict == verdict for one in self.decisions) for verdict in VERDICTS}

    @property
    def level(self) -> Literal["good", "warning", "bad"]:
        """ "bad" for a regression or a broken case, "warning" where anything is not known, else "good"."""
        found = self.counts
        if found["regressed"] or found["broken"]:
            return "bad"
        known = found["unchanged"] + found["improved"]
        return "warning" if found["inconclusive"] or found["not compared"] or not known else "good"

    @staticmethod
    def of(folder: CheckFolder, strict: bool = False) -> GateReport:
        """Judge all that a check has measured so far."""
        return GateReport(
            name=folder.name,
            method=folder.method,
            created_utc=folder.created_utc,
            folder=str(folder.path),
            baseline=_described(folder.sides["baseline"]),
            candidate=_described(folder.sides["candidate"]),
            rules=folder.rules,
            decisions=worst_first(decide(folder.evidence(), folder.rules)),
            notes=tuple(folder.notes),
            differences=tuple(folder.differences()),
            strict=strict,
            sides=folder.sides,
        )


def worst_first(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """By verdict, then by the size of the change."""
    return tuple(sorted(decisions, key=lambda one: (_ORDER[one.verdict], -(one.change or 0.0), one.label)))


def _described(side: Mapping[str, Any]) -> str:
    settings = [f"{name}={value}" for key in ("axes", "variables") for name, value in dict(side.get(key, {})).items()]
    shown = [word for word in settings if not word.startswith("MPI4PY_LIBMPI=")]
    return plain(str(side["what"]) + (f" with {' '.join(shown)}" if shown else ""))


def sentence(report: GateReport) -> str:
    """``"2 regressed, 1 inconclusive, 47 unchanged, of 50 cases"``."""
    found = [f"{number} {verdict}" for verdict, number in report.counts.items() if number]
    return f"{', '.join(found) or 'nothing was compared'}, of {counted(len(report.decisions), 'case')}"


def conditions(report: GateReport) -> list[str]:
    """How it was measured and judged, one sentence each."""
    rules = report.rules
    return [
        f"method: {_METHODS.get(report.method, plain(report.method))}",
        f"change: of the time (of a rate: of its reciprocal), above 0 is slower; bounds: one-sided, "
        f"{1 - rules.unchanged_tail:.0%} each",
        f"suspects of {rules.pairs} pairs are measured in {rules.confirm_pairs} fresh ones; regressed and improved: "
        f"beyond ±{rules.tolerance:.0%} with at most {rules.family_error:.0%} of any false alarm over all suspects",
        f"unchanged: a slowdown of {rules.budget:.0%} is excluded; inconclusive is not a pass",
        "detectable: the smallest slowdown that pairs with this noise show nearly always; noise: spread of a pair",
    ]


HEADER = ("case", "verdict", "change", "bounds", "baseline", "candidate", "noise", "detectable", "pairs", "why")


def table_cells(report: GateReport) -> list[list[str]]:
    """One list of texts per case, in the order of HEADER."""
    return [
        [
            plain(one.label),
            one.verdict,
            shown_change(one.change),
            "–" if one.change is None else f"{shown_change(one.low, '-∞')} … {shown_change(one.high, '+∞')}",
            shown_figure(one, "baseline"),
            shown_figure(one, "candidate"),
            "–" if one.noise is None else f"{one.noise:.1%}".replace("%", " %"),
            shown_change(one.detectable),
            str(one.pairs) if one.pairs else "–",
            plain(one.reason),
        ]
        for one in report.decisions
    ]


def shown_change(change: float | None, absent: str = "–") -> str:
    """``0.102`` → ``"+10.2 %"``; from a factor of three on ``"3.4×"``."""
    if change is None or not math.isfinite(change):
        return absent
    return f"{1 + change:.1f}×" if change >= 2 else f"{change:+.1%}".replace("%", " %")


def shown_figure(one: Decision, side: str) -> str:
    """The median of a side in its unit."""
    value = one.facts.get(side)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    unit = str(one.facts.get("unit", "s"))
    return format_quantity(float(value), unit) if unit == "s" else f"{value:.4g} {plain(unit)}".rstrip()


def terminal_text(report: GateReport) -> str:
    """What `clustermark check` prints: table, notes, differences, the sentence last."""
    from tabulate import tabulate

    cells = table_cells(report)
    reasons: dict[str, int] = {}
    for row in cells:
        if row[-1]:
            row[-1] = f"[{reasons.setdefault(row[-1], len(reasons) + 1)}]"
    align = ["left", "left", *["right"] * 7, "left"]
    parts = [tabulate(cells, HEADER, tablefmt="simple", disable_numparse=True, colalign=align)] if cells else []
    if reasons:
        parts.append("\n".join(f"[{number}] {reason}" for reason, number in reasons.items()))
    parts.append("\n".join([f"baseline: {report.baseline}", f"candidate: {report.candidate}", *conditions(report)]))
    doubts = [f"note: {plain(note)}" for note in report.notes]
    doubts += [f"differs: {plain(name)}: {plain(x)} | {plain(y)}" for name, x, y in report.differences]
    if doubts:
        parts.append("\n".join(doubts))
    parts.append(sentence(report))
    return "\n\n".join(parts)
