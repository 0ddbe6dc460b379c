"""Samples of foreign programs: JSON lines, and the JSON files of pytest-benchmark.

A line that begins with "{" is a record; all others are the program's own talk and are passed over:

    {"case": "solve n=512", "seconds": [0.0121, 0.0119]}
    {"case": "copy", "values": [11.9, 12.1], "unit": "GB/s", "better": "higher"}
    {"case": "solve n=512", "status": "wrong", "reason": "residual 3e-2, allowed 1e-9"}

A case may have several lines; their samples are joined, and the worst status counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.core.errors import UsageError, nearest, plain
from clustermark.core.evidence import COMMAND, Launches, Observed, fresh_evidence, timed_evidence
from clustermark.core.gate import Evidence

_KEYS = ("case", "seconds", "values", "unit", "better", "status", "reason")
_STATUSES = ("ok", "wrong", "failed")
MOST_SAMPLES = 1_000_000


@dataclass(frozen=True)
class Sampled:
    """What a program printed about one case: cost per sample; of rates ("higher" is better) the reciprocal.

    Attributes
    ----------
    case, status, reason : `status` is "ok", "wrong" or "failed"
    cost : above 0, less is better
    unit : of the printed figures; "s" for seconds
    higher : the printed figures were rates
    """

    case: str
    status: Any = "ok"
    reason: str = ""
    cost: tuple[float, ...] = ()
    unit: str = "s"
    higher: bool = False

    def observed(self, conditions: tuple[str, ...] = ()) -> Observed:
        """As evidence; "ok" without a sample is a failure."""
        if self.status == "ok" and not self.cost:
            return Observed("failed", "printed no samples", conditions=conditions)
        return Observed(self.status, self.reason, np.array(self.cost), conditions)


def parse_lines(text: str, where: str) -> dict[str, Sampled]:
    """Case → samples, in the order of their first lines; `where` names the text in messages. Raises UsageError."""
    found: dict[str, Sampled] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("{"):
            continue
        one = _record(line, f"{where}: line {number}")
        found[one.case] = _joined(found[one.case], one, f"{where}: line {number}") if one.case in found else one
    return found


def _record(line: str, where: str) -> Sampled:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError(f'{where}: is no JSON object; print {{"case": "name", "seconds": [0.1]}}') from None
    for key in data:
        if key not in _KEYS:
            raise UsageError(f"{where}: unknown key '{plain(key)}'{nearest(key, _KEYS)}; remove or rename it")
    case, status, better = data.get("case"), data.get("status", "ok"), data.get("better", "lower")
    if not isinstance(case, str) or not case:
        raise UsageError(f'{where}: names no case; add "case": "name"')
    if status not in _STATUSES:
        raise UsageError(f"{where}: status is {plain(repr(status))}, expected one of {', '.join(_STATUSES)}")
    if "seconds" in data and "values" in data:
        raise UsageError(f'{where}: has both "seconds" and "values"; print one of them')
    if better not in ("lower", "higher") or ("seconds" in data and better == "higher"):
        raise UsageError(f'{where}: better is {plain(repr(better))}, expected "lower", or "higher" for rates')
    values = _numbers(data.get("seconds", data.get("values", [])), where)
    unit = data.get("unit", "s" if "seconds" in data or "values" not in data else "")
    if not isinstance(unit, str) or not isinstance(data.get("reason", ""), str):
        raise UsageError(f"{where}: unit and reason are texts; put them in quotes")
    cost = tuple(1 / value for value in values) if better == "higher" else values
    return Sampled(case, status, data.get("reason", ""), cost, unit, better == "higher")


def _numbers(data: object, where: str) -> tuple[float, ...]:
    values: list[Any] = data if isinstance(data, list) else [data]
    if len(values) > MOST_SAMPLES:
        raise UsageError(f"{where}: has over {MOST_SAMPLES} samples; print fewer")
    for value in values:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not 1e-300 < value < 1e300:
            raise UsageError(f"{where}: has the sample {plain(repr(value))}, expected finite numbers above 0")
    return tuple(float(value) for value in values)


def _joined(before: Sampled, after: Sampled, where: str) -> Sampled:
    if before.cost and after.cost and (before.unit, before.higher) != (after.unit, after.higher):
        raise UsageError(f"{where}: case '{plain(before.case)}' changes its unit; print one unit per case")
    worst = max(before, after, key=lambda one: _STATUSES.index(one.status) if one.status != "wrong" else 9)
    kind = before if before.cost else after
    return replace(kind, status=worst.status, reason=worst.reason, cost=before.cost + after.cost)


def parse_pytest_benchmark(text: str | bytes, where: str) -> dict[str, Sampled]:
    """Full name → rounds of each benchmark of a pytest-benchmark JSON file, medians where it has no data.

    Raises UsageError.
    """
    bad = f"{where}: is no JSON file of pytest-benchmark"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{bad}; write one with --benchmark-json") from None
    benchmarks = data.get("benchmarks") if isinstance(data, dict) else None
    if not isinstance(benchmarks, list):
        raise UsageError(f"{bad} (it has no list of benchmarks); write one with --benchmark-json")
    found: dict[str, Sampled] = {}
    for number, one in enumerate(benchmarks, 1):
        place = f"{where}: benchmark {number}"
        stats = one.get("stats") if isinstance(one, dict) else None
        if not isinstance(stats, Mapping):
            raise UsageError(f"{place}: has no stats; write the file with --benchmark-json")
        name = one.get("fullname") or one.get("name")
        if not isinstance(name, str) or name in found:
            raise UsageError(f"{place}: its name is missing or not unique; name each benchmark once")
        found[name] = Sampled(name, cost=_numbers(stats.get("data") or stats.get("median"), place))
    return found


@dataclass(frozen=True)
class SampleStage:
    """The launches of a command in one stage: side → launch → case → samples; conditions and failures per launch."""

    launches: Mapping[str, Mapping[int, SampleLaunch]]

    @staticmethod
    def read(folder: Path, stage: int) -> SampleStage:
        """All launches below a check's folder."""
        sides: dict[str, dict[int, SampleLaunch]] = {}
        for side in ("baseline", "candidate"):
            sides[side] = {}
            for path in sorted((folder / side).glob(f"{stage}.*.json")):
                number = path.name.split(".")[1]
                if number.isdigit():
                    sides[side][int(number)] = SampleLaunch.from_json(path.read_text(), str(path))
        return SampleStage(sides)


