"""Energy of a unit of work, from meters that were read."""

from collections.abc import Sequence
from typing import Any

from clustermark.core.counters import ENERGY_PER_STEP
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note, left_out_notes
from clustermark.reports.charts.per_work import Priced, cheapest, panel_charts, panels_of, per_amount, work_rate
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import plain

TITLE = "Energy of a unit of work"
UNIT = "J"


def draw(rows: Sequence[ReportRow]) -> Any:
    """Joules per unit of work of each case, where they were measured.

    Parameters
    ----------
    rows : any; those with the counter ``energy per step [J]`` are drawn

    Returns
    -------
    altair chart, or None where nothing was measured
    """
    newest, older = latest_rows(rows)
    found = [priced for row in newest if (priced := _priced(row)) is not None]
    if not found:
        return None
    import altair as alt

    panels, more = panels_of(found)
    drawn = [one.row for members in panels.values() for one in members]
    notes = [
        "Stored meter readings of a step, the largest of the launches, ÷ the work of a step; no PUE in them. Counters "
        "of packages and GPUs leave out supplies, fans and network: not conforming to the Green500."
    ]
    notes += doubt_note(drawn, "Hollow bars") + left_out_notes(older, more) + common_notes(drawn)
    table = _table(found)
    texts = {
        "title": TITLE,
        "description": f"Bars of the energy of a unit of work. {cheapest(panels, UNIT)}.",
        "usermeta": {"notes": notes, "table": table},
    }
    return alt.vconcat(*panel_charts(panels, UNIT, ["measured"]), spacing=28, **texts)


def joules(row: ReportRow) -> float | None:
    """[J] of a step as stored; None where nothing was read."""
    found = row.row.counters.get(ENERGY_PER_STEP)
    return found if found is not None and found > 0 else None


def _priced(row: ReportRow) -> Priced | None:
    metric, time, energy = work_rate(row), row.speed("time"), joules(row)
    if metric is None or time is None or energy is None:
        return None
    return Priced(row, metric, {"measured": energy / (metric.value * time.value)})


def _table(found: Sequence[Priced]) -> dict[str, Any] | None:
    """CO2 equivalent per unit of work, where the user told that of the grid."""
    lines = []
    for one in found:
        factor, amount = per_amount([one], one.metric.unit.removesuffix("/s"))
        energy = one.prices["measured"] * factor
        grams = one.row.costs.co2_grams(energy) if one.row.costs else None
        if grams is not None:
            lines.append([plain(one.row.case.label), f"{energy:.3g} J", f"{grams:.3g} g", f"per {amount}"])
    return {"header": ["case", "energy", "CO2 equivalent with PUE", ""], "rows": lines} if lines else None
