"""The time of each case over many runs, with change points as advice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from clustermark.core.runfile import Run
from clustermark.core.units import format_quantity
from clustermark.reports.json_parts import TEXT, closed_object
from clustermark.reports.rows import ReportRow, oldest_first, run_labels
from clustermark.reports.text import counted, plain

# Series → numbers of the points at which a new level begins.
FindPoints = Callable[[Sequence[Sequence[float]]], Sequence[Sequence[int]]]
ADVICE = (
    "change points are advice, not a verdict: in 6 to 11 % of simulated series without a change, Otava named one all "
    "the same; `clustermark check --baseline REF` gives a verdict"
)


@dataclass(frozen=True)
class Point:
    """One run of a case: when, its label, and time of a step with its interval [s]."""

    created_utc: str
    run: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ChangePoint:
    """A run from which on a case has another level; `change` is of the median of what follows, against what was."""

    run: str
    created_utc: str
    change: float


@dataclass(frozen=True)
class Series:
    """A case in one environment over time.

    Attributes
    ----------
    label, case_id, fingerprint : which case, where
    points : oldest first; runs without a right answer are in `bad` (run, status)
    changes : what the detector found; () also where it did not look
    """

    label: str
    case_id: str
    fingerprint: str
    points: tuple[Point, ...]
    bad: tuple[tuple[str, str], ...] = ()
    changes: tuple[ChangePoint, ...] = field(default_factory=tuple)

    @property
    def latest_change(self) -> float | None:
        """Last point against the median of all before; None with fewer than two points."""
        if len(self.points) < 2:
            return None
        return self.points[-1].value / float(np.median([point.value for point in self.points[:-1]])) - 1


def history(runs: Sequence[Run], find: FindPoints | None = None) -> list[Series]:
    """One series per case and environment, in the order of their first runs.

    Parameters
    ----------
    runs : any order
    find : a change-point detector; None for none
    """
    ordered = oldest_first(runs)
    points: dict[tuple[str, str], list[Point]] = {}
    bad: dict[tuple[str, str], list[tuple[str, str]]] = {}
    labels: dict[str, str] = {}
    for run, label in zip(ordered, run_labels(ordered), strict=True):
        for row in run.rows:
            if row.status == "skipped":
                continue
            key = row.case.id, " ".join(row.fingerprints)
            labels[row.case.id] = row.case.label
            if ReportRow(label, run.created_utc, row).drawable and row.time is not None:
                time = row.time
                points.setdefault(key, []).append(Point(run.created_utc, label, time.value, time.low, time.high))
            else:
                bad.setdefault(key, []).append((label, row.status))
    keys = list(dict.fromkeys([*points, *bad]))
    series = [
        Series(labels[case], case, where, tuple(points.get((case, where), ())), tuple(bad.get((case, where), ())))
        for case, where in keys
    ]
    if find is None:
        return series
    found = find([[point.value for point in one.points] for one in series])
    return [_with_changes(one, places) for one, places in zip(series, found, strict=True)]


def _with_changes(series: Series, places: Sequence[int]) -> Series:
    values = [point.value for point in series.points]
    edges = [0, *sorted(place for place in set(places) if 0 < place < len(values)), len(values)]
    changes = []
    for before, at, after in zip(edges, edges[1:], edges[2:], strict=False):
        change = float(np.median(values[at:after]) / np.median(values[before:at])) - 1
        changes.append(ChangePoint(series.points[at].run, series.points[at].created_utc, change))
    return Series(series.label, series.case_id, series.fingerprint, series.points, series.bad, tuple(changes))


def history_document(series: Sequence[Series], detector: str) -> dict[str, Any]:
    """Plain JSON types."""
    return {
        "detector": detector,
        "advice": ADVICE if detector else "",
        "series": [asdict(one) | {"latest_change": one.latest_change} for one in series],
    }


def history_text(series: Sequence[Series], detector: str, why_none: str) -> str:
    """For the terminal: one line per series, those with change points first."""
    from tabulate import tabulate

    rows = [
        [
            plain(one.label),
            str(len(one.points)),
            format_quantity(one.points[0].value, "s") if one.points else "–",
            format_quantity(one.points[-1].value, "s") if one.points else "–",
            "–" if one.latest_change is None else _percent(one.latest_change),
            "; ".join(f"{_percent(change.change)} from {plain(change.run)}" for change in one.changes),
            ", ".join(f"{status} in {plain(run)}" for run, status in one.bad[-2:]),
            plain(one.fingerprint)[:8],
        ]
        for one in sorted(series, key=lambda one: -len(one.changes))
    ]
    header = ["case", "runs", "first", "last", "last against median", "change points", "not ok", "environment"]
    align = ["left", *["right"] * 4, *["left"] * 3]
    parts = [tabulate(rows, header, tablefmt="simple", disable_numparse=True, colalign=align)] if rows else []
    parts.append(f"{detector}: {ADVICE}" if detector else f"no change points: {why_none}")
    changed = sum(bool(one.changes) for one in series)
    tail = f", change points in {changed}" if detector else ""
    parts.append(f"{counted(len(series), 'case')}{tail}")
    return "\n\n".join(parts)


def _percent(change: float) -> str:
    return f"{change:+.1%}".replace("%", " %")


HISTORY_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "clustermark history",
    **closed_object(
        {
            "schema_version": {"const": 1},
            "verb": {"const": "history"},
            "detector": {"type": "string", "description": "empty where none was there"},
            "advice": TEXT,
            "series": {
                "type": "array",
                "items": closed_object(
                    {
                        "label": TEXT,
                        "case_id": TEXT,
                        "fingerprint": TEXT,
                        "points": {
                            "type": "array",
                            "items": closed_object(
                                {
                                    "created_utc": TEXT,
                                    "run": TEXT,
                                    **{name: {"type": "number"} for name in ("value", "low", "high")},
                                }
                            ),
                        },
                        "bad": {"type": "array", "items": {"type": "array", "items": TEXT}},
                        "changes": {
                            "type": "array",
                            "items": closed_object({"run": TEXT, "created_utc": TEXT, "change": {"type": "number"}}),
                        },
                        "latest_change": {"type": ["number", "null"]},
                    }
                ),
            },
        }
    ),
}