@dataclass(frozen=True)
class SampleLaunch:
    """One run of a command: what it printed, why it failed ("" if it did not), under which conditions."""

    cases: Mapping[str, Sampled]
    failure: str = ""
    conditions: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One JSON object; `from_json` takes it back."""
        cases = [
            {"case": c.case, "status": c.status, "reason": c.reason, "cost": c.cost, "unit": c.unit, "higher": c.higher}
            for c in self.cases.values()
        ]
        return json.dumps({"cases": cases, "failure": self.failure, "conditions": self.conditions})

    @staticmethod
    def from_json(text: str, where: str) -> SampleLaunch:
        """The launch that `to_json` wrote. Raises UsageError."""
        try:
            data = json.loads(text)
            cases = [Sampled(**{**one, "cost": _numbers(one["cost"], where)}) for one in data["cases"]]
            return SampleLaunch({one.case: one for one in cases}, data["failure"], tuple(data["conditions"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(
                f"{where}: is damaged ({type(error).__name__}); remove it and run that launch again"
            ) from error


def sample_evidence(stages: Sequence[SampleStage]) -> list[Evidence]:
    """One evidence per case that any launch of a command printed, in the order of the first launch that did."""
    names: dict[str, Sampled] = {}
    for stage in stages:
        for side in ("candidate", "baseline"):
            for _, launch in sorted(stage.launches[side].items()):
                names = {**launch.cases, **names}
    found = []
    for name, one in names.items():
        old, new = ([_launches(stage, side, name, number) for number, stage in enumerate(stages)] for side in _SIDES)
        known = any(name in launch.cases for stage in stages for launch in stage.launches["baseline"].values())
        fallen = any(launch.failure for stage in stages for launch in stage.launches["baseline"].values())
        if known or fallen:
            found.append(_with_unit(timed_evidence(name, old, new, COMMAND, one.unit), one))
        else:
            found.append(fresh_evidence(name, new))
    return found


_SIDES = ("baseline", "candidate")


def _launches(stage: SampleStage, side: str, name: str, number: int) -> Launches:
    """In stage 1 a case that a launch does not print has failed there; in stage 2 only suspects are asked for."""
    found = {}
    for launch, said in stage.launches[side].items():
        if name in said.cases:
            found[launch] = said.cases[name].observed(said.conditions)
        elif number == 0 or said.failure:
            found[launch] = Observed("failed", said.failure or "vanished: the command printed nothing about it")
    return found


def _with_unit(evidence: Evidence, one: Sampled) -> Evidence:
    """Rates are shown as they were printed, not as their reciprocals."""
    if not one.higher:
        return evidence
    shown = {
        side: 1 / evidence.facts[side]
        for side in _SIDES
        if evidence.facts[side] and math.isfinite(evidence.facts[side])
    }
    return replace(evidence, facts={**evidence.facts, **shown})
