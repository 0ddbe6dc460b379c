"""Cost of a unit of work, rented and owned, from the user's prices."""

from collections.abc import Sequence
from typing import Any

from clustermark.core.units import format_quantity
from clustermark.reports.charts.energy import joules
from clustermark.reports.charts.notes import common_notes
from clustermark.reports.charts.panels import doubt_note, left_out_notes
from clustermark.reports.charts.per_work import Priced, cheapest, panel_charts, panels_of, per_amount, work_rate
from clustermark.reports.costs import Costs
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import counted, plain

TITLE = "Cost of a unit of work"
RENTED, OWNED = "rented", "owned"


def draw(rows: Sequence[ReportRow]) -> Any:
    """Price of a node's time ÷ rate, for rented and for owned nodes.

    Parameters
    ----------
    rows : any; those with a rate of work and with costs are drawn

    Returns
    -------
    altair chart, or None where the user gave no price of a node
    """
    newest, older = latest_rows(rows)
    found = [priced for row in newest if (priced := _priced(row)) is not None]
    if not found or not any(one.prices for one in found):
        return None
    import altair as alt

    costs = found[0].row.costs
    assert costs is not None
    panels, more = panels_of(found)
    drawn = [one.row for members in panels.values() for one in members]
    kinds = [kind for kind in (RENTED, OWNED) if any(kind in one.prices for one in found)]
    notes = [*cost_notes(costs, drawn), *doubt_note(drawn, "Hollow bars"), *left_out_notes(older, more)]
    texts = {
        "title": TITLE,
        "description": f"Bars of the cost of a unit of work. {cheapest(panels, costs.currency)}.",
        "usermeta": {"notes": notes + common_notes(drawn), "table": _table(found, costs)},
    }
    return alt.vconcat(*panel_charts(panels, costs.currency, kinds), spacing=28, **texts)


def _priced(row: ReportRow) -> Priced | None:
    metric, time = work_rate(row), row.speed("time")
    if metric is None or time is None or row.costs is None:
        return None
    costs, prices = row.costs, {}
    work = metric.value * time.value
    hours = row.case.nodes * time.value / 3600.0
    if costs.rent_node_hour is not None:
        prices[RENTED] = costs.rent_node_hour * hours / work
    if costs.own is not None:
        energy = joules(row)
        electricity = costs.energy_cost(energy) if energy is not None else None
        prices[OWNED] = (costs.own.node_hour() * hours + (electricity or 0.0)) / work
    return Priced(row, metric, prices) if prices else None


def cost_notes(costs: Costs, rows: Sequence[ReportRow]) -> list[str]:
    """The prices that were given, and what they leave out."""
    given = []
    if costs.rent_node_hour is not None:
        given.append(f"{costs.rent_node_hour:g} {costs.currency} per rented node-hour")
    if costs.own is not None:
        own = costs.own
        given.append(
            f"{own.node_hour():.3g} {costs.currency} per owned node-hour ({own.capex_per_node:g} a node over "
            f"{own.lifetime_years:g} years, {own.yearly_per_node:g} a year, {own.utilisation:.0%} used)"
        )
    notes = [f"Prices as given by the user: {'; '.join(given)}. Whole nodes are paid for, however few ranks they run."]
    if costs.own is not None:
        notes += _electricity_note(costs, rows)
    prints = {fingerprint for row in rows for fingerprint in row.row.fingerprints}
    if len(prints) > 1:
        notes.append(f"The same prices stand for {counted(len(prints), 'environment')}: they may not be one machine's.")
    return notes


def _electricity_note(costs: Costs, rows: Sequence[ReportRow]) -> list[str]:
    measured = sum(joules(row) is not None for row in rows)
    if costs.price_per_kwh is None:
        return ["Electricity of owned nodes is left out: no price of it was given."]
    if not measured:
        return ["Electricity of owned nodes: unavailable, no energy was stored with these results."]
    text = f"Electricity of owned nodes at {costs.price_per_kwh:g} {costs.currency}/kWh and a PUE of {costs.pue:g}"
    rest = len(rows) - measured
    return [f"{text}, from stored energy" + (f"; unavailable for {counted(rest, 'case')}." if rest else ".")]


def _table(found: Sequence[Priced], costs: Costs) -> dict[str, Any]:
    lines = []
    for one in found:
        factor, amount = per_amount([one], one.metric.unit.removesuffix("/s"))
        energy = joules(one.row)
        lines.append(
            [
                plain(one.row.case.label),
                *(f"{one.prices[kind] * factor:.3g}" if kind in one.prices else "–" for kind in (RENTED, OWNED)),
                f"{costs.currency} per {amount}",
                format_quantity(energy, "J") if energy is not None else "unavailable",
                ", ".join(one.row.doubts) or "none",
            ]
        )
    return {"header": ["case", RENTED, OWNED, "", "energy of a step", "in doubt"], "rows": lines}
