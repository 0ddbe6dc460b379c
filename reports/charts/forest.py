"""A forest of ratios: one line per case with its interval, the tolerance as a band, the verdict as shape and colour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.reports.charts import style
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note, left_out_notes, shortened
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import counted, plain

TITLE = "Time of the newest run ÷ time of the run before"
MOST_LINES, MOST_UNJUDGED = 60, 24
NOT_JUDGED, DOUBTFUL = "not judged", "in doubt"
# Verdict → (colour slot, shape slot): blue, orange and grey are told apart by every kind of colour vision.
_LOOKS = {
    "regressed": (1, 2),
    "wrong": (1, 4),
    "failed": (1, 4),
    "vanished": (1, 4),
    "broken": (1, 4),
    "slower": (1, 2),
    "inconclusive": (4, 3),
    "not compared": (6, 3),
    "improved": (2, 5),
    "faster": (2, 5),
    "unchanged": (0, 0),
    "not told apart": (0, 0),
    "new": (7, 6),
    NOT_JUDGED: (0, 0),
    DOUBTFUL: (6, 3),
}
_OTHER = (7, 6)


@dataclass(frozen=True)
class Ratio:
    """One line of a forest.

    Attributes
    ----------
    label : the case, as people call it
    ratio : new ÷ old; None where there is none, as of a case that became wrong or vanished
    lower, upper : interval of the ratio; None with it
    verdict : the word for it; those of `_LOOKS` have their own shape and colour, others share one
    """

    label: str
    ratio: float | None
    lower: float | None
    upper: float | None
    verdict: str


def forest(
    ratios: Sequence[Ratio],
    title: str,
    quantity: str,
    tolerance: tuple[float, float] | None = None,
    notes: Sequence[str] = (),
    better: str = "lower",
    most: int = MOST_LINES,
) -> Any:
    """Ratios with their intervals on a logarithmic axis, the worst first; for a report, a comparison or a gate.

    Parameters
    ----------
    ratios : case label, ratio, lower and upper bound, verdict; a case without a ratio is a line with its verdict only
    title : of the chart
    quantity : of the axis, such as ``"time of the candidate ÷ time of the baseline"``
    tolerance : (low, high) ratios between which a difference does not count, drawn as a band; None for none
    notes : sentences for beneath the chart, with the source and the conditions
    better : "lower" where a ratio below 1 is good (times), "higher" for rates; for the words at the axis
    most : lines to draw, the gravest of them

    Returns
    -------
    altair chart, or None where there is no line to draw
    """
    if not ratios:
        return None
    import altair as alt

    ordered = sorted(ratios, key=_order)
    kept = ordered[:most]
    lines = _distinct([one.label for one in kept])
    low, high = _span(kept, tolerance)
    values = [_record(one, line) for one, line in zip(kept, lines, strict=True)]
    verdicts = list(dict.fromkeys(one.verdict for one in kept))
    looks = {verdict: _LOOKS.get(verdict, _OTHER) for verdict in verdicts}
    names = [f"{plain(verdict)} ({sum(one.verdict == verdict for one in ratios)})" for verdict in verdicts]
    for record in values:
        record["verdict"] = names[verdicts.index(record["verdict"])]
    legend = alt.Legend(orient="top", direction="horizontal", columns=5, title=None, offset=10)
    colour = alt.Color(
        "verdict:N",
        scale=style.scale_of(names, [style.COLOURS[looks[v][0]] for v in verdicts]),
        legend=legend,
        title=None,
    )
    shape = alt.Shape(
        "verdict:N",
        scale=style.scale_of(names, [style.SHAPES[looks[v][1]] for v in verdicts]),
        legend=legend,
        title=None,
    )
    hollow = {"inconclusive", DOUBTFUL}
    fills = ["transparent" if v in hollow else style.COLOURS[looks[v][0]] for v in verdicts]
    fill = alt.Fill("verdict:N", scale=style.scale_of(names, fills), legend=legend, title=None)
    x = alt.X(
        "ratio:Q",
        title=f"{quantity} ({'←' if better == 'lower' else '→'} better)",
        scale=alt.Scale(type="log", nice=False, domain=[low, high]),
        axis=alt.Axis(values=_ticks(low, high), labelExpr="format(datum.value, '.3~f')"),
    )
    y = alt.Y("line:N", sort=lines, title=None, axis=alt.Axis(domain=False, ticks=False, labelPadding=10, grid=False))
    base = alt.Chart(alt.InlineData(values=values)).encode(y=y)
    known = base.transform_filter("datum.ratio > 0")
    tips = [alt.Tooltip(f"{field}:N", title=name) for field, name in _TIPS]
    one = alt.Chart(alt.InlineData(values=[{"ratio": 1.0}]))
    layers = [one.mark_rule(opacity=0.6).encode(x=x)]
    if tolerance is not None:
        band = alt.Chart(alt.InlineData(values=[{"ratio": tolerance[0], "end": tolerance[1]}]))
        layers.insert(0, band.mark_rect(opacity=0.14, color="#828282").encode(x=x, x2=alt.X2("end")))
    layers += [
        known.mark_rule(strokeWidth=2, clip=True).encode(x=alt.X("lower:Q"), x2=alt.X2("upper"), color=colour),
        known.mark_point(size=70, strokeWidth=1.8, opacity=1, clip=True).encode(
            x=alt.X("ratio:Q"), color=colour, shape=shape, fill=fill, tooltip=tips
        ),
        # What has no ratio stands at 1 as its verdict in words.
        base.transform_filter("datum.ratio == 0")
        .mark_text(align="left", dx=6, fontWeight=600)
        .encode(x=alt.X("nowhere:Q"), text=alt.Text("word:N"), tooltip=tips),
    ]
    texts = list(notes)
    if tolerance is not None:
        texts.insert(0, f"Grey band: {tolerance[0]:.3g} to {tolerance[1]:.3g}, the tolerance.")
    if len(ratios) > len(kept):
        texts.append(f"{counted(len(ratios) - len(kept), 'more case')}, less grave, in the table only.")
    meta = {"notes": texts, "table": None}
    properties = {"title": title, "description": _described(quantity, ratios), "usermeta": meta}
    return alt.layer(*layers, width=620, height={"step": 22}, **properties)


_TIPS = (("label", "case"), ("shown", "ratio (interval)"), ("word", "verdict"))


def draw(rows: Sequence[ReportRow]) -> Any:
    """The newest run beside the run before it, case by case; a look, not a verdict.

    Parameters
    ----------
    rows : of two runs or more; a case that was ok before and is not now is shown without a ratio

    Returns
    -------
    altair chart, or None where the last two runs have no case in common
    """
    runs = sorted({(row.created_utc, row.run) for row in rows})
    if len(runs) < 2:
        return None
    before, now = ({row.case.id: row for row in rows if (row.created_utc, row.run) == run} for run in runs[-2:])
    pairs = [(before[key], row) for key, row in now.items() if key in before and before[key].drawable]
    ratios = [ratio for old, new in pairs if (ratio := _of_pair(old, new)) is not None]
    if not ratios:
        return None
    unlike = sum(old.row.fingerprints != new.row.fingerprints for old, new in pairs)
    notes = [
        f"{runs[-1][1]} ÷ {runs[-2][1]}. Bars reach from the fastest ÷ slowest to the slowest ÷ fastest end of both "
        "intervals. Nothing is judged here: clustermark check and clustermark compare do that."
    ]
    if unlike:
        notes.append(f"{counted(unlike, 'case')} from another environment: a difference may be the machine's.")
    shown = [new for _, new in pairs]
    notes += [*doubt_note([row for pair in pairs for row in pair], "Grey"), *left_out_notes(), *common_notes(shown)]
    return forest(ratios, TITLE, "time of a step, newest ÷ before", None, notes, most=MOST_UNJUDGED)


def _of_pair(old: ReportRow, new: ReportRow) -> Ratio | None:
    label = new.case.label
    if not new.drawable:
        return Ratio(label, None, None, None, new.row.status) if new.row.status != "skipped" else None
    a, b = old.speed("time"), new.speed("time")
    if a is None or b is None:
        return None
    verdict = NOT_JUDGED if old.ranked and new.ranked else DOUBTFUL
    return Ratio(label, b.value / a.value, b.low / a.high, b.high / a.low, verdict)


def _order(one: Ratio) -> tuple[int, float]:
    """Without a ratio first, then the largest change."""
    grave = list(_LOOKS)
    place = grave.index(one.verdict) if one.verdict in grave else len(grave)
    return place, -abs(math.log(one.ratio)) if one.ratio else -math.inf


def _distinct(labels: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for label in labels:
        line = shortened(plain(label), 56)
        lines.append(line if line not in lines else f"{line} #{len(lines) + 1}")
    return lines


def _span(ratios: Sequence[Ratio], tolerance: tuple[float, float] | None) -> tuple[float, float]:
    """Around all ratios and the band, symmetric about 1, from a twentieth to at most a hundredfold."""
    known = [abs(math.log(value)) for one in ratios for value in (one.ratio, one.lower, one.upper) if value]
    known += [abs(math.log(value)) for value in tolerance or () if value > 0]
    reach = min(max([0.05, *known]) * 1.12, math.log(100.0))
    return math.exp(-reach), math.exp(reach)


def _ticks(low: float, high: float) -> list[float]:
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        if (high - low) / step <= 10:
            return [round(index * step, 4) for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= tick <= high]


def _record(one: Ratio, line: str) -> dict[str, Any]:
    known = one.ratio is not None and one.lower is not None and one.upper is not None and one.lower > 0
    shown = f"{one.ratio:.3f} ({one.lower:.3f} – {one.upper:.3f})" if known else "–"
    return {
        "line": line,
        "label": plain(one.label),
        "case": plain(one.label),
        "ratio": one.ratio if known else 0,
        "lower": one.lower if known else 0,
        "upper": one.upper if known else 0,
        "nowhere": 1.0,
        "verdict": one.verdict,
        "word": plain(one.verdict),
        "shown": shown,
    }


def _described(quantity: str, ratios: Sequence[Ratio]) -> str:
    counts = {
        verdict: sum(one.verdict == verdict for one in ratios) for verdict in dict.fromkeys(r.verdict for r in ratios)
    }
    listed = ", ".join(f"{number} {plain(verdict)}" for verdict, number in counts.items())
    known = [one.ratio for one in ratios if one.ratio]
    span = f" Ratios from {min(known):.3f} to {max(known):.3f}." if known else ""
    return f"Forest plot of {quantity} for {counted(len(ratios), 'case')}: {listed}.{span}"
